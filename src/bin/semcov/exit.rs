//! What the exit status means.

use std::io::ErrorKind;
use std::process::ExitCode;

/// How a run ended. Clap's own usage errors exit with 2 as well; an interrupted run ends with 130 by the signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// 0: done.
    Pass,
    /// 1: a condition to fail on holds.
    Fail,
    /// 2: could not judge: bad input, bad configuration.
    CannotJudge,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Pass => Self::from(0),
            Exit::Fail => Self::from(1),
            Exit::CannotJudge => Self::from(2),
        }
    }
}

/// Whether the reader of our output has gone away: a quiet success, as `semcov report … | head` expects.
pub(crate) fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
            || cause
                .downcast_ref::<semcov::Error>()
                .is_some_and(|error| matches!(error, semcov::Error::Io(error) if error.kind() == ErrorKind::BrokenPipe))
    })
}
