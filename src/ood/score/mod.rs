//! Scores: one number per row, higher is further from the reference.

mod centroid;
pub(crate) mod choose;
mod local;
mod rmd;
mod scale;

pub use centroid::{CentroidParams, CentroidScore, Tally};
pub use local::{LocalParams, LocalParts, LocalScore};
pub use rmd::MahalanobisScore;
pub use scale::Scale;
