//! Everything a run found, as one versioned document; renderers only format it.

mod analyze;
mod assemble;
mod augment;
mod beside;
mod compared;
mod comparison;
mod document;
mod findings;
#[cfg(test)]
pub(crate) mod fixture;
mod mapped;
mod reference;
pub mod render;
pub mod rows;
mod shown;
mod summary;
mod tally;

pub use analyze::{Analysis, ReportParams, analyze};
pub use augment::AugmentParams;
pub(crate) use comparison::gap_word;
pub use comparison::*;
pub use document::*;
pub use reference::Reference;
