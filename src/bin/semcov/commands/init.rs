use std::path::Path;

use anyhow::{Result, bail};

use crate::args::InitArgs;
use crate::console::Console;
use crate::exit::Exit;
use crate::output;
use crate::settings::{FILE_NAME, TEMPLATE};

pub(crate) fn run(args: &InitArgs, console: &Console) -> Result<Exit> {
    let path = args.folder.join(FILE_NAME);
    if path.exists() && !args.force {
        bail!("{} exists; `semcov init --force` overwrites it", path.display());
    }
    output::write_text(&path, TEMPLATE)?;
    console.note(format_args!("wrote {}; every key in it is commented out and shows its default", shown(&path)));
    Ok(Exit::Pass)
}

fn shown(path: &Path) -> std::path::Display<'_> {
    path.strip_prefix(".").unwrap_or(path).display()
}
