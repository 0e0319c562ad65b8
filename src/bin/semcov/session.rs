//! What a command that reads a corpus starts from: settings, the corpus, its encoder and its vectors.

use std::cell::OnceCell;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result};
use etcetera::BaseStrategy;
use semcov::Error;
use semcov::corpus::{BadRow, Corpus, CorpusOptions, Row};
use semcov::embed::{
    self, ArtifactOptions, Artifacts, BadRowLimit, Device, EmbedOptions, EmbeddedCorpus, Encoder, HubOptions,
    TransformerEncoder,
};
use semcov::profile::Profile;
use semcov::report::Reference;
use semcov::vectors::{NpyReader, VectorStore};

use crate::args::{CorpusArgs, ReferenceArgs};
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
    /// Loaded at the first use: a corpus that brings its vectors needs none.
    encoder: OnceCell<TransformerEncoder>,
}

/// Where a corpus has its vectors, if it brings them.
enum Given {
    Column(String),
    Npy(PathBuf),
}

impl Given {
    fn of(vectors: &str) -> Self {
        let is_npy = Path::new(vectors).extension().is_some_and(|extension| extension.eq_ignore_ascii_case("npy"));
        if is_npy { Self::Npy(vectors.into()) } else { Self::Column(vectors.to_owned()) }
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
        note_inputs(&corpus, console);
        let bad_rows = args.bad_rows.clone();
        Ok(Self { settings, corpus, max_bad_rows, device, bad_rows, encoder: OnceCell::new() })
    }

    /// Opens another corpus with this one's settings, except for its text column and its vectors. Columns of ids,
    /// sources, labels and groups that were named for the first corpus and are not in this one are recognised instead.
    fn open_beside(&self, args: &ReferenceArgs, console: &Console) -> Result<Corpus> {
        let mut settings = self.settings.clone();
        settings.text = args.reference_text.clone().or(settings.text);
        settings.vectors = args.reference_vectors.clone().or(settings.vectors);
        let named = corpus_options(&settings)?;
        let recognised =
            CorpusOptions { id: None, source: None, label: None, group_by: None, synthetic: None, ..named.clone() };
        let opened = Corpus::open(&args.reference, &named);
        let opened = opened.or_else(|error| Corpus::open(&args.reference, &recognised).map_err(|_| error));
        let corpus = opened.map_err(|mut error| {
            if let Error::Corpus { help, .. } = &mut error {
                *help = help.replace("`--text ", "`--reference-text ");
            }
            error
        })?;
        note_inputs(&corpus, console);
        Ok(corpus)
    }

    /// The corpus with a vector per distinct text: computed, cached, or brought along.
    pub(crate) fn embed(&self, console: &Console) -> Result<EmbeddedCorpus> {
        let vectors = self.settings.vectors.as_deref();
        self.embed_corpus(&self.corpus, vectors, self.bad_rows.as_deref(), None, console)
    }

    /// What the corpus is compared with, if anything was named.
    pub(crate) fn reference(&self, args: &ReferenceArgs, console: &Console) -> Result<Option<Reference>> {
        if args.reference.is_empty() {
            return Ok(None);
        }
        if let [path] = args.reference.as_slice()
            && Profile::is_profile(Path::new(path))?
        {
            return Ok(Some(Reference::of_profile(path.clone(), Profile::read(Path::new(path))?)));
        }
        let corpus = self.open_beside(args, console)?;
        let synthetic = AtomicU64::new(0);
        let vectors = args.reference_vectors.as_deref().or(self.settings.vectors.as_deref());
        let embedded = self.embed_corpus(&corpus, vectors, None, Some(&synthetic), console);
        let embedded = match synthetic.load(Ordering::Relaxed) {
            0 => embedded?,
            left_out => embedded.with_context(|| {
                format!("{left_out} records of the reference are marked synthetic and were left out")
            })?,
        };
        Ok(Some(Reference::of_corpus(corpus, embedded, synthetic.into_inner())))
    }

    /// Embeds a corpus. Where `synthetic` is given, records marked synthetic are left out, and counted there.
    fn embed_corpus(
        &self,
        corpus: &Corpus,
        vectors: Option<&str>,
        bad_rows: Option<&Path>,
        synthetic: Option<&AtomicU64>,
        console: &Console,
    ) -> Result<EmbeddedCorpus> {
        let inputs: Vec<String> = corpus.inputs().iter().map(|input| input.path().to_owned()).collect();
        let options = EmbedOptions { inputs: &inputs, max_bad_rows: self.max_bad_rows, total_rows: None };
        let mut list = bad_rows.map(OutputFile::create).transpose()?;
        let mut on_bad_row = |bad: &BadRow| {
            console.detail(bad);
            if let Some(list) = &mut list {
                let line = serde_json::json!({"file": bad.file, "line": bad.line, "reason": bad.reason});
                writeln!(list, "{line}")?;
            }
            Ok(())
        };
        let embedded = self.vectors(corpus, vectors, synthetic, &options, console, &mut on_bad_row);
        if let (Some(list), Some(path)) = (list, bad_rows) {
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
        corpus: &Corpus,
        vectors: Option<&str>,
        synthetic: Option<&AtomicU64>,
        options: &EmbedOptions<'_>,
        console: &Console,
        on_bad_row: &mut (dyn FnMut(&BadRow) -> semcov::Result<()> + Send),
    ) -> Result<EmbeddedCorpus> {
        let rows = corpus.records();
        let wanted = |row: &semcov::Result<Row>| {
            let marked = matches!(row, Ok(Row { record: Ok(record), .. }) if record.synthetic);
            match synthetic {
                Some(left_out) if marked => {
                    left_out.fetch_add(1, Ordering::Relaxed);
                    false
                }
                _ => true,
            }
        };
        let embedded = match vectors.map(Given::of) {
            Some(Given::Column(column)) => {
                embed::given_vectors(rows.filter(wanted), &column, options, console, on_bad_row)?
            }
            Some(Given::Npy(path)) => {
                let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                let rows = embed::with_npy(rows, NpyReader::open(&path)?);
                embed::given_vectors(rows.filter(wanted), &name, options, console, on_bad_row)?
            }
            None => {
                let encoder = self.encoder(console)?;
                let store = self.store(encoder)?;
                // Reading takes a thousandth of embedding; it is worth knowing how much time is left.
                let total_rows = console.is_animated().then(|| corpus.records().count() as u64);
                let options = &EmbedOptions { total_rows, ..*options };
                let timer = std::time::Instant::now();
                let embedded = embed::embed_corpus(rows.filter(wanted), encoder, store, options, console, on_bad_row)?;
                console.embedded(&embedded.counts, timer.elapsed());
                embedded
            }
        };
        Ok(embedded)
    }

    fn encoder(&self, console: &Console) -> Result<&TransformerEncoder> {
        if let Some(encoder) = self.encoder.get() {
            return Ok(encoder);
        }
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
        Ok(self.encoder.get_or_init(|| encoder))
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

fn note_inputs(corpus: &Corpus, console: &Console) {
    for input in corpus.inputs() {
        console.note(format_args!("{}: {}", input.path(), input.recognised()));
    }
}

fn corpus_options(settings: &Settings) -> Result<CorpusOptions> {
    let Settings { text, id, source, label, group_by, synthetic, input_format, header, .. } = settings.clone();
    let vectors = match settings.vectors.as_deref().map(Given::of) {
        Some(Given::Column(column)) => Some(column),
        _ => None,
    };
    Ok(CorpusOptions {
        text: text.as_deref().map(str::parse).transpose()?,
        id,
        source,
        label,
        group_by,
        synthetic,
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
