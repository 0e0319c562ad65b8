//! Semantic coverage for training data: the command line.

mod args;
mod bad_rows;
mod commands;
mod console;
mod encoder;
mod exit;
mod output;
mod session;
mod settings;

use crate::args::{Cli, Command};
use crate::exit::Exit;

fn main() -> std::process::ExitCode {
    let cli = Cli::read();
    let console = console::Console::new(cli.verbosity());
    let outcome = match cli.command {
        Command::Report(args) => commands::report::run(&args, &console),
        Command::Screen(args) => commands::screen::run(&args, &console),
        Command::Gate(args) => commands::gate::run(&args, &console),
        Command::Baseline(args) => commands::baseline::run(&args, &console),
        Command::Plan(args) => commands::plan::run(&args, &console),
        Command::Embed(args) => commands::embed::run(&args, &console),
        Command::Profile(args) => commands::profile::run(&args, &console),
        Command::Model(args) => commands::model::run(&args, &console),
        Command::Init(args) => commands::init::run(&args, &console),
        Command::Completions(args) => commands::completions::run(&args),
        Command::Man(args) => commands::man::run(&args),
        Command::Schema(args) => commands::schema::run(&args),
    };
    match outcome {
        Ok(exit) => exit.into(),
        Err(error) if exit::is_broken_pipe(&error) => Exit::Pass.into(),
        Err(error) => {
            console.error(&error);
            Exit::CannotJudge.into()
        }
    }
}
