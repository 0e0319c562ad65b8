//! Everything a run found, as one versioned document; renderers only format it.

mod analyze;
mod assemble;
mod document;
mod findings;
#[cfg(test)]
pub(crate) mod fixture;
pub mod render;
pub mod rows;
mod shown;
mod summary;
mod tally;

pub use analyze::{Analysis, ReportParams, analyze};
pub use document::*;
