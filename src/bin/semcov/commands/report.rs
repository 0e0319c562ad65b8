use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use semcov::corpus::Corpus;
use semcov::map;
use semcov::report::render::{self, JsonStyle};
use semcov::report::{Analysis, Report, ReportParams, analyze};
use semcov::table::{TableFormat, TableRow, TableWriter};

use crate::args::{Format, ReportArgs};
use crate::console::{self, Console};
use crate::exit::Exit;
use crate::output;
use crate::session::Session;
use crate::settings::Settings;

pub(crate) fn run(args: &ReportArgs, console: &Console) -> Result<Exit> {
    let rows = args.rows.as_deref().map(|path| table_format(path, "rows")).transpose()?;
    let session = Session::open(&args.corpus, console)?;
    let drawn = rows.is_some() || args.output.is_some();
    let map_points = if drawn { map::MAX_POINTS } else { 0 };
    let params = ReportParams { map_points, ..params(&session.settings)? };
    let reference = session.reference(&args.reference, console)?;
    let embedded = session.embed(console)?;
    let analysis = analyze(&session.corpus, &embedded, reference.as_ref(), &params, console)?;
    warn_of_frozen(&session.settings, &analysis, console);
    write_outputs(args, rows, &session.corpus, &analysis, console)?;
    print(args, &analysis)?;
    Ok(Exit::Pass)
}

pub(super) fn params(settings: &Settings) -> Result<ReportParams> {
    let defaults = Settings::defaults();
    let budget = settings.budget.as_ref().or(defaults.budget.as_ref()).context("budget has a default")?;
    Ok(ReportParams {
        seed: settings.seed.unwrap_or_default(),
        leaves: settings.leaves,
        regions: settings.regions,
        sample: settings.sample.context("sample has a default")?,
        budget: budget.parse()?,
        outliers: settings.outliers.context("outliers has a default")?,
        map_points: 0,
    })
}

/// Leaves and regions of a profile cannot be chosen.
pub(super) fn warn_of_frozen(settings: &Settings, analysis: &Analysis<'_>, console: &Console) {
    let frozen = analysis.report.reference.as_ref().is_some_and(|reference| reference.frozen);
    if frozen && (settings.leaves.is_some() || settings.regions.is_some()) {
        console.warn("--leaves and --regions have no effect: the leaves are those of the profile");
    }
}

/// The format of a table that `setting` named; JSONL on standard output.
pub(super) fn table_format(path: &Path, setting: &'static str) -> semcov::Result<TableFormat> {
    if output::is_stdout(path) { Ok(TableFormat::Jsonl) } else { TableFormat::of_path(path, setting) }
}

/// The files asked for.
fn write_outputs(
    args: &ReportArgs,
    rows: Option<TableFormat>,
    corpus: &Corpus,
    analysis: &Analysis<'_>,
    console: &Console,
) -> Result<()> {
    let report = &analysis.report;
    let write = |path: &Option<PathBuf>, render: &dyn Fn(&Report) -> String| -> Result<()> {
        let Some(path) = path else { return Ok(()) };
        output::write_text(path, &render(report))?;
        wrote(path, console);
        Ok(())
    };
    write(&args.output, &|report| render::html(report, &analysis.map))?;
    write(&args.json, &json)?;
    write(&args.markdown, &render::markdown)?;
    if let (Some(path), Some(format)) = (&args.rows, rows) {
        if args.rows_text {
            write_rows(path, format, analysis.rows_with_texts(corpus), console)?;
        } else {
            write_rows(path, format, analysis.rows().map(Ok), console)?;
        }
    }
    Ok(())
}

fn write_rows<R: TableRow>(
    path: &Path,
    format: TableFormat,
    rows: impl Iterator<Item = semcov::Result<R>>,
    console: &Console,
) -> Result<()> {
    let mut formulas = 0;
    output::write(path, |out| {
        let mut table = TableWriter::new::<R>(out, format)?;
        for row in rows {
            table.write(&row?)?;
        }
        formulas = table.formulas();
        table.finish().map(drop)
    })?;
    wrote(path, console);
    warn_of_formulas(path, formulas, console);
    Ok(())
}

/// Texts of rows are written as they are, and some mean something to the program that opens the file.
pub(super) fn warn_of_formulas(path: &Path, formulas: u64, console: &Console) {
    if formulas > 0 {
        console.warn(format_args!(
            "{}: {formulas} cells begin with = + - or @, which a spreadsheet takes for formulas; import the columns as text",
            path.display(),
        ));
    }
}

pub(super) fn wrote(path: &Path, console: &Console) {
    if !output::is_stdout(path) {
        console.note(format_args!("wrote {}", path.display()));
    }
}

/// What goes to standard output, unless a file took its place there.
fn print(args: &ReportArgs, analysis: &Analysis<'_>) -> semcov::Result<()> {
    let taken = [&args.output, &args.json, &args.markdown, &args.rows]
        .into_iter()
        .flatten()
        .any(|path| output::is_stdout(path));
    if taken {
        return Ok(());
    }
    let report = &analysis.report;
    let text = match args.format {
        Format::Table => render::terminal(report, &console::stdout_style()),
        Format::Json => json(report),
        Format::Markdown => render::markdown(report),
    };
    output::write_text(Path::new("-"), &text)
}

fn json(report: &Report) -> String {
    render::json(report, JsonStyle::Pretty)
}
