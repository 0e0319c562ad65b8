//! `semcov gate`: compares a corpus with its baseline, and fails when coverage was lost.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use semcov::Error;
use semcov::corpus::{Corpus, Record, Row};
use semcov::coverage::Balls;
use semcov::embed::{EmbeddedCorpus, EncoderDifference};
use semcov::gate::{
    Evidence, Leak, Outcome, Place, Places, Policy, PolicyParams, RuleId, SectionVerdict, Verdict, added_texts,
    coverage_of, judge_added, leaks, map_of,
};
use semcov::map::MapPoints;
use semcov::profile::{Profile, Sample, SampleParams, observe};
use semcov::report::render;
use semcov::screen::ScreenReference;
use semcov::vectors::Rows;

use crate::args::{Format, GateArgs};
use crate::commands::screen;
use crate::console::{self, Console};
use crate::exit::Exit;
use crate::output;
use crate::session::{Beside, Session};
use crate::settings::{GateSettings, ScreenSettings, SectionSettings, most_like};

pub(crate) fn run(args: &GateArgs, console: &Console) -> Result<Exit> {
    if let Some(rule) = &args.explain {
        return explain(rule);
    }
    let (session, settings) = Session::open_gate(args, console)?;
    check_paths(args, &settings, &session)?;
    let policies = policies(&settings)?;
    let baseline = read_baseline(settings.baseline.as_deref())?;
    session.follow(&baseline.profile);
    let sections: Vec<(&SectionSettings, Profile)> =
        settings.section.iter().map(|section| Ok((section, section_baseline(section)?))).collect::<Result<_>>()?;

    let beside = Besides::open(args, &settings, &session, console)?;
    let judged = judge(
        &Part { corpus: &session.corpus, baseline: &baseline, name: None },
        &policies.0,
        &session,
        &beside,
        console,
    )?;
    let show_text = beside.show_text;
    let map = args.html.as_ref().and_then(|_| map_of(&baseline.profile, &judged.current, show_text, console));
    let mut of_sections = Vec::new();
    let mut pending = vec![(PathBuf::from(baseline.name.clone()), judged.current)];
    for ((section, profile), policy) in sections.into_iter().zip(&policies.1) {
        let Some(corpus) = session.section(&section.paths)? else {
            bail!(
                "section {}: expected a file of the corpus that {} match, got none",
                section.name,
                section.paths.join(", ")
            );
        };
        let path = section.baseline.clone();
        let baseline = Baseline { name: path.display().to_string(), profile };
        let part = Part { corpus: &corpus, baseline: &baseline, name: Some(&section.name) };
        let judged = judge(&part, policy, &session, &beside, console)?;
        of_sections.push(SectionVerdict {
            name: section.name.clone(),
            paths: section.paths.clone(),
            verdict: judged.verdict,
        });
        pending.push((path, judged.current));
    }
    let verdict = judged.verdict.with_sections(of_sections);

    write_pending(args, pending, console)?;
    write_files(args, &settings, &verdict, map.as_ref(), &session, console)?;
    Ok(match verdict.exit_code {
        0 => Exit::Pass,
        1 => Exit::Fail,
        _ => Exit::CannotJudge,
    })
}

fn explain(rule: &str) -> Result<Exit> {
    let words = RuleId::ALL.map(RuleId::word);
    let id = RuleId::ALL.into_iter().find(|id| id.word() == rule).with_context(|| {
        let hint = most_like(rule, words).map_or_else(String::new, |word| format!("; did you mean `{word}`?"));
        format!("--explain {rule}: expected a rule ({}), got none of that name{hint}", words.join(", "))
    })?;
    output::write_text(Path::new("-"), &render::rule_explained(id, &console::stdout_style()))?;
    Ok(Exit::Pass)
}

/// Refuses two outputs to one file, and an output to a file that is read.
fn check_paths(args: &GateArgs, settings: &GateSettings, session: &Session) -> Result<()> {
    let inputs = session.corpus.inputs().iter().map(|input| Path::new(input.path()));
    let baselines = settings.baseline.iter().chain(settings.section.iter().map(|section| &section.baseline));
    let beside = settings.reference.iter().chain(&settings.evaluation).flatten().map(Path::new);
    let read = inputs.chain(baselines.map(PathBuf::as_path)).chain(beside);
    let written =
        [&args.summary, &args.html, &args.json, &args.junit, &args.sarif, &args.gitlab, &args.corpus.bad_rows];
    let pending = args.pending.as_deref().filter(|&path| path != "none").map(Path::new);
    output::check_paths(read, written.into_iter().flatten().map(PathBuf::as_path).chain(pending))
}

/// The policy of the corpus, and those of its sections.
pub(crate) fn policies(settings: &GateSettings) -> Result<(Policy, Vec<Policy>)> {
    let params =
        PolicyParams { alpha: settings.alpha, inconclusive: settings.inconclusive, rules: settings.rules.clone() };
    let of_section = |section: &SectionSettings| {
        let own = PolicyParams { rules: section.rules.clone(), ..PolicyParams::default() };
        own.over(&params).check().with_context(|| format!("section {}", section.name))
    };
    let policy = params.check().context("the policy in [gate]")?;
    // A section's baseline is accepted by itself.
    let baselines: Vec<PathBuf> = settings
        .baseline
        .iter()
        .chain(settings.section.iter().map(|section| &section.baseline))
        .map(|path| fs_err::canonicalize(path).unwrap_or_else(|_| path.clone()))
        .collect();
    if let Some((_, twice)) = baselines.iter().enumerate().find(|(i, path)| baselines[..*i].contains(path)) {
        bail!("{}: expected a baseline of its own for the corpus and every section, got one twice", twice.display());
    }
    let names: BTreeSet<&String> = settings.section.iter().map(|section| &section.name).collect();
    if names.len() < settings.section.len() {
        bail!("[[gate.section]]: expected a name of its own for every section, got one twice");
    }
    Ok((policy, settings.section.iter().map(of_section).collect::<Result<_>>()?))
}

/// A baseline, and what the user calls it.
pub(crate) struct Baseline {
    pub name: String,
    pub profile: Profile,
}

/// Reads the baseline that was named.
pub(crate) fn read_baseline(path: Option<&Path>) -> Result<Baseline> {
    let path = path.context(
        "expected a baseline, got none; name one with --baseline or `baseline` in [gate] of semcov.toml, and make the first \
         with `semcov profile fit CORPUS -o baseline.semcov`",
    )?;
    if !path.exists() {
        bail!(
            "{}: expected a baseline, got no such file; make the first with `semcov profile fit CORPUS -o {}`",
            path.display(),
            path.display()
        );
    }
    Ok(Baseline { name: path.display().to_string(), profile: Profile::read(path)? })
}

pub(crate) fn section_baseline(section: &SectionSettings) -> Result<Profile> {
    let baseline = read_baseline(Some(&section.baseline)).with_context(|| format!("section {}", section.name))?;
    Ok(baseline.profile)
}

/// A corpus, or the part of it that a section is about.
struct Part<'a> {
    corpus: &'a Corpus,
    baseline: &'a Baseline,
    name: Option<&'a str>,
}

/// What the corpus is held against beside its baseline.
struct Besides {
    reference: Option<semcov::report::Reference>,
    evaluation: Option<EmbeddedCorpus>,
    show_text: bool,
}

impl Besides {
    fn open(args: &GateArgs, settings: &GateSettings, session: &Session, console: &Console) -> Result<Self> {
        let named = |inputs: &Option<Vec<String>>| inputs.clone().filter(|inputs| !inputs.is_empty());
        let reference = named(&settings.reference).map(|inputs| {
            let (text, vectors) = (args.reference_text.as_deref(), args.reference_vectors.as_deref());
            session.reference_of(Beside::new("reference", &inputs, text, vectors), console)
        });
        let evaluation = named(&settings.evaluation).map(|inputs| {
            let (text, vectors) = (args.evaluation_text.as_deref(), args.evaluation_vectors.as_deref());
            session.embed_beside(Beside::new("evaluation", &inputs, text, vectors), console)
        });
        Ok(Self {
            reference: reference.transpose()?,
            evaluation: evaluation.transpose()?,
            show_text: settings.show_text == Some(true),
        })
    }
}

/// A verdict, and what it was told from.
struct Judged {
    verdict: Verdict,
    /// The corpus as the next baseline.
    current: Profile,
}

fn judge(part: &Part<'_>, policy: &Policy, session: &Session, beside: &Besides, console: &Console) -> Result<Judged> {
    let Baseline { name, profile: baseline } = part.baseline;
    if baseline.rows_with_text() == 0 {
        bail!("{name}: expected a baseline with at least one text, got none");
    }
    let embedded = session.embed_observed(part.corpus, console)?;
    if let Some(EncoderDifference { field, ours, theirs }) =
        baseline.encoder.difference_beyond_precision(&embedded.encoder)
    {
        return Err(Error::Encoder {
            encoder: embedded.encoder.name.clone(),
            problem: format!("expected the encoder of the baseline {name}, {field} {ours}, got {field} {theirs}"),
            help: format!(
                "embed as the baseline was (--encoder, --prompt), or make a new baseline: `semcov profile fit CORPUS -o {name}`"
            ),
            source: None,
        }
        .into());
    }
    let sample = SampleParams {
        limit: baseline.sample.as_ref().map(|sample| sample.limit),
        texts: baseline.sample.as_ref().is_some_and(|sample| sample.texts.is_some()),
    };
    let current = observe(baseline, part.corpus, &embedded, &sample, console)?;
    let coverage = beside.reference.as_ref().map(|reference| {
        let balls = Balls::around(Rows::from(reference.vectors()));
        [baseline, &current].map(|profile| coverage_of(&balls, profile))
    });
    let evidence = Evidence {
        baseline,
        current: &current,
        coverage,
        added: added(part, &embedded, policy, session, beside.show_text, console)?,
        leaks: leaks_of(part, &embedded, beside, session, console)?,
        bad_rows: &embedded.counts.first_bad_rows,
        show_text: beside.show_text,
    };
    let verdict = evidence.judge(policy, part.name);
    Ok(Judged { verdict, current })
}

/// The evaluation texts that stand in the corpus, in its records marked synthetic as well.
fn leaks_of(
    part: &Part<'_>,
    embedded: &EmbeddedCorpus,
    beside: &Besides,
    session: &Session,
    console: &Console,
) -> Result<Option<Vec<Leak>>> {
    let Some(evaluation) = &beside.evaluation else { return Ok(None) };
    let synthetic = if embedded.counts.left_out > 0 {
        let rows = session.rows_where(part.corpus, |record| !embedded.records.takes(record))?;
        Some(session.embed_rows(rows, console)?)
    } else {
        None
    };
    let corpora: Vec<&EmbeddedCorpus> = std::iter::once(embedded).chain(&synthetic).collect();
    Ok(Some(leaks(evaluation, &corpora)))
}

/// Screens the texts that the baseline lacks.
fn added(
    part: &Part<'_>,
    embedded: &EmbeddedCorpus,
    policy: &Policy,
    session: &Session,
    show_text: bool,
    console: &Console,
) -> Result<Option<semcov::gate::AddedSummary>> {
    let Baseline { name, profile: baseline } = part.baseline;
    let wanted = [RuleId::AddedOutliers, RuleId::NewContent, RuleId::AddedDuplicates]
        .iter()
        .any(|&id| policy.rule(id).is_some());
    let new = added_texts(baseline, embedded);
    if !wanted || new.is_empty() || baseline.sample.as_ref().is_none_or(Sample::is_empty) {
        return Ok(None);
    }
    let is_new = |record: &Record| embedded.records.takes(record) && new.binary_search(&record.content_hash()).is_ok();
    let rows: Vec<Row> = session.rows_where(part.corpus, is_new)?;
    let texts: Vec<String> = rows.iter().flat_map(|row| &row.record).map(|record| record.text.clone()).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let added = session.embed_rows(rows, console)?;
    let reference = ScreenReference::new(name.clone(), baseline.clone());
    // The limits of the rules are set for this share of good texts.
    let score = session.settings.screen.score.clone();
    let screen = ScreenSettings { score, alpha: Some(0.05), per_leaf: Some(false), ..ScreenSettings::default() };
    let screener = screen::params(&screen, &session.settings, &reference)?.check()?.fit(&reference, console)?;
    Ok(Some(judge_added(&screener, &added, &texts, show_text)?))
}

/// Where the next baseline waits to be accepted: `NAME.pending.semcov` beside `NAME.semcov`.
pub(crate) fn pending_path(baseline: &Path) -> PathBuf {
    let mut name = baseline.file_stem().unwrap_or_default().to_owned();
    name.push(".pending");
    if let Some(extension) = baseline.extension() {
        name.push(".");
        name.push(extension);
    }
    baseline.with_file_name(name)
}

fn write_pending(args: &GateArgs, pending: Vec<(PathBuf, Profile)>, console: &Console) -> Result<()> {
    let named = args.pending.as_deref();
    if named == Some("none") {
        return Ok(());
    }
    for (i, (baseline, profile)) in pending.into_iter().enumerate() {
        let waiting = pending_path(&baseline);
        let path = named.filter(|_| i == 0).map_or_else(|| waiting.clone(), PathBuf::from);
        let bytes = profile.to_bytes()?;
        match output::write(&path, |out| Ok(out.write_all(&bytes)?)) {
            Ok(()) if path == waiting => console.note(format_args!(
                "wrote {}: what the baseline would become; `semcov baseline accept {}` makes it so",
                path.display(),
                baseline.display()
            )),
            Ok(()) => console.note(format_args!(
                "wrote {}: what the baseline would become; move it over {} to accept it",
                path.display(),
                baseline.display()
            )),
            Err(error) if named.is_none() => {
                console.warn(format_args!("the pending baseline could not be written: {error}"));
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// What goes to files and to standard output.
fn write_files(
    args: &GateArgs,
    settings: &GateSettings,
    verdict: &Verdict,
    map: Option<&MapPoints>,
    session: &Session,
    console: &Console,
) -> Result<()> {
    let on_github =
        settings.github.unwrap_or_else(|| std::env::var_os("GITHUB_ACTIONS").is_some_and(|value| value == "true"));
    let with_places = on_github || args.sarif.is_some() || args.gitlab.is_some();
    let places = if with_places { places(verdict, session)? } else { Places::new() };
    let policy = session.config.as_deref().or(settings.baseline.as_deref()).unwrap_or(Path::new("semcov.toml"));
    let policy = relative(policy);
    let mut printed = false;
    let mut file = |path: &Option<PathBuf>, text: &dyn Fn() -> String| -> Result<()> {
        let Some(path) = path else { return Ok(()) };
        output::write_text(path, &text())?;
        if output::is_stdout(path) {
            printed = true;
        } else {
            console.note(format_args!("wrote {}", path.display()));
        }
        Ok(())
    };
    file(&args.summary, &|| render::verdict_markdown(verdict))?;
    file(&args.html, &|| render::verdict_html(verdict, map))?;
    file(&args.json, &|| render::verdict_json(verdict))?;
    file(&args.junit, &|| render::verdict_junit(verdict))?;
    file(&args.sarif, &|| render::verdict_sarif(verdict, &places, &policy))?;
    file(&args.gitlab, &|| render::verdict_gitlab(verdict, &places, &policy))?;
    let fails = verdict.outcome == Outcome::Fail;
    if printed && !fails {
        console.note(render::verdict_line(verdict));
    } else if !printed {
        let text = match args.format {
            Format::Table => render::verdict_terminal(verdict, &console::stdout_style()),
            Format::Json => render::verdict_json(verdict),
            Format::Markdown => render::verdict_markdown(verdict),
        };
        output::write_text(Path::new("-"), &text)?;
    }
    if on_github {
        console.annotate(&render::verdict_github(verdict, &places, &policy));
    }
    if fails {
        console.failure(render::verdict_figures(verdict));
    }
    Ok(())
}

/// A path as the repository has it, if it lies in the folder that this runs in.
fn relative(path: &Path) -> String {
    let folder = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(&folder).unwrap_or(path).display().to_string()
}

/// Where the rows that the verdict points at stand. An id that several rows have stands nowhere. The corpus is read once
/// more, unless all of them could not be read.
fn places(verdict: &Verdict, session: &Session) -> Result<Places> {
    let wanted = render::verdict_row_ids(verdict);
    let mut places: BTreeMap<&str, Option<Place>> = verdict
        .all_rules()
        .filter(|(_, rule)| rule.id == RuleId::BadRows)
        .flat_map(|(_, rule)| rule.findings.iter().flat_map(|finding| &finding.examples))
        .filter_map(|example| {
            let (file, line) = example.id.rsplit_once(':')?;
            Some((example.id.as_str(), Some(Place { file: file.to_owned(), line: line.parse().ok()? })))
        })
        .collect();
    if wanted.len() > places.len() {
        for row in session.corpus.records() {
            let row = row?;
            let Ok(record) = row.record else { continue };
            let Some(&id) = wanted.get(record.id.as_str()) else { continue };
            let place = Some(Place { file: session.corpus.inputs()[row.input].path().to_owned(), line: row.line });
            let first = places.entry(id).or_insert_with(|| place.clone());
            if *first != place {
                *first = None;
            }
        }
    }
    Ok(places.into_iter().filter_map(|(id, place)| Some((id.to_owned(), place?))).collect())
}
