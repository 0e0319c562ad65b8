use std::fmt::Write;
use std::path::Path;

use anyhow::Result;
use comfy_table::{Table, presets};
use semcov::embed::{Artifacts, Encoder, KnownEncoder, Manifest, OpenDevice, Place, TransformerEncoder, Verification};

use crate::args::{ModelArgs, ModelCommand};
use crate::console::Console;
use crate::exit::Exit;
use crate::output;
use crate::session::artifact_options;

pub(crate) fn run(args: &ModelArgs, console: &Console) -> Result<Exit> {
    let text = match &args.command {
        ModelCommand::List => list(console),
        ModelCommand::Info { encoder } => info(encoder, console)?,
        ModelCommand::Pull { encoder } => pull(encoder, console)?,
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
    }
    format!("{}\n\nAny other Hugging Face id or folder of a supported architecture works, too.\n", trimmed(&table))
}

/// A table without the spaces that fill its last column.
fn trimmed(table: &Table) -> String {
    table.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}

fn info(name: &str, console: &Console) -> Result<String> {
    let artifacts = Artifacts::resolve(name, &artifact_options(None, console))?;
    describe(&artifacts, console)
}

fn pull(name: &str, console: &Console) -> Result<String> {
    let artifacts = Artifacts::pull(name, &artifact_options(None, console))?;
    describe(&artifacts, console)
}

/// Loads the encoder, which proves that it can be used, and says what it is.
fn describe(artifacts: &Artifacts, console: &Console) -> Result<String> {
    artifacts.warnings.iter().for_each(|warning| console.warn(warning));
    let encoder = TransformerEncoder::load(artifacts, &OpenDevice::cpu())?;
    let id = encoder.id();
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
    if let Some(manifest) = Manifest::find(&artifacts.name) {
        line("about", &manifest.about);
        line("licence", &manifest.license);
    }
    line("dim", &id.dim);
    line("max tokens", &id.max_tokens);
    line("pooling", &format_args!("{:?}", id.pooling));
    line("prompt", &format_args!("{:?}", id.prompt));
    line("files", &checked);
    line("digest", &format_args!("blake3:{}", id.weights));
    line("fingerprint", &id.fingerprint());
    Ok(text)
}
