//! Scores: one number per row, higher is further from the reference.

mod centroid;
mod local;
mod scale;

pub use centroid::{CentroidParams, CentroidScore};
pub use local::LocalScore;
pub use scale::Scale;
