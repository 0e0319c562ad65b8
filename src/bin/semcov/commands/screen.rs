use std::io::BufReader;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use semcov::corpus::{BadRow, Compression, CopyWriter, Corpus, Original, Record, Row};
use semcov::embed::check_vector;
use semcov::ood::{CentroidParams, OutlierParams, ScoreKind};
use semcov::profile::{SampleParams, observe};
use semcov::progress::{Progress as _, Stage};
use semcov::report::render;
use semcov::screen::{
    Batch, Decision, Decisions, FailOn, ScoreRow, ScreenParams, ScreenReference, ScreenedText, Screening,
};
use semcov::table::TableWriter;

use super::report::{table_format, warn_of_formulas, wrote};
use crate::args::{Format, ScreenArgs};
use crate::bad_rows::BadRows;
use crate::console::{self, Console};
use crate::exit::Exit;
use crate::output::{self, Output};
use crate::session::{OriginalRows, Session};
use crate::settings::{ScreenSettings, Settings};

/// Rows that are screened at a time, or so many bytes of them.
const CHUNK_ROWS: usize = 32_768;
const CHUNK_BYTES: usize = 64 << 20;

/// Between two readings.
const CHANGED: &str = "the drop: expected the rows that were there a moment ago, got more or fewer; run again once \
                       nothing writes to it";

pub(crate) fn run(args: &ScreenArgs, console: &Console) -> Result<Exit> {
    let (session, settings) = Session::open_drop(args, console)?;
    let fail_on = FailOn::list(settings.fail_on.as_deref().unwrap_or_default())?;
    let decisions = decisions(&args.decisions, console)?;
    check_paths(args, &session.corpus)?;
    let mut outputs = Outputs::create(args, &session.corpus)?;
    let reference = session.against(args, console)?;
    if let Some(condition) = fail_on.iter().find(|condition| condition.needs_texts())
        && reference.profile().sample.is_none()
    {
        bail!("--fail-on {condition}: expected a profile with a sample of texts, got a compact one");
    }
    let params = params(&settings, &session.settings, &reference)?.check()?;
    let screener = params.fit(&reference, console)?;
    let rejected: Vec<&str> = decisions.rejected().map(|(_, text)| text).collect();
    let rejected = session.embed_texts(&rejected, console)?;
    let screener = screener.heeding(decisions.clone(), rejected);

    let mut batch = Batch::new(&screener);
    let dim = reference.profile().encoder.dim;
    let mut drop = DropEmbedder { session: &session, console, dim, bad: session.bad_rows(console)? };
    let total = (console.is_animated() && session.is_of_files()).then(|| session.corpus.records().count() as u64);
    console.start(Stage::Screen, total);
    if params.decides_at_once() {
        for_each_chunk(&session, |chunk| {
            let verdicts = drop.screen(chunk, &mut batch)?;
            outputs.write(chunk, &verdicts, &mut batch)
        })?;
    } else {
        let mut verdicts = Vec::new();
        for_each_chunk(&session, |chunk| {
            verdicts.extend(drop.screen(chunk, &mut batch)?);
            Ok(())
        })?;
        let mut verdicts = verdicts.as_slice();
        for_each_chunk(&session, |chunk| {
            let split = verdicts.split_at_checked(chunk.rows.len());
            let (of_chunk, rest) = split.context(CHANGED)?;
            verdicts = rest;
            outputs.write(chunk, of_chunk, &mut batch)
        })?;
        if !verdicts.is_empty() {
            bail!(CHANGED);
        }
    }
    console.finish();
    drop.finish()?;
    let files = session.corpus.inputs().iter().map(|input| input.path().to_owned()).collect();
    let screening = batch.finish(files)?;
    if let Some(path) = &args.merge_accepted {
        merge_accepted(path, &session, &reference, &decisions, console)?;
    }
    outputs.commit(console)?;
    if let Some(path) = &args.review {
        output::write(path, |out| batch.write_review(&screening, out))?;
        wrote(path, console);
    }
    if let Some(path) = &args.html {
        let details = batch.details(&screening, console);
        output::write_text(path, &render::screening_html(&screening, &details))?;
        wrote(path, console);
    }
    print(args, &screening, console)?;
    let failures: Vec<String> = fail_on.iter().filter_map(|condition| condition.failure(&screening)).collect();
    for failure in &failures {
        console.failure(failure);
    }
    Ok(if failures.is_empty() { Exit::Pass } else { Exit::Fail })
}

pub(crate) fn params(settings: &ScreenSettings, all: &Settings, reference: &ScreenReference) -> Result<ScreenParams> {
    let compact = reference.profile().sample.is_none();
    let default = if compact { ScoreKind::Z } else { ScoreKind::default() };
    let score = settings.score.as_deref().map(str::parse).transpose()?.unwrap_or(default);
    let centroids = CentroidParams { seed: all.seed.unwrap_or_default(), ..CentroidParams::default() };
    Ok(ScreenParams {
        alpha: settings.alpha.context("alpha has a default")?,
        fdr: settings.fdr,
        per_leaf: settings.per_leaf.context("per-leaf has a default")?,
        score,
        outliers: OutlierParams {
            sample: reference.profile().sample.as_ref().map_or(1, |sample| sample.len().max(1)),
            centroids,
            ..OutlierParams::default()
        },
    })
}

fn decisions(paths: &[PathBuf], console: &Console) -> Result<Decisions> {
    let mut decisions = Decisions::default();
    for path in paths {
        decisions.read(BufReader::new(fs_err::File::open(path)?), &path.display().to_string())?;
    }
    if !paths.is_empty() {
        let [accepted, rejected] = decisions.counts();
        console.note(format_args!("heeding decisions: {accepted} texts accepted, {rejected} rejected"));
    }
    Ok(decisions)
}

/// What is known of a row.
#[derive(Clone, Copy)]
enum Verdict {
    /// It could not be read.
    Bad,
    /// It was screened; `None` if it has no text.
    Screened(Option<ScreenedText>),
}

/// Some rows of a drop, and their originals.
#[derive(Default)]
struct Chunk {
    rows: Vec<Row>,
    originals: Vec<Option<Original>>,
}

/// Gives the rows of a drop to `take`, chunk by chunk; while it is busy with one, the next is read.
fn for_each_chunk(session: &Session, mut take: impl FnMut(&mut Chunk) -> Result<()> + Send) -> Result<()> {
    let mut rows = session.rows_with_originals()?;
    let mut chunk = Chunk::read(&mut rows)?;
    while !chunk.rows.is_empty() {
        let (taken, next) = rayon::join(|| take(&mut chunk), || Chunk::read(&mut rows));
        taken?;
        chunk = next?;
    }
    Ok(())
}

impl Chunk {
    /// The next rows; none after the last.
    fn read(rows: &mut OriginalRows<'_>) -> Result<Self> {
        let (mut chunk, mut bytes) = (Self::default(), 0);
        while chunk.rows.len() < CHUNK_ROWS && bytes < CHUNK_BYTES {
            let Some(row) = rows.next() else { break };
            let (row, original) = row?;
            bytes += original.as_ref().map_or(0, Original::bytes);
            bytes += row.record.as_ref().map_or(0, |record| {
                record.text.len() + record.vector.as_ref().map_or(0, |vector| size_of_val(vector.as_slice()))
            });
            chunk.rows.push(row);
            chunk.originals.push(original);
        }
        Ok(chunk)
    }
}

/// Embeds the rows of a drop and screens them.
struct DropEmbedder<'s> {
    session: &'s Session,
    console: &'s Console,
    /// Components that vectors have.
    dim: usize,
    bad: BadRows<'s>,
}

impl DropEmbedder<'_> {
    /// Screens the rows of a chunk.
    fn screen(&mut self, chunk: &mut Chunk, batch: &mut Batch<'_>) -> Result<Vec<Verdict>> {
        let mut readable = Vec::new();
        for row in &mut chunk.rows {
            if let (Some(dim), Ok(record)) = (self.session.brings_vectors().then_some(self.dim), &row.record)
                && let Err(reason) = check_vector(record, Some(dim))
            {
                let file = self.session.corpus.inputs()[row.input].path().to_owned();
                row.record = Err(BadRow { file, line: row.line, reason });
            }
            match &mut row.record {
                Ok(record) => {
                    // The vector is needed only once.
                    let vector = record.vector.take();
                    let record = Record { vector, ..record.clone() };
                    readable.push(Row { input: row.input, line: row.line, record: Ok(record) });
                }
                Err(bad) => self.bad.add(bad)?,
            }
        }
        self.bad.seen(chunk.rows.len() as u64)?;
        let texts: Vec<&str> =
            chunk.rows.iter().flat_map(|row| &row.record).map(|record| record.text.as_str()).collect();
        let screened = if readable.iter().any(has_content) {
            batch.screen(&self.session.embed_rows(readable, self.console)?, &texts)?
        } else {
            self.console.advance(chunk.rows.len() as u64, 0);
            batch.screen_empty(texts.len())
        };
        let mut screened = screened.into_iter();
        let verdict = |row: &Row| {
            if row.record.is_ok() {
                return Verdict::Screened(screened.next().flatten());
            }
            batch.add_bad_row();
            Verdict::Bad
        };
        Ok(chunk.rows.iter().map(verdict).collect())
    }

    /// Judges the number of bad rows, once all are read.
    fn finish(self) -> Result<()> {
        self.bad.finish()
    }
}

fn has_content(row: &Row) -> bool {
    row.record.as_ref().is_ok_and(|record| !record.text.trim().is_empty() || record.vector.is_some())
}

/// Refuses two outputs to one file, and an output to a file that is read.
fn check_paths(args: &ScreenArgs, corpus: &Corpus) -> Result<()> {
    let inputs = corpus.inputs().iter().map(|input| Path::new(input.path()));
    let beside = args.against.iter().map(Path::new).chain(args.decisions.iter().map(PathBuf::as_path));
    output::check_paths(inputs.chain(beside), written(args).chain(args.corpus.bad_rows.as_deref()))
}

/// What is written of a screening.
fn written(args: &ScreenArgs) -> impl Iterator<Item = &Path> {
    let files = [
        &args.output,
        &args.flagged,
        &args.scores,
        &args.review,
        &args.html,
        &args.json,
        &args.markdown,
        &args.merge_accepted,
    ];
    files.into_iter().flatten().map(PathBuf::as_path)
}

/// The files that rows go to.
struct Outputs {
    kept: Option<RowFile>,
    flagged: Option<RowFile>,
    scores: Option<(PathBuf, TableWriter<Output>)>,
}

struct RowFile {
    path: PathBuf,
    writer: CopyWriter<Output>,
}

impl Outputs {
    fn create(args: &ScreenArgs, corpus: &Corpus) -> Result<Self> {
        let rows = |path: &Option<PathBuf>| -> Result<Option<RowFile>> {
            let Some(path) = path else { return Ok(None) };
            let writer = CopyWriter::new(Output::open(path)?, corpus, Compression::of_path(path))?;
            Ok(Some(RowFile { path: path.clone(), writer }))
        };
        let scores = match &args.scores {
            None => None,
            Some(path) => {
                let format = table_format(path, "scores")?;
                Some((path.clone(), TableWriter::new::<ScoreRow<'_>>(Output::open(path)?, format)?))
            }
        };
        Ok(Self { kept: rows(&args.output)?, flagged: rows(&args.flagged)?, scores })
    }

    /// Writes the rows of a chunk where they belong.
    fn write(&mut self, chunk: &Chunk, verdicts: &[Verdict], batch: &mut Batch<'_>) -> Result<()> {
        let threshold = batch.threshold();
        for ((row, original), verdict) in chunk.rows.iter().zip(&chunk.originals).zip(verdicts) {
            let (Ok(record), Verdict::Screened(screened)) = (&row.record, verdict) else { continue };
            let reason = batch.decide(record.source.as_deref(), screened.as_ref(), threshold);
            let file = if reason.is_some() { &mut self.flagged } else { &mut self.kept };
            if let Some(file) = file {
                let copied = original.as_ref().map(|original| file.writer.write(original)).transpose()?;
                copied.with_context(|| {
                    let path = file.path.display();
                    let id = &record.id;
                    format!("{path}: expected a row that can be copied as it stands, got {id}; write its file as one list of rows")
                })?;
            }
            if let Some((_, scores)) = &mut self.scores {
                scores.write(&batch.score_row(&record.id, screened.as_ref(), reason))?;
            }
        }
        // Standard output gets every chunk as soon as it is decided on.
        for file in [&mut self.kept, &mut self.flagged].into_iter().flatten() {
            if output::is_stdout(&file.path) {
                file.writer.flush()?;
            }
        }
        Ok(())
    }

    /// Puts the files in their places, once all of them are complete.
    fn commit(self, console: &Console) -> Result<()> {
        let mut complete = Vec::new();
        let formulas = self.scores.as_ref().map(|(path, scores)| (path.clone(), scores.formulas()));
        for file in [self.kept, self.flagged].into_iter().flatten() {
            complete.push((file.path, file.writer.finish()?));
        }
        if let Some((path, scores)) = self.scores {
            complete.push((path, scores.finish()?));
        }
        for (path, file) in complete {
            file.commit()?;
            wrote(&path, console);
        }
        if let Some((path, formulas)) = formulas {
            warn_of_formulas(&path, formulas, console);
        }
        Ok(())
    }
}

/// Observes the accepted rows of the drop under the reference's codebook, and merges them into its profile.
fn merge_accepted(
    path: &Path,
    session: &Session,
    reference: &ScreenReference,
    decisions: &Decisions,
    console: &Console,
) -> Result<()> {
    let profile = reference.profile();
    let is_accepted = |record: &Record| decisions.get(record.content_hash()) == Some(Decision::Accepted);
    let accepted = session.embed_where(is_accepted, console)?;
    let sample = SampleParams {
        limit: profile.sample.as_ref().map(|sample| sample.limit),
        texts: profile.sample.as_ref().is_some_and(|sample| sample.texts.is_some()),
    };
    let (mut merged, mut rows) = (profile.clone(), 0);
    if let Some(accepted) = accepted {
        rows = accepted.counts.rows;
        merged = merged.merge(observe(profile, &session.corpus, &accepted, &sample, console)?)?;
    }
    let bytes = merged.to_bytes()?;
    output::write(path, |out| Ok(out.write_all(&bytes)?))?;
    console.note(format_args!("wrote {}: {} and {rows} accepted records", path.display(), reference.name()));
    Ok(())
}

/// What goes to files and to standard output, unless rows took its place there.
fn print(args: &ScreenArgs, screening: &Screening, console: &Console) -> Result<()> {
    for (path, text) in
        [(&args.json, render::screening_json as fn(&Screening) -> String), (&args.markdown, render::screening_markdown)]
    {
        if let Some(path) = path {
            output::write_text(path, &text(screening))?;
            wrote(path, console);
        }
    }
    if written(args).any(output::is_stdout) {
        console.note(render::screening_line(screening));
        return Ok(());
    }
    let text = match args.format {
        Format::Table => render::screening_terminal(screening, &console::stdout_style()),
        Format::Json => render::screening_json(screening),
        Format::Markdown => render::screening_markdown(screening),
    };
    Ok(output::write_text(Path::new("-"), &text)?)
}
