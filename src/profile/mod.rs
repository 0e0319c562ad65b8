//! The profile: a small, mergeable summary of a corpus under a frozen codebook.
//!
//! A [`Profile`] is made by [`fit()`], which also fits the codebook, or by [`observe`] under the codebook of another one.
//! What it observes are integers that add up, and the smallest content hashes with some of their texts: so profiles of parts merge
//! ([`Profile::merge`]) to the profile of the whole, byte by byte, however a corpus is divided and in whatever order
//! its parts come.

mod census;
mod diff;
mod fit;
#[cfg(test)]
pub(crate) mod fixture;
pub mod format;
mod merge;
mod outliers;
#[expect(clippy::module_inception, reason = "the file of the type `Profile`")]
mod profile;
mod prototypes;
mod sample;
mod summary;
mod sums;
mod tensors;

pub use census::{CENSUS_TEXTS, Census, CensusChanges};
pub use diff::{LeafDiff, LoneRegion, NameDiff, Pair, ProfileDiff, RegionDiff, ShareChange, diff};
pub use fit::{LEAST_TEXTS_TO_HALVE, ProfileParams, fit, observe};
pub(crate) use profile::distinct_from_smallest;
pub use profile::{MOST_ROWS, MultisetDigest, Observed, Profile, Provenance};
pub use prototypes::{DISTANCE_BINS, DistanceSums, Prototypes};
pub use sample::{Sample, SampleParams};
pub use summary::{ProfileSummary, RegionSummary};
pub use sums::{BINS, BINS_PER_UNIT, HELD_OUT, LeafSums, half};
