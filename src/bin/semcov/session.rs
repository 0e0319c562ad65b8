//! What a command that reads a corpus starts from: settings, the corpus, its encoder and its vectors.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock, mpsc};

use anyhow::{Context, Result, bail};
use etcetera::BaseStrategy;
use semcov::Error;
use semcov::corpus::{BadRow, Corpus, CorpusOptions, Original, Record, Row};
use semcov::embed::{
    self, ArtifactOptions, BadRowLimit, Device, EmbedOptions, EmbeddedCorpus, Encoder, HubOptions, OpenDevice,
    Precision,
};
use semcov::profile::{Profile, ProfileParams, SampleParams};
use semcov::progress::Progress;
use semcov::report::Reference;
use semcov::screen::ScreenReference;
use semcov::vectors::{EmbeddingMatrix, NpyReader, VectorStore};

use crate::args::{CorpusArgs, GateArgs, ReferenceArgs, ScreenArgs};
use crate::bad_rows::BadRows;
use crate::commands::profile;
use crate::console::Console;
use crate::encoder;
use crate::settings::{GateSettings, Layered as _, ScreenSettings, Settings};

/// A corpus that is open, and the settings it was opened with.
pub(crate) struct Session {
    pub settings: Settings,
    pub corpus: Corpus,
    /// The settings file, if there is one.
    pub config: Option<PathBuf>,
    max_bad_rows: BadRowLimit,
    device: Device,
    /// Opened at the first use.
    open_device: OnceLock<OpenDevice>,
    /// `None` if it is to be chosen.
    precision: Option<Precision>,
    /// The precision of the first profile that vectors are to be compared with.
    followed: OnceLock<Precision>,
    bad_rows: Option<PathBuf>,
    /// Loaded at the first use: a corpus that brings its vectors needs none.
    encoder: OnceLock<Box<dyn Encoder>>,
}

/// Another corpus, or a profile, that a command names beside its corpus.
#[derive(Clone, Copy)]
pub(crate) struct Beside<'a> {
    /// The flag that names it.
    flag: &'static str,
    inputs: &'a [String],
    text: Option<&'a str>,
    vectors: Option<&'a str>,
}

impl<'a> From<&'a ReferenceArgs> for Beside<'a> {
    fn from(args: &'a ReferenceArgs) -> Self {
        Self {
            flag: "reference",
            inputs: &args.reference,
            text: args.reference_text.as_deref(),
            vectors: args.reference_vectors.as_deref(),
        }
    }
}

impl<'a> From<&'a ScreenArgs> for Beside<'a> {
    fn from(args: &'a ScreenArgs) -> Self {
        Self {
            flag: "against",
            inputs: &args.against,
            text: args.against_text.as_deref(),
            vectors: args.against_vectors.as_deref(),
        }
    }
}

impl<'a> Beside<'a> {
    pub(crate) fn new(
        flag: &'static str,
        inputs: &'a [String],
        text: Option<&'a str>,
        vectors: Option<&'a str>,
    ) -> Self {
        Self { flag, inputs, text, vectors }
    }
    /// The profile that is named, if it is one.
    fn profile(&self) -> Result<Option<Profile>> {
        let is_named_so = |path: &String| Path::new(path).extension().is_some_and(|extension| extension == "semcov");
        if self.inputs.len() > 1 && self.inputs.iter().any(is_named_so) {
            bail!("--{}: expected one profile, or files of rows, got {}", self.flag, self.inputs.join(", "));
        }
        match self.inputs {
            [path] if is_named_so(path) || Profile::is_profile(Path::new(path))? => {
                Ok(Some(Profile::read(Path::new(path))?))
            }
            _ => Ok(None),
        }
    }
}

/// Where a corpus has its vectors, if it brings them.
enum Given {
    Column(String),
    Npy(PathBuf),
}

impl Given {
    /// What stands for the encoder's name.
    fn name(&self) -> String {
        match self {
            Self::Column(column) => column.clone(),
            Self::Npy(path) => path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        }
    }

    /// Gives every row its vector, where they lie in a file of their own.
    fn attach<'r>(
        &self,
        rows: impl Iterator<Item = semcov::Result<Row>> + Send + 'r,
    ) -> Result<Box<dyn Iterator<Item = semcov::Result<Row>> + Send + 'r>> {
        Ok(match self {
            Self::Column(_) => Box::new(rows),
            Self::Npy(path) => Box::new(embed::with_npy(rows, NpyReader::open(path)?)),
        })
    }

    fn of(vectors: &str) -> Self {
        let is_npy = Path::new(vectors).extension().is_some_and(|extension| extension.eq_ignore_ascii_case("npy"));
        if is_npy { Self::Npy(vectors.into()) } else { Self::Column(vectors.to_owned()) }
    }
}

impl Session {
    /// Resolves the settings, opens the corpus, and says what was recognised in it.
    pub(crate) fn open(args: &CorpusArgs, console: &Console) -> Result<Self> {
        let settings = args.settings.resolve(args.config.as_deref(), &Settings::defaults())?;
        Self::open_with(settings, args, Corpus::open, console)
    }

    /// A data drop, with the settings of its screening. No row may be bad unless that is asked for, and a drop that is
    /// decided on row by row is read only once.
    pub(crate) fn open_drop(args: &ScreenArgs, console: &Console) -> Result<(Self, ScreenSettings)> {
        let defaults = Settings { max_bad_rows: Some("0".to_owned()), ..Settings::defaults() };
        let settings = args.corpus.settings.resolve(args.corpus.config.as_deref(), &defaults)?;
        let screen = args.screen.over(&settings.screen)?;
        let again = screen.fdr.is_some() || args.merge_accepted.is_some();
        let open = if again { Corpus::open } else { Corpus::open_once };
        Ok((Self::open_with(settings, &args.corpus, open, console)?, screen))
    }

    /// A corpus for the gate, with its settings. Bad rows are the matter of a rule, unless that is asked for.
    pub(crate) fn open_gate(args: &GateArgs, console: &Console) -> Result<(Self, GateSettings)> {
        let defaults = Settings { max_bad_rows: Some("100%".to_owned()), ..Settings::defaults() };
        let settings = args.corpus.settings.resolve(args.corpus.config.as_deref(), &defaults)?;
        let gate = args.gate.over(&settings.gate)?;
        Ok((Self::open_with(settings, &args.corpus, Corpus::open, console)?, gate))
    }

    /// The files of the corpus that one of the patterns matches, as a corpus; `None` where there are none.
    pub(crate) fn section(&self, patterns: &[String]) -> Result<Option<Corpus>> {
        if let Some(Given::Npy(file)) = self.given() {
            bail!("--vectors {} has the vectors of the whole corpus: expected a column, for sections", file.display());
        }
        let patterns: Vec<glob::Pattern> = patterns
            .iter()
            .map(|pattern| glob::Pattern::new(pattern).with_context(|| format!("the pattern {pattern}")))
            .collect::<Result<_>>()?;
        let matches = |path: &str| {
            let path = path.strip_prefix("./").unwrap_or(path);
            patterns.iter().any(|pattern| pattern.matches(path))
        };
        let paths = self.corpus.inputs().iter().map(|input| input.path().to_owned());
        let inputs: Vec<String> = paths.filter(|path| matches(path)).collect();
        if inputs.is_empty() {
            return Ok(None);
        }
        Ok(Some(Corpus::open(&inputs, &corpus_options(&self.settings)?)?))
    }

    fn open_with(
        settings: Settings,
        args: &CorpusArgs,
        open: fn(&[String], &CorpusOptions) -> semcov::Result<Corpus>,
        console: &Console,
    ) -> Result<Self> {
        let max_bad_rows = settings.max_bad_rows.as_deref().context("max-bad-rows has a default")?.parse()?;
        let device = settings.device.as_deref().context("device has a default")?.parse()?;
        let precision = settings.precision.as_deref().context("precision has a default")?;
        let precision = (precision != "auto").then(|| precision.parse()).transpose()?;
        if let Some(threads) = settings.threads {
            rayon::ThreadPoolBuilder::new().num_threads(threads).build_global().context("cannot start threads")?;
        }
        let corpus = open(&args.inputs, &corpus_options(&settings)?)?;
        note_inputs(&corpus, console);
        let bad_rows = args.bad_rows.clone();
        let config = args.config.clone().or_else(|| crate::settings::nearest(&std::env::current_dir().ok()?));
        Ok(Self {
            settings,
            corpus,
            config,
            max_bad_rows,
            device,
            open_device: OnceLock::new(),
            precision,
            followed: OnceLock::new(),
            bad_rows,
            encoder: OnceLock::new(),
        })
    }

    /// Has vectors made in the precision of a profile that they will be compared with, unless one was asked for. Of
    /// several profiles the first counts.
    pub(crate) fn follow(&self, profile: &Profile) {
        let _ = self.followed.set(profile.encoder.precision.parse().unwrap_or_default());
    }

    /// Opens another corpus with this one's settings, except for its text column and its vectors. A column of ids,
    /// sources, labels, licences, groups or marks that was named for the first corpus and is not in this one is recognised instead.
    fn open_beside(&self, beside: Beside<'_>, console: &Console) -> Result<Corpus> {
        let mut settings = self.settings.clone();
        settings.text = beside.text.map(str::to_owned).or(settings.text);
        settings.vectors = beside.vectors.map(str::to_owned).or(settings.vectors);
        if beside.inputs.iter().any(|path| path == "-") && self.corpus.inputs().iter().any(|input| input.path() == "-")
        {
            bail!("--{} -: expected another input, got standard input, which is the corpus", beside.flag);
        }
        let mut options = corpus_options(&settings)?;
        let columns: [fn(&mut CorpusOptions) -> &mut Option<String>; 6] = [
            |options| &mut options.id,
            |options| &mut options.source,
            |options| &mut options.label,
            |options| &mut options.licence,
            |options| &mut options.group_by,
            |options| &mut options.synthetic,
        ];
        let mut opened = Corpus::open(beside.inputs, &options);
        if opened.is_err() {
            let bare = CorpusOptions { text: options.text.clone(), format: options.format, ..CorpusOptions::default() };
            for column in columns {
                let mut alone = bare.clone();
                column(&mut alone).clone_from(column(&mut options));
                if Corpus::open(beside.inputs, &alone).is_err() {
                    *column(&mut options) = None;
                }
            }
            opened = Corpus::open(beside.inputs, &options);
        }
        let corpus = opened.map_err(|mut error| {
            if let Error::Corpus { help, .. } = &mut error {
                *help = help.replace("`--text ", &format!("`--{}-text ", beside.flag));
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
        let beside = Beside::from(args);
        (!beside.inputs.is_empty()).then(|| self.reference_of(beside, console)).transpose()
    }

    /// What was named beside the corpus, to compare with.
    pub(crate) fn reference_of(&self, beside: Beside<'_>, console: &Console) -> Result<Reference> {
        if let Some(profile) = beside.profile()? {
            self.follow(&profile);
            return Ok(Reference::of_profile(beside.inputs[0].clone(), profile));
        }
        let corpus = self.open_beside(beside, console)?;
        let vectors = self.vectors_beside(beside)?;
        let embedded = self.embed_corpus(&corpus, vectors, None, true, console)?;
        Ok(Reference::of_corpus(corpus, embedded))
    }

    /// All records of what was named beside the corpus, embedded.
    pub(crate) fn embed_beside(&self, beside: Beside<'_>, console: &Console) -> Result<EmbeddedCorpus> {
        let corpus = self.open_beside(beside, console)?;
        let vectors = self.vectors_beside(beside)?;
        self.embed_corpus(&corpus, vectors, None, false, console)
    }

    /// The corpus, or a part of it, without its records marked synthetic, as a profile observes it.
    pub(crate) fn embed_observed(&self, corpus: &Corpus, console: &Console) -> Result<EmbeddedCorpus> {
        // The list of bad rows is that of the whole corpus.
        let bad_rows = self.bad_rows.as_deref().filter(|_| std::ptr::eq(corpus, &raw const self.corpus));
        self.embed_corpus(corpus, self.settings.vectors.as_deref(), bad_rows, true, console)
    }

    /// What a drop is screened against: a profile, or one fitted to files of rows. What was fitted once is kept in the
    /// cache, under a digest of all that it depends on.
    pub(crate) fn against(&self, args: &ScreenArgs, console: &Console) -> Result<ScreenReference> {
        let beside = Beside::from(args);
        if let Some(profile) = beside.profile()? {
            self.follow(&profile);
            return Ok(ScreenReference::new(beside.inputs[0].clone(), profile));
        }
        let corpus = self.open_beside(beside, console)?;
        let vectors = self.vectors_beside(beside)?;
        let params = profile::fit_params(&self.settings, SampleParams { limit: self.settings.sample, texts: false });
        let name = beside.inputs.join(", ");
        let kept = self.kept_profile(&corpus, beside, vectors, &params, console)?;
        if let Some(kept) = kept.as_deref().filter(|kept| kept.is_file())
            && let Ok(profile) = Profile::read(kept)
        {
            console.note(format_args!("{name}: its profile is in the cache"));
            return Ok(ScreenReference::new(name, profile));
        }
        let embedded = self.embed_corpus(&corpus, vectors, None, true, console)?;
        let profile = semcov::profile::fit(&corpus, &embedded, &params, console)?;
        if let Some(kept) = kept {
            let bytes = profile.to_bytes()?;
            let written = fs_err::create_dir_all(kept.parent().unwrap_or(Path::new(".")))
                .map_err(Error::from)
                .and_then(|()| crate::output::write(&kept, |out| Ok(out.write_all(&bytes)?)));
            if let Err(error) = written {
                console.warn(format_args!("the profile of {name} could not be kept in the cache: {error}"));
            }
        }
        Ok(ScreenReference::new(name, profile))
    }

    /// Where the cache keeps the profile of a corpus; `None` without a cache, and for what can be read only once.
    fn kept_profile(
        &self,
        corpus: &Corpus,
        beside: Beside<'_>,
        vectors: Option<&str>,
        params: &ProfileParams,
        console: &Console,
    ) -> Result<Option<PathBuf>> {
        let Some(cache) = self.cache()? else { return Ok(None) };
        let mut files: Vec<PathBuf> = corpus.inputs().iter().map(|input| PathBuf::from(input.path())).collect();
        let encoder = match vectors.map(Given::of) {
            None => self.encoder(console)?.id().fingerprint(),
            Some(Given::Column(column)) => column,
            Some(Given::Npy(file)) => {
                files.push(file);
                String::new()
            }
        };
        if !files.iter().all(|file| file.is_file()) {
            return Ok(None);
        }
        let mut settings = self.settings.clone();
        settings.text = beside.text.map(str::to_owned).or(settings.text);
        let mut hasher = blake3::Hasher::new();
        let version = env!("CARGO_PKG_VERSION");
        let options = corpus_options(&settings)?;
        hasher.update(format!("{version} {encoder} {options:?} {params:?} {}", self.max_bad_rows).as_bytes());
        for file in files {
            // Ids may be made of the file's name.
            hasher.update(blake3::hash(file.as_os_str().as_encoded_bytes()).as_bytes());
            let mut of_file = blake3::Hasher::new();
            of_file.update_reader(fs_err::File::open(&file)?)?;
            hasher.update(of_file.finalize().as_bytes());
        }
        let digest = hasher.finalize().to_hex();
        Ok(Some(cache.join("profiles").join(format!("{}.semcov", &digest[..32]))))
    }

    /// Embeds some rows of the corpus, in their order: computed, cached, or brought along. Their records are readable, and
    /// their vectors usable.
    pub(crate) fn embed_rows(&self, rows: Vec<Row>, console: &Console) -> Result<EmbeddedCorpus> {
        let inputs: Vec<String> = self.corpus.inputs().iter().map(|input| input.path().to_owned()).collect();
        let options = EmbedOptions {
            inputs: &inputs,
            max_bad_rows: BadRowLimit::Rows(0),
            total_rows: None,
            leave_out_synthetic: false,
        };
        let rows = rows.into_iter().map(Ok);
        let progress = WithinStage(console);
        let on_bad_row = &mut |_: &BadRow| Ok(());
        if let Some(given) = self.given() {
            return Ok(embed::given_vectors(rows, &given.name(), &options, &progress, on_bad_row)?);
        }
        let encoder = self.encoder(console)?;
        let embedded = embed::embed_corpus(rows, encoder, self.store(encoder)?, &options, &progress, on_bad_row)?;
        warn_of_damage(&embedded, console);
        Ok(embedded)
    }

    /// The records that are accepted, with their vectors; `None` if there is none. The corpus is read once more.
    pub(crate) fn embed_where(
        &self,
        accept: impl Fn(&Record) -> bool + Send,
        console: &Console,
    ) -> Result<Option<EmbeddedCorpus>> {
        let rows = self.rows_where(&self.corpus, accept)?;
        if rows.is_empty() { Ok(None) } else { self.embed_rows(rows, console).map(Some) }
    }

    /// The rows of the corpus, or of a part of it, whose records are accepted, with the vectors that a file brings for them.
    pub(crate) fn rows_where(&self, corpus: &Corpus, accept: impl Fn(&Record) -> bool + Send) -> Result<Vec<Row>> {
        let rows = corpus.records();
        let rows: Box<dyn Iterator<Item = semcov::Result<Row>> + Send + '_> = match self.given() {
            Some(given) => given.attach(rows)?,
            None => Box::new(rows),
        };
        let accepted =
            |row: &semcov::Result<Row>| row.as_ref().map_or(true, |row| row.record.as_ref().is_ok_and(&accept));
        Ok(rows.filter(accepted).collect::<semcov::Result<_>>()?)
    }

    /// All rows with their originals, and with the vectors that a file brings for them.
    pub(crate) fn rows_with_originals(&self) -> Result<OriginalRows<'_>> {
        let (sender, originals) = mpsc::channel();
        let rows = self.corpus.rows_with_originals().map(move |row| {
            let (row, original) = row?;
            // Who receives it also holds this iterator.
            let _ = sender.send(original);
            Ok(row)
        });
        let rows = match self.given() {
            Some(given) => given.attach(rows)?,
            None => Box::new(rows),
        };
        Ok(Box::new(rows.map(move |row| Ok((row?, originals.try_recv().ok().flatten())))))
    }

    fn given(&self) -> Option<Given> {
        self.settings.vectors.as_deref().map(Given::of)
    }

    /// Whether rows bring their vectors.
    pub(crate) fn brings_vectors(&self) -> bool {
        self.settings.vectors.is_some()
    }

    /// Whether all inputs can be read again.
    pub(crate) fn is_of_files(&self) -> bool {
        self.corpus.inputs().iter().all(|input| Path::new(input.path()).is_file())
    }

    /// Where the corpus' bad rows go.
    pub(crate) fn bad_rows<'c>(&self, console: &'c Console) -> Result<BadRows<'c>> {
        BadRows::new(self.bad_rows.as_deref(), self.max_bad_rows, console)
    }

    /// The vectors of some texts that are no records; `None` where a corpus brings its vectors.
    pub(crate) fn embed_texts(&self, texts: &[&str], console: &Console) -> Result<Option<EmbeddingMatrix>> {
        if self.settings.vectors.is_some() || texts.is_empty() {
            return Ok(None);
        }
        let record = |(line, &text): (u64, &&str)| {
            let record = Record { id: line.to_string(), text: text.to_owned(), ..Record::default() };
            Row { input: 0, line, record: Ok(record) }
        };
        let rows = (1..).zip(texts).map(record).collect();
        Ok(Some(self.embed_rows(rows, console)?.vectors))
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

    /// Where another corpus has its vectors. A file of vectors belongs to one corpus.
    fn vectors_beside<'a>(&'a self, beside: Beside<'a>) -> Result<Option<&'a str>> {
        let ours = self.settings.vectors.as_deref();
        match (beside.vectors, ours.map(Given::of)) {
            (Some(theirs), _) => Ok(Some(theirs)),
            (None, Some(Given::Npy(file))) => bail!(
                "--vectors {} has the vectors of the corpus alone; name those of the reference with --{}-vectors",
                file.display(),
                beside.flag
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
        let mut bad = BadRows::new(bad_rows, self.max_bad_rows, console)?;
        let embedded = self.vectors(corpus, vectors, &options, console, &mut |row| bad.list(row));
        // Kept when the run fails, too: it says why.
        bad.commit()?;
        let embedded = embedded?;
        warn_of_damage(&embedded, console);
        let vectors = embedded.vectors.on(self.device(console)?);
        let embedded = EmbeddedCorpus { vectors, ..embedded };
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
        if let Some(given) = vectors.map(Given::of) {
            return Ok(embed::given_vectors(given.attach(rows)?, &given.name(), options, console, on_bad_row)?);
        }
        let encoder = self.encoder(console)?;
        let store = self.store(encoder)?;
        // Reading takes a thousandth of embedding; it is worth knowing how much time is left.
        let total_rows = console.is_animated().then(|| corpus.records().count() as u64);
        let options = &EmbedOptions { total_rows, ..*options };
        let timer = std::time::Instant::now();
        let embedded = embed::embed_corpus(rows, encoder, store, options, console, on_bad_row)?;
        console.embedded(&embedded.counts, timer.elapsed());
        Ok(embedded)
    }

    fn device(&self, console: &Console) -> Result<&OpenDevice> {
        if let Some(device) = self.open_device.get() {
            return Ok(device);
        }
        let device = self.device.open()?;
        if let Some(warning) = &device.warning {
            console.warn(warning);
        }
        Ok(self.open_device.get_or_init(|| device))
    }

    fn encoder(&self, console: &Console) -> Result<&dyn Encoder> {
        if let Some(encoder) = self.encoder.get() {
            return Ok(encoder.as_ref());
        }
        let name = self.settings.encoder.as_deref().context("encoder has a default")?;
        let device = self.device(console)?;
        let options = artifact_options(self.settings.prompt.clone(), console);
        let found = encoder::find(name, &options, console)?;
        let followed = self.followed.get().copied().filter(|_| device.device == Device::Cpu);
        let (prompt, cache) = (self.settings.prompt.as_deref(), self.cache()?);
        let encoder = found.load(device, self.precision, followed, prompt, cache.as_deref(), console)?;
        let (place, precision) = (encoder.device(), &encoder.id().precision);
        console.note(format_args!("encoder {name} on {place}, in {precision}{}", found.tier()));
        Ok(self.encoder.get_or_init(|| encoder).as_ref())
    }

    fn store(&self, encoder: &dyn Encoder) -> Result<VectorStore> {
        Ok(match self.cache()? {
            None => VectorStore::temporary(encoder.id())?,
            Some(folder) => VectorStore::open(&folder, encoder.id())?,
        })
    }

    /// The cache folder, if there is to be one.
    fn cache(&self) -> Result<Option<PathBuf>> {
        cache_folder(self.settings.cache.as_deref())
    }
}

/// The cache folder that a setting names, if there is to be one.
pub(crate) fn cache_folder(setting: Option<&str>) -> Result<Option<PathBuf>> {
    Ok(match setting {
        Some("none") => None,
        Some(folder) => Some(PathBuf::from(folder)),
        None => Some(
            etcetera::choose_base_strategy()
                .context("cannot tell the user's cache folder; name one with `--cache DIR`, or use `--cache none`")?
                .cache_dir()
                .join("semcov"),
        ),
    })
}

/// Rows with their originals.
pub(crate) type OriginalRows<'a> = Box<dyn Iterator<Item = semcov::Result<(Row, Option<Original>)>> + Send + 'a>;

/// Progress of work that is part of a stage: its rows count, and it begins and ends nothing.
struct WithinStage<'c>(&'c Console);

impl Progress for WithinStage<'_> {
    fn advance(&self, rows: u64, tokens: u64) {
        self.0.advance(rows, tokens);
    }

    fn warn(&self, message: &str) {
        self.0.warn(message);
    }
}

fn warn_of_damage(embedded: &EmbeddedCorpus, console: &Console) {
    for segment in &embedded.set_aside {
        console.warn(format_args!(
            "a segment of the vector store was damaged ({}) and set aside as {}; its texts were embedded again",
            segment.problem,
            segment.path.display()
        ));
    }
}

fn note_inputs(corpus: &Corpus, console: &Console) {
    for input in corpus.inputs() {
        console.note(format_args!("{}: {}", input.path(), input.recognised()));
    }
}

fn corpus_options(settings: &Settings) -> Result<CorpusOptions> {
    let Settings { text, id, source, label, licence, group_by, synthetic, input_format, header, .. } = settings.clone();
    let vectors = match settings.vectors.as_deref().map(Given::of) {
        Some(Given::Column(column)) => Some(column),
        _ => None,
    };
    Ok(CorpusOptions {
        text: text.as_deref().map(str::parse).transpose()?,
        id,
        source,
        label,
        licence,
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
