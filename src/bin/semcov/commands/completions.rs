use std::path::Path;

use anyhow::Result;

use crate::args::{Cli, CompletionsArgs};
use crate::exit::Exit;
use crate::output;

pub(crate) fn run(args: &CompletionsArgs) -> Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::definition(), "semcov", &mut script);
    output::write(Path::new("-"), |out| Ok(out.write_all(&script)?))?;
    Ok(Exit::Pass)
}
