use std::fmt::Write;
use std::path::Path;

use anyhow::{Context, Result, bail};
use comfy_table::{Table, presets};
use semcov::corpus::{Corpus, CorpusOptions, normalize};
use semcov::embed::{
    self, Artifacts, DistillParams, Distillation, EncoderId, KnownEncoder, Manifest, OpenDevice, Place, Precision,
    StaticModel, Verification,
};
use serde_json::Value;

use crate::args::{ModelArgs, ModelCommand, ModelDistillArgs};
use crate::console::Console;
use crate::exit::Exit;
use crate::session::{artifact_options, cache_folder};
use crate::{encoder, output};

pub(crate) fn run(args: &ModelArgs, console: &Console) -> Result<Exit> {
    let text = match &args.command {
        ModelCommand::List => list(console),
        ModelCommand::Info { encoder, cache } => info(encoder, cache.as_deref(), console)?,
        ModelCommand::Pull { encoder } => pull(encoder, console)?,
        ModelCommand::Distill(args) => distill(args, console)?,
    };
    output::write_text(Path::new("-"), &text)?;
    Ok(Exit::Pass)
}

fn list(console: &Console) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).force_no_tty().set_header(["encoder", "dim", "tokens", "licence", "where"]);
    for known in KnownEncoder::list(&artifact_options(None, console).hub) {
        let Manifest { id, dim, max_tokens, license, .. } = known.manifest;
        let place = match known.place {
            Place::Embedded => "in this binary",
            Place::Cached(_) => "on this machine",
            Place::Remote => "to be pulled",
        };
        table.add_row([id.as_str(), &dim.to_string(), &max_tokens.to_string(), license, place]);
        if id == encoder::DISTILLED {
            let dim = DistillParams::default().dim.to_string();
            table.add_row(["static", &dim, "all", license, "made of the one above at first use"]);
        }
    }
    format!("{}\n\nAny other Hugging Face id or folder of a supported architecture works, too.\n", trimmed(&table))
}

/// A table without the spaces that fill its last column.
fn trimmed(table: &Table) -> String {
    table.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}

fn info(name: &str, cache: Option<&str>, console: &Console) -> Result<String> {
    let cache = cache_folder(cache)?;
    let options = artifact_options(None, console);
    let found = encoder::find(name, &options, console)?;
    let encoder = found.load(&OpenDevice::cpu(), Some(Precision::F32), None, None, cache.as_deref(), console)?;
    Ok(describe(&found.artifacts, encoder.id()))
}

fn pull(name: &str, console: &Console) -> Result<String> {
    let artifacts = Artifacts::pull(name, &artifact_options(None, console))?;
    loaded(&artifacts, console)
}

/// Makes a static encoder, with the token frequencies of the corpora, if there are any.
fn distill(args: &ModelDistillArgs, console: &Console) -> Result<String> {
    let artifacts = Artifacts::resolve(&args.encoder, &artifact_options(None, console))?;
    let params = DistillParams { dim: args.dim, ..DistillParams::default() };
    let mut distillation = Distillation::new(&artifacts, params.check()?)?;
    check_folder(&args.output)?;
    if !args.inputs.is_empty() {
        let options = CorpusOptions { text: args.text.as_deref().map(str::parse).transpose()?, ..Default::default() };
        count(&Corpus::open(&args.inputs, &options)?, &mut distillation, console)?;
    }
    write_folder(&args.output, &distillation.run(console)?)?;
    console.note(format_args!("wrote {}: `--encoder {0}` embeds with it", args.output.display()));
    // A folder, even if it has the name of an encoder.
    let folder = Path::new(".").join(&args.output);
    let name = folder.to_str().context("the name of the folder is not UTF-8")?;
    loaded(&Artifacts::resolve(name, &artifact_options(None, console))?, console)
}

/// Counts a corpus' tokens.
fn count(corpus: &Corpus, distillation: &mut Distillation, console: &Console) -> Result<()> {
    const ROWS: usize = 16_384;
    let (mut counter, mut rows, mut tokens, mut bad) = (distillation.counter()?, 0_u64, 0, 0_u64);
    let mut records = corpus.records();
    loop {
        let mut texts = Vec::new();
        for row in records.by_ref().take(ROWS) {
            match row?.record {
                Ok(record) => texts.push(normalize(&record.text).into_owned()),
                Err(_) => bad += 1,
            }
        }
        if texts.is_empty() {
            break;
        }
        rows += texts.len() as u64;
        tokens += counter.add(&texts.iter().map(String::as_str).collect::<Vec<_>>())?;
    }
    if tokens == 0 {
        bail!("expected texts to count the tokens of, got {rows} rows without any");
    }
    console.note(format_args!("counted {tokens} tokens of {rows} rows"));
    if bad > 0 {
        console.warn(format_args!("{bad} rows could not be read, and were not counted"));
    }
    Ok(())
}

/// Refuses a folder that is something else than a static encoder, before the work is done.
fn check_folder(folder: &Path) -> Result<()> {
    let is_empty = !folder.exists() || fs_err::read_dir(folder)?.next().is_none();
    let config = fs_err::read_to_string(folder.join("config.json")).unwrap_or_default();
    let is_static = serde_json::from_str::<Value>(&config).is_ok_and(|config| config["model_type"] == "model2vec");
    if is_empty || is_static {
        return Ok(());
    }
    bail!("--output {}: expected a new folder, or one of a static encoder to write anew", folder.display())
}

/// Writes the files of a model. The folder is an encoder when the last one is there.
fn write_folder(folder: &Path, model: &StaticModel) -> Result<()> {
    fs_err::create_dir_all(folder)?;
    let files = model.files()?;
    if let Some((last, _)) = files.last()
        && folder.join(last).exists()
    {
        fs_err::remove_file(folder.join(last))?;
    }
    for (name, bytes) in files {
        output::write(&folder.join(name), |out| Ok(out.write_all(&bytes)?))?;
    }
    Ok(())
}

/// Loads an encoder, which proves that it can be used, and says what it is.
fn loaded(artifacts: &Artifacts, console: &Console) -> Result<String> {
    artifacts.warnings.iter().for_each(|warning| console.warn(warning));
    let encoder = embed::load_encoder(artifacts, &OpenDevice::cpu(), Some(Precision::F32))?;
    Ok(describe(artifacts, encoder.id()))
}

/// What an encoder is.
fn describe(artifacts: &Artifacts, id: &EncoderId) -> String {
    let checked = match artifacts.verification {
        Verification::Embedded => "part of this binary",
        Verification::Manifest => "against the SHA-256 digests that semcov knows",
        Verification::Hub => "against the digests that the hub states",
        Verification::Unverified => "not checked: there is nothing to check them against",
    };
    let mut text = String::new();
    let mut line = |name: &str, value: &dyn std::fmt::Display| {
        let _ = writeln!(text, "{name:<12} {value}");
    };
    line("encoder", &id.name);
    let manifest = Manifest::find(&artifacts.name);
    if id.name != artifacts.name {
        line("about", &format_args!("A vector for every token of {}, for screening.", artifacts.name));
    } else if let Some(manifest) = manifest {
        line("about", &manifest.about);
    }
    if let Some(manifest) = manifest {
        line("licence", &manifest.license);
    }
    line("dim", &id.dim);
    line("max tokens", &id.max_tokens);
    line("pooling", &format_args!("{:?}", id.pooling));
    line("prompt", &format_args!("{:?}", id.prompt));
    line("files", &checked);
    line("digest", &format_args!("blake3:{}", id.weights));
    line("fingerprint", &id.fingerprint());
    text
}
