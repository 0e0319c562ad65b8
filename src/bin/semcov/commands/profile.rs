use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use indicatif::DecimalBytes;
use semcov::cluster::CodebookParams;
use semcov::profile::{Profile, ProfileParams, SampleParams, diff, fit, observe};
use semcov::report::render;

use crate::args::{Format, ProfileArgs, ProfileCommand, ProfileDiffArgs, SampleArgs, ShowFormat};
use crate::console::{self, Console};
use crate::exit::Exit;
use crate::output;
use crate::session::Session;
use crate::settings::Settings;

pub(crate) fn run(args: &ProfileArgs, console: &Console) -> Result<Exit> {
    match &args.command {
        ProfileCommand::Fit(args) => {
            let session = Session::open(&args.corpus, console)?;
            let params = fit_params(&session.settings, sample(&args.sample, &session.settings)?);
            let embedded = session.embed_real(console)?;
            write(&fit(&session.corpus, &embedded, &params, console)?, &args.output, console)
        }
        ProfileCommand::Observe(args) => {
            let profile = Profile::read(&args.codebook)?;
            let session = Session::open(&args.corpus, console)?;
            session.follow(&profile);
            let params = sample(&args.sample, &session.settings)?;
            let embedded = session.embed_real(console)?;
            write(&observe(&profile, &session.corpus, &embedded, &params, console)?, &args.output, console)
        }
        ProfileCommand::Merge(args) => write(&merge(&args.profiles)?, &args.output, console),
        ProfileCommand::Show(args) => {
            let profile = Profile::read(&args.profile)?.summary();
            print(&match args.format {
                ShowFormat::Table => render::profile_terminal(&profile, &console::stdout_style()),
                ShowFormat::Json => render::profile_json(&profile),
            })
        }
        ProfileCommand::Diff(args) => compare(args),
    }
}

/// How a profile with a codebook of its own is made.
pub(crate) fn fit_params(settings: &Settings, sample: SampleParams) -> ProfileParams {
    let &Settings { leaves, regions, seed, .. } = settings;
    ProfileParams { codebook: CodebookParams { leaves, regions, seed: seed.unwrap_or_default() }, sample }
}

fn sample(args: &SampleArgs, settings: &Settings) -> Result<SampleParams> {
    let limit = settings.sample.context("sample has a default")?;
    Ok(SampleParams { limit: Some(limit).filter(|_| !args.compact), texts: args.with_examples })
}

fn merge(paths: &[PathBuf]) -> Result<Profile> {
    let (first, others) = paths.split_first().context("expected a profile, got none")?;
    others.iter().try_fold(Profile::read(first)?, |merged, path| {
        merged.merge(Profile::read(path)?).with_context(|| format!("cannot merge {}", path.display()))
    })
}

fn compare(args: &ProfileDiffArgs) -> Result<Exit> {
    let diff = diff(&Profile::read(&args.old)?, &Profile::read(&args.new)?)?;
    print(&match args.format {
        Format::Table => render::diff_terminal(&diff, &console::stdout_style()),
        Format::Json => render::diff_json(&diff),
        Format::Markdown => render::diff_markdown(&diff),
    })
}

fn write(profile: &Profile, path: &Path, console: &Console) -> Result<Exit> {
    let bytes = profile.to_bytes()?;
    output::write(path, |out| Ok(out.write_all(&bytes)?))?;
    if !output::is_stdout(path) {
        console.note(format_args!(
            "wrote {}: {} records in {} leaves, {}",
            path.display(),
            profile.observed.rows,
            profile.codebook.n_leaves(),
            DecimalBytes(bytes.len() as u64),
        ));
    }
    Ok(Exit::Pass)
}

fn print(text: &str) -> Result<Exit> {
    output::write_text(Path::new("-"), text)?;
    Ok(Exit::Pass)
}
