//! What a command that reads a corpus starts from: settings, the corpus, its encoder and its vectors.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result};
use etcetera::BaseStrategy;
use semcov::corpus::{BadRow, Corpus, CorpusOptions};
use semcov::embed::{
    self, ArtifactOptions, Artifacts, BadRowLimit, Device, EmbedOptions, EmbeddedCorpus, Encoder, HubOptions,
    TransformerEncoder,
};
use semcov::vectors::{NpyReader, VectorStore};

use crate::args::CorpusArgs;
use crate::console::Console;
use crate::output::OutputFile;
use crate::settings::Settings;

/// A corpus that is open, and the settings it was opened with.
pub(crate) struct Session {
    pub settings: Settings,
    pub corpus: Corpus,
    max_bad_rows: BadRowLimit,
    device: Device,
    bad_rows: Option<PathBuf>,
}

/// Where a corpus has its vectors, if it brings them.
enum Given {
    Column(String),
    Npy(PathBuf),
}

impl Given {
    fn of(settings: &Settings) -> Option<Self> {
        let given = settings.vectors.clone()?;
        let is_npy = PathBuf::from(&given).extension().is_some_and(|extension| extension.eq_ignore_ascii_case("npy"));
        Some(if is_npy { Self::Npy(given.into()) } else { Self::Column(given) })
    }
}

impl Session {
    /// Resolves the settings, opens the corpus, and says what was recognised in it.
    pub(crate) fn open(args: &CorpusArgs, console: &Console) -> Result<Self> {
        let settings = args.settings.resolve(args.config.as_deref())?;
        let max_bad_rows = settings.max_bad_rows.as_deref().context("max-bad-rows has a default")?.parse()?;
        let device = settings.device.as_deref().context("device has a default")?.parse()?;
        if let Some(threads) = settings.threads {
            rayon::ThreadPoolBuilder::new().num_threads(threads).build_global().context("cannot start threads")?;
        }
        let corpus = Corpus::open(&args.inputs, &corpus_options(&settings)?)?;
        for input in corpus.inputs() {
            console.note(format_args!("{}: {}", input.path(), input.recognised()));
        }
        Ok(Self { settings, corpus, max_bad_rows, device, bad_rows: args.bad_rows.clone() })
    }

    /// The corpus with a vector per distinct text: computed, cached, or brought along.
    pub(crate) fn embed(&self, console: &Console) -> Result<EmbeddedCorpus> {
        let inputs: Vec<String> = self.corpus.inputs().iter().map(|input| input.path().to_owned()).collect();
        let options = EmbedOptions { inputs: &inputs, max_bad_rows: self.max_bad_rows, total_rows: None };
        let mut list = self.bad_rows.as_deref().map(OutputFile::create).transpose()?;
        let mut on_bad_row = |bad: &BadRow| {
            console.detail(bad);
            if let Some(list) = &mut list {
                let line = serde_json::json!({"file": bad.file, "line": bad.line, "reason": bad.reason});
                writeln!(list, "{line}")?;
            }
            Ok(())
        };
        let embedded = self.vectors(&options, console, &mut on_bad_row);
        if let (Some(list), Some(path)) = (list, &self.bad_rows) {
            // Kept when the run fails, too: it says why.
            list.commit()?;
            console.note(format_args!("wrote {}", path.display()));
        }
        let embedded = embedded?;
        for segment in &embedded.set_aside {
            console.warn(format_args!(
                "a segment of the vector store was damaged ({}) and set aside as {}; its texts were embedded again",
                segment.problem,
                segment.path.display()
            ));
        }
        Ok(embedded)
    }

    fn vectors(
        &self,
        options: &EmbedOptions<'_>,
        console: &Console,
        on_bad_row: &mut (dyn FnMut(&BadRow) -> semcov::Result<()> + Send),
    ) -> Result<EmbeddedCorpus> {
        let rows = self.corpus.records();
        let embedded = match Given::of(&self.settings) {
            Some(Given::Column(column)) => embed::given_vectors(rows, &column, options, console, on_bad_row)?,
            Some(Given::Npy(path)) => {
                let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                let rows = embed::with_npy(rows, NpyReader::open(&path)?);
                embed::given_vectors(rows, &name, options, console, on_bad_row)?
            }
            None => {
                let encoder = self.encoder(console)?;
                let store = self.store(&encoder)?;
                // Reading takes a thousandth of embedding; it is worth knowing how much time is left.
                let total_rows = console.is_animated().then(|| self.corpus.records().count() as u64);
                let options = &EmbedOptions { total_rows, ..*options };
                let timer = std::time::Instant::now();
                let embedded = embed::embed_corpus(rows, &encoder, store, options, console, on_bad_row)?;
                console.embedded(&embedded.counts, timer.elapsed());
                embedded
            }
        };
        Ok(embedded)
    }

    fn encoder(&self, console: &Console) -> Result<TransformerEncoder> {
        let name = self.settings.encoder.as_deref().context("encoder has a default")?;
        let device = self.device.open()?;
        if let Some(warning) = &device.warning {
            console.warn(warning);
        }
        let artifacts = Artifacts::resolve(name, &artifact_options(self.settings.prompt.clone(), console))?;
        for warning in &artifacts.warnings {
            console.warn(warning);
        }
        let encoder = TransformerEncoder::load(&artifacts, &device)?;
        console.note(format_args!("encoder {name} on {}", encoder.device()));
        Ok(encoder)
    }

    fn store(&self, encoder: &TransformerEncoder) -> Result<VectorStore> {
        let folder = match self.settings.cache.as_deref() {
            Some("none") => return Ok(VectorStore::temporary(encoder.id())?),
            Some(folder) => PathBuf::from(folder),
            None => etcetera::choose_base_strategy()
                .context("cannot tell the user's cache folder; name one with `--cache DIR`, or use `--cache none`")?
                .cache_dir()
                .join("semcov"),
        };
        Ok(VectorStore::open(&folder, encoder.id())?)
    }
}

fn corpus_options(settings: &Settings) -> Result<CorpusOptions> {
    let Settings { text, id, source, label, group_by, input_format, header, .. } = settings.clone();
    let vectors = match Given::of(settings) {
        Some(Given::Column(column)) => Some(column),
        _ => None,
    };
    Ok(CorpusOptions {
        text: text.as_deref().map(str::parse).transpose()?,
        id,
        source,
        label,
        group_by,
        vectors,
        format: input_format.as_deref().map(str::parse).transpose()?,
        header,
    })
}

/// How encoders are found: with the environment's settings for the hub.
pub(crate) fn artifact_options(prompt: Option<String>, console: &Console) -> ArtifactOptions {
    let bar = console.download();
    ArtifactOptions {
        hub: HubOptions::from_variables(|name| std::env::var_os(name)),
        prompt,
        on_download: Some(Arc::new(move |done, total| bar.set(done, total))),
        ..ArtifactOptions::default()
    }
}
