//! `semcov baseline`: what becomes of a pending baseline, and whether policy and baseline can be used.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use semcov::profile::{Profile, diff};
use semcov::report::render;

use crate::args::{BaselineArgs, BaselineCommand, BaselineFileArgs};
use crate::commands::gate::{self, pending_path, read_baseline};
use crate::console::{self, Console};
use crate::exit::Exit;
use crate::output;
use crate::settings::{GateSettings, Settings};

pub(crate) fn run(args: &BaselineArgs, console: &Console) -> Result<Exit> {
    match &args.command {
        BaselineCommand::Status(args) => status(args),
        BaselineCommand::Accept { file, in_ci } => accept(file, *in_ci, console),
        BaselineCommand::Reject(args) => reject(args, console),
        BaselineCommand::Check(args) => check(args),
    }
}

/// The settings, and the baselines that are meant: the one that was named, or all that the policy names.
fn baselines(args: &BaselineFileArgs) -> Result<(Settings, Vec<PathBuf>)> {
    let settings = Settings::default().resolve(args.config.as_deref(), &Settings::defaults())?;
    let GateSettings { baseline, section, .. } = &settings.gate;
    let named = || baseline.iter().chain(section.iter().map(|section| &section.baseline)).cloned().collect();
    let baselines: Vec<PathBuf> = args.baseline.clone().map_or_else(named, |baseline| vec![baseline]);
    if baselines.is_empty() {
        bail!("expected a baseline, got none; name one, or `baseline` in [gate] of semcov.toml");
    }
    Ok((settings, baselines))
}

fn status(args: &BaselineFileArgs) -> Result<Exit> {
    let (_, baselines) = baselines(args)?;
    let mut text = String::new();
    for path in baselines {
        let baseline = read_baseline(Some(&path))?;
        let pending = pending_path(&path);
        if pending.exists() {
            let changed = diff(&baseline.profile, &Profile::read(&pending)?)?;
            text.push_str(&format!("{}: {} is pending\n\n", path.display(), pending.display()));
            text.push_str(&render::diff_terminal(&changed, &console::stdout_style()));
        } else {
            text.push_str(&format!("{}: nothing is pending\n", path.display()));
        }
    }
    output::write_text(Path::new("-"), &text)?;
    Ok(Exit::Pass)
}

fn accept(args: &BaselineFileArgs, in_ci: bool, console: &Console) -> Result<Exit> {
    let is_ci = std::env::var("CI").is_ok_and(|value| !matches!(value.as_str(), "" | "0" | "false"));
    if is_ci && !in_ci {
        bail!("expected a person to accept a baseline, got a CI job (CI is set); --in-ci does it all the same");
    }
    let (_, baselines) = baselines(args)?;
    let waiting: Vec<(PathBuf, PathBuf)> =
        baselines.into_iter().map(|path| (pending_path(&path), path)).filter(|(pending, _)| pending.exists()).collect();
    if waiting.is_empty() {
        bail!(
            "expected a pending baseline, NAME.pending.semcov beside NAME.semcov, got none; `semcov gate` writes one"
        );
    }
    // All of them are read before the first is moved.
    for (pending, path) in &waiting {
        let accepted = Profile::read(pending)?;
        if path.exists() {
            diff(&Profile::read(path)?, &accepted)?;
        }
    }
    for (pending, path) in waiting {
        fs_err::rename(&pending, &path)?;
        console.note(format_args!("{} is now what {} was", path.display(), pending.display()));
    }
    Ok(Exit::Pass)
}

fn reject(args: &BaselineFileArgs, console: &Console) -> Result<Exit> {
    let (_, baselines) = baselines(args)?;
    let pending: Vec<PathBuf> = baselines.iter().map(|path| pending_path(path)).filter(|path| path.exists()).collect();
    if pending.is_empty() {
        bail!("expected a pending baseline, NAME.pending.semcov beside NAME.semcov, got none");
    }
    for path in pending {
        fs_err::remove_file(&path)?;
        console.note(format_args!("removed {}; the baseline stays as it is", path.display()));
    }
    Ok(Exit::Pass)
}

fn check(args: &BaselineFileArgs) -> Result<Exit> {
    let (settings, baselines) = baselines(args)?;
    let (policy, sections) = gate::policies(&settings.gate)?;
    let rules = semcov::gate::RuleId::ALL.into_iter().filter(|&id| policy.rule(id).is_some()).count();
    let mut text = format!("policy: {rules} rules, {} sections\n", sections.len());
    for path in baselines {
        let baseline = read_baseline(Some(&path))?;
        let made_by = &baseline.profile.encoder.name;
        if let Some(encoder) = settings.encoder.as_deref().filter(|_| settings.vectors.is_none())
            && !made_by.starts_with("vectors:")
            && !is_named(made_by, encoder)
        {
            bail!(
                "{}: expected a baseline of the encoder {encoder}, got one of {made_by}; make a new one with \
                 `semcov profile fit CORPUS -o {}`, or set `encoder`",
                path.display(),
                path.display()
            );
        }
        text.push_str(&format!(
            "{}: {} rows, {} distinct texts, {} leaves in {} regions, {made_by}\n",
            path.display(),
            baseline.profile.observed.rows,
            baseline.profile.distinct_texts(),
            baseline.profile.codebook.n_leaves(),
            baseline.profile.codebook.n_regions(),
        ));
    }
    output::write_text(Path::new("-"), &text)?;
    Ok(Exit::Pass)
}

/// Whether an encoder was named so: by its id, or by the folder that has its name.
fn is_named(encoder: &str, named: &str) -> bool {
    encoder == named || Path::new(named).file_name().is_some_and(|name| name == encoder)
}
