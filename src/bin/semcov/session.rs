//! What a command that reads a corpus starts from: settings, the corpus, its encoder and its vectors.

use std::cell::OnceCell;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use etcetera::BaseStrategy;
use semcov::Error;
use semcov::corpus::{BadRow, Corpus, CorpusOptions};
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

    /// Opens another corpus with this one's settings, except for its text column and its vectors. A column of ids,
    /// sources, labels, groups or marks that was named for the first corpus and is not in this one is recognised instead.
    fn open_beside(&self, args: &ReferenceArgs, console: &Console) -> Result<Corpus> {
        let mut settings = self.settings.clone();
        settings.text = args.reference_text.clone().or(settings.text);
        settings.vectors = args.reference_vectors.clone().or(settings.vectors);
        if args.reference.iter().any(|path| path == "-") && self.corpus.inputs().iter().any(|input| input.path() == "-")
        {
            bail!("--reference -: expected another input, got standard input, which is the corpus");
        }
        let mut options = corpus_options(&settings)?;
        let columns: [fn(&mut CorpusOptions) -> &mut Option<String>; 5] = [
            |options| &mut options.id,
            |options| &mut options.source,
            |options| &mut options.label,
            |options| &mut options.group_by,
            |options| &mut options.synthetic,
        ];
        let mut opened = Corpus::open(&args.reference, &options);
        if opened.is_err() {
            let bare = CorpusOptions { text: options.text.clone(), format: options.format, ..CorpusOptions::default() };
            for column in columns {
                let mut alone = bare.clone();
                column(&mut alone).clone_from(column(&mut options));
                if Corpus::open(&args.reference, &alone).is_err() {
                    *column(&mut options) = None;
                }
            }
            opened = Corpus::open(&args.reference, &options);
        }
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
        self.embed_corpus(&self.corpus, vectors, self.bad_rows.as_deref(), false, console)
    }

    /// What the corpus is compared with, if anything was named.
    pub(crate) fn reference(&self, args: &ReferenceArgs, console: &Console) -> Result<Option<Reference>> {
        if args.reference.is_empty() {
            return Ok(None);
        }
        let profiles = args.reference.iter().filter(|path| Path::new(path).extension().is_some_and(|e| e == "semcov"));
        if args.reference.len() > 1 && profiles.count() > 0 {
            bail!("--reference: expected one profile, or files of rows, got {}", args.reference.join(", "));
        }
        if let [path] = args.reference.as_slice()
            && (Profile::is_profile(Path::new(path))? || Path::new(path).extension().is_some_and(|e| e == "semcov"))
        {
            return Ok(Some(Reference::of_profile(path.clone(), Profile::read(Path::new(path))?)));
        }
        let corpus = self.open_beside(args, console)?;
        let vectors = self.reference_vectors(args)?;
        let embedded = self.embed_corpus(&corpus, vectors, None, true, console)?;
        Ok(Some(Reference::of_corpus(corpus, embedded)))
    }

    /// The corpus without its records marked synthetic, as it is a reference to others.
    pub(crate) fn embed_real(&self, console: &Console) -> Result<EmbeddedCorpus> {
        let vectors = self.settings.vectors.as_deref();
        let embedded = self.embed_corpus(&self.corpus, vectors, self.bad_rows.as_deref(), true, console)?;
        if embedded.counts.left_out > 0 {
            console.warn(format_args!("{} records are marked synthetic and were left out", embedded.counts.left_out));
        }
        Ok(embedded)
    }

    /// Where the reference has its vectors. A file of vectors belongs to one corpus.
    fn reference_vectors<'a>(&'a self, args: &'a ReferenceArgs) -> Result<Option<&'a str>> {
        let ours = self.settings.vectors.as_deref();
        match (&args.reference_vectors, ours.map(Given::of)) {
            (Some(theirs), _) => Ok(Some(theirs)),
            (None, Some(Given::Npy(file))) => bail!(
                "--vectors {} has the vectors of the corpus alone; name those of the reference with --reference-vectors",
                file.display()
            ),
            (None, _) => Ok(ours),
        }
    }

    /// Embeds a corpus, with or without its records marked synthetic.
    fn embed_corpus(
        &self,
        corpus: &Corpus,
        vectors: Option<&str>,
        bad_rows: Option<&Path>,
        leave_out_synthetic: bool,
        console: &Console,
    ) -> Result<EmbeddedCorpus> {
        let inputs: Vec<String> = corpus.inputs().iter().map(|input| input.path().to_owned()).collect();
        let options =
            EmbedOptions { inputs: &inputs, max_bad_rows: self.max_bad_rows, total_rows: None, leave_out_synthetic };
        let mut list = bad_rows.map(OutputFile::create).transpose()?;
        let mut on_bad_row = |bad: &BadRow| {
            console.detail(bad);
            if let Some(list) = &mut list {
                let line = serde_json::json!({"file": bad.file, "line": bad.line, "reason": bad.reason});
                writeln!(list, "{line}")?;
            }
            Ok(())
        };
        let embedded = self.vectors(corpus, vectors, &options, console, &mut on_bad_row);
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
        options: &EmbedOptions<'_>,
        console: &Console,
        on_bad_row: &mut (dyn FnMut(&BadRow) -> semcov::Result<()> + Send),
    ) -> Result<EmbeddedCorpus> {
        let rows = corpus.records();
        let embedded = match vectors.map(Given::of) {
            Some(Given::Column(column)) => embed::given_vectors(rows, &column, options, console, on_bad_row)?,
            Some(Given::Npy(path)) => {
                let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                let rows = embed::with_npy(rows, NpyReader::open(&path)?);
                embed::given_vectors(rows, &name, options, console, on_bad_row)?
            }
            None => {
                let encoder = self.encoder(console)?;
                let store = self.store(encoder)?;
                // Reading takes a thousandth of embedding; it is worth knowing how much time is left.
                let total_rows = console.is_animated().then(|| corpus.records().count() as u64);
                let options = &EmbedOptions { total_rows, ..*options };
                let timer = std::time::Instant::now();
                let embedded = embed::embed_corpus(rows, encoder, store, options, console, on_bad_row)?;
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
