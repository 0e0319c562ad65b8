//! One file per subcommand: read, call the library, render.

pub(crate) mod baseline;
pub(crate) mod completions;
pub(crate) mod embed;
pub(crate) mod gate;
pub(crate) mod init;
pub(crate) mod man;
pub(crate) mod model;
pub(crate) mod plan;
pub(crate) mod profile;
pub(crate) mod report;
pub(crate) mod schema;
pub(crate) mod screen;
