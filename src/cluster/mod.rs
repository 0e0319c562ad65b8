//! The codebook: frozen centroids that divide meaning into leaves and regions, with names for people.

mod assign;
mod codebook;
pub mod kmeans;
mod label;
mod on_device;
pub(crate) mod random;
mod seeding;
mod select;
mod together;

pub use assign::{Assignment, Centroids, assign};
pub use codebook::{Codebook, CodebookParams, default_leaves, default_regions};
pub(crate) use label::{LEAF_TEXTS, NAMING_CHARACTERS, REGION_TEXTS};
pub use label::{TermCounts, WORDS_PER_TEXT};
pub use select::{medoid, varied_members};
pub use together::fit_together;
