//! How much of a reference a corpus covers, as far as its profile tells.
//!
//! The score is that of the report ([`Balls`]), told from the profile's sample. Both sides of a comparison are told from
//! samples of at most the same size, so that neither covers more because more of it is known.

use crate::coverage::Balls;
use crate::profile::Profile;
use crate::vectors::Rows;

/// The share of a reference's texts that a corpus covers, over the share expected of a corpus of the reference's own kind,
/// 0 to 1. `None` for a compact profile, and for fewer than two reference texts.
#[must_use]
pub fn coverage_of(balls: &Balls<'_>, profile: &Profile) -> Option<f64> {
    let vectors = profile.sample.as_ref()?.matrix(profile.codebook.dim);
    let covered = balls.count(Rows::from(&vectors), &vec![0; vectors.len()]);
    Some(balls.score(&covered, vectors.len())?.score)
}
