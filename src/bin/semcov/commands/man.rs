use std::path::Path;

use anyhow::Result;
use clap::Command;

use crate::args::{Cli, ManArgs};
use crate::exit::Exit;
use crate::output;

pub(crate) fn run(args: &ManArgs) -> Result<Exit> {
    let mut command = Cli::definition();
    command.build();
    match &args.folder {
        None => output::write(Path::new("-"), |out| Ok(clap_mangen::Man::new(command).render(out)?))?,
        Some(folder) => {
            fs_err::create_dir_all(folder)?;
            write_pages(&command, folder)?;
        }
    }
    Ok(Exit::Pass)
}

/// A page for `command` and for each of its subcommands.
fn write_pages(command: &Command, folder: &Path) -> Result<()> {
    let name = command.get_display_name().unwrap_or_else(|| command.get_name()).to_owned();
    output::write(&folder.join(format!("{name}.1")), |out| Ok(clap_mangen::Man::new(command.clone()).render(out)?))?;
    command
        .get_subcommands()
        .filter(|command| command.get_name() != "help")
        .try_for_each(|command| write_pages(command, folder))
}
