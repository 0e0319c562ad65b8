use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use semcov::plan::{
    AugmentationPlan, BatchFormat, BatchParams, Budget, Estimate, PlanParams, Prices, PromptTemplate, Target,
    ValidBatchParams,
};
use semcov::report::render::{self, JsonStyle};
use semcov::report::{Analysis, AugmentParams, analyze};

use super::report;
use crate::args::{Format, PlanArgs};
use crate::console::{self, Console};
use crate::exit::Exit;
use crate::output::{self, OutputFile};
use crate::session::Session;
use crate::settings::{Layered as _, PlanSettings};

pub(crate) fn run(args: &PlanArgs, console: &Console) -> Result<Exit> {
    let session = Session::open(&args.corpus, console)?;
    let settings = args.plan.over(&session.settings.plan)?;
    let report = report::params(&session.settings)?;
    let budget = report.budget;
    let requests = Requests::of(args, &settings)?;
    let params = params(&settings, budget)?;
    let prices = prices(&settings)?;
    if args.output.is_some() && args.output == args.weights {
        bail!("--output and --weights: expected two files, got one");
    }
    match params.target {
        Some(Target::Reference) if args.reference.reference.is_empty() => {
            bail!("--target reference: expected a reference, got none; name one with --reference REF")
        }
        Some(Target::Table) if params.target_weights.is_empty() => {
            bail!("--target table: expected weights, got none; write them under [plan.target-weights] in semcov.toml")
        }
        _ => {}
    }

    let reference = session.reference(&args.reference, console)?;
    let embedded = session.embed(console)?;
    let analysis = analyze(&session.corpus, &embedded, reference.as_ref(), &report, console)?;
    report::warn_of_frozen(&session.settings, &analysis, console);
    let plan = analysis.plan(&session.corpus, &params, console)?;
    let estimate = Estimate::of(&plan, &requests.template, prices)?;
    let plan = plan.with_estimate(estimate);

    if let Some(path) = &args.output {
        output::write(path, |out| plan.write_jsonl(out))?;
        report::wrote(path, console);
    }
    if let Some((batch, path)) = &requests.batch {
        write_requests(&plan, &requests.template, batch, path, console)?;
    }
    if let Some(path) = &args.weights {
        write_weights(&analysis, &params, &settings, path)?;
        report::wrote(path, console);
    }
    print(args, &plan)?;
    Ok(Exit::Pass)
}

fn params(settings: &PlanSettings, budget: Budget) -> Result<AugmentParams> {
    let cap = settings.weight_cap.context("weight-cap has a default")?;
    if !(cap.is_finite() && cap >= 1.0) {
        bail!("--weight-cap: expected a number, 1 or more, got {cap}");
    }
    let synthetic_share = settings.synthetic_share.context("synthetic-share has a default")?;
    let plan = PlanParams { budget, synthetic_share };
    plan.clone().check()?;
    Ok(AugmentParams {
        target: settings.target.as_deref().map(str::parse).transpose()?,
        target_weights: settings.target_weights.clone(),
        plan,
        seeds: settings.seeds.filter(|&seeds| seeds > 0).context("--seeds: expected at least 1, got 0")?,
    })
}

fn prices(settings: &PlanSettings) -> Result<Option<Prices>> {
    match (settings.price_input, settings.price_output) {
        (None, None) => Ok(None),
        (Some(input), Some(output)) => Ok(Some(Prices { input, output })),
        _ => bail!("--price-input and --price-output: expected both or neither, got one"),
    }
}

/// What the generation requests are made of, checked before anything is embedded.
struct Requests {
    template: PromptTemplate,
    batch: Option<(ValidBatchParams, PathBuf)>,
}

impl Requests {
    fn of(args: &PlanArgs, settings: &PlanSettings) -> Result<Self> {
        let template = match &settings.prompt_template {
            None => PromptTemplate::default(),
            Some(path) => PromptTemplate::new(fs_err::read_to_string(path)?)
                .with_context(|| format!("cannot use the prompt template {}", path.display()))?,
        };
        let Some(format) = &args.requests else { return Ok(Self { template, batch: None }) };
        let format: BatchFormat = format.parse()?;
        let model = settings.model.clone();
        let model = model.context("--requests needs the model that is to generate; name it with --model MODEL")?;
        let batch = BatchParams { format, model, max_tokens: settings.max_tokens }.check()?;
        let path = args.requests_output.clone().unwrap_or_else(|| {
            let plan =
                args.output.as_deref().filter(|path| !output::is_stdout(path)).unwrap_or(Path::new("plan.jsonl"));
            plan.with_extension(format!("requests.{}", format.extension()))
        });
        if output::is_stdout(&path) {
            bail!("--requests-output: expected a file (there may be several), got standard output");
        }
        Ok(Self { template, batch: Some((batch, path)) })
    }
}

/// Writes the requests to as many files as the vendor's limits need; all of them appear, or none.
fn write_requests(
    plan: &AugmentationPlan,
    template: &PromptTemplate,
    batch: &ValidBatchParams,
    path: &Path,
    console: &Console,
) -> Result<()> {
    let mut paths = Vec::new();
    let files = batch.write(plan.requests(template), |part| {
        paths.push(part_path(path, part));
        OutputFile::create(&paths[part])
    })?;
    for (file, path) in files.into_iter().zip(&paths) {
        file.commit()?;
        report::wrote(path, console);
    }
    if paths.is_empty() {
        console.warn(
            "no requests: nothing is to be generated (leaves with fewer than 10 real texts need real data first)",
        );
    }
    Ok(())
}

/// `requests.jsonl`, `requests-2.jsonl`, ...
fn part_path(path: &Path, part: usize) -> PathBuf {
    if part == 0 {
        return path.to_owned();
    }
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let extension = path.extension().map(|extension| format!(".{}", extension.to_string_lossy())).unwrap_or_default();
    path.with_file_name(format!("{stem}-{}{extension}", part + 1))
}

fn write_weights(analysis: &Analysis<'_>, params: &AugmentParams, settings: &PlanSettings, path: &Path) -> Result<()> {
    let cap = settings.weight_cap.context("weight-cap has a default")?;
    let weights = analysis.weights(params, &settings.source_weights, cap)?;
    output::write(path, |out| {
        for (id, weight) in analysis.ids().zip(weights) {
            serde_json::to_writer(&mut *out, &serde_json::json!({"id": id, "weight": weight}))
                .map_err(std::io::Error::from)?;
            out.write_all(b"\n")?;
        }
        Ok(())
    })?;
    Ok(())
}

/// What goes to standard output, unless a file took its place there.
fn print(args: &PlanArgs, plan: &AugmentationPlan) -> semcov::Result<()> {
    let taken = [&args.output, &args.requests_output, &args.weights].into_iter().flatten();
    if taken.into_iter().any(|path| output::is_stdout(path)) {
        return Ok(());
    }
    let text = match args.format {
        Format::Table => render::plan_terminal(plan, &console::stdout_style()),
        Format::Json => render::plan_json(plan, JsonStyle::Pretty),
        Format::Markdown => render::plan_markdown(plan),
    };
    output::write_text(Path::new("-"), &text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_numbered_from_the_second() {
        let path = |part| part_path(Path::new("out/a.requests.jsonl"), part);
        assert_eq!(path(0), Path::new("out/a.requests.jsonl"));
        assert_eq!(path(1), Path::new("out/a.requests-2.jsonl"));
    }
}
