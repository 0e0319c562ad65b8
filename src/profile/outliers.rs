//! Outlier scores against a profile: what its sums know of the rows, without a text or a vector of them.
//!
//! - *z* ([`CentroidScore`]) from the prototypes. For its p-values every held-out row stands at the middle of its bin of
//!   distances, and is scored with that distance left out of its prototype's statistics. Rows count, not texts: a text
//!   that n rows have counts n times.
//! - *rmd* ([`MahalanobisScore`]) from the leaves' sums and the moments, over the rows of both halves. Its p-values take
//!   the sample, for the quadratic forms of a row are no sums, and of it the texts of half 1.
//!
//! A compact profile screens by z, with p-values.

use super::{HELD_OUT, Profile, Prototypes};
use crate::ood::{Calibration, CentroidScore, MahalanobisScore, Tally};
use crate::vectors::Rows;

impl Prototypes {
    /// z against the held-out rows, and its values on them.
    #[must_use]
    pub fn score(&self) -> (CentroidScore, Calibration) {
        let tally = |sums: &super::DistanceSums| {
            let (sum, squares) = sums.distances();
            Tally { count: sums.rows as f64, sum, squares }
        };
        let score = CentroidScore::new(self.dim, self.unit_centroids(), self.sums.iter().map(tally).collect());
        let bins = self.sums.iter().enumerate().flat_map(|(prototype, sums)| {
            sums.bins().map(move |(distance, rows)| (prototype, distance, rows as usize))
        });
        let left_out = bins.map(|(prototype, distance, rows)| (score.left_out(prototype, distance), rows)).collect();
        (score, Calibration::weighted(left_out))
    }
}

impl Prototypes {
    /// Distances of the held-out rows to their prototypes, each with its rows.
    pub fn held_out_distances(&self) -> impl Iterator<Item = (f32, usize)> + '_ {
        self.sums.iter().flat_map(|sums| sums.bins().map(|(distance, rows)| (distance as f32, rows as usize)))
    }
}

impl Profile {
    /// z against the held-out rows, and its values on them; `None` without prototypes.
    #[must_use]
    pub fn centroid_score(&self) -> Option<(CentroidScore, Calibration)> {
        self.prototypes.as_ref().map(Prototypes::score)
    }

    /// The relative Mahalanobis distance to the leaves, and its values on the sampled texts of half 1, which are
    /// `None` in a compact profile. `None` where the rows of no leaf differ.
    #[must_use]
    pub fn mahalanobis_score(&self) -> Option<(MahalanobisScore, Option<Calibration>)> {
        let leaves = &self.observed.leaves;
        let sums: Vec<f64> = leaves.iter().flat_map(super::LeafSums::vector_sum).collect();
        let score = MahalanobisScore::fit(&self.observed.moments, &self.rows_per_leaf(), &sums)?;
        let calibration = self.sample.as_ref().map(|sample| {
            let vectors = sample.matrix(self.codebook.dim);
            let held_out: Vec<u32> =
                (0..sample.len() as u32).filter(|&text| sample.half(text as usize) == HELD_OUT).collect();
            let leaves: Vec<u32> = held_out.iter().map(|&text| sample.leaves[text as usize]).collect();
            Calibration::new(score.left_out(Rows::of(&vectors, &held_out), &leaves))
        });
        Some((score, calibration))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ood::CentroidParams;
    use crate::profile::fixture::{DIM, fitted, lines, observed, read, sampling};
    use crate::profile::{DistanceSums, SampleParams, half};
    use crate::progress::Silent;
    use crate::vectors::EmbeddingMatrix;

    const COMPACT: SampleParams = SampleParams { limit: None, texts: false };

    /// What [`CentroidScore::fit`] finds on the rows themselves.
    #[test]
    fn z_is_that_of_the_rows() {
        let reference = lines(900, 8);
        let profile = fitted(&reference, 12, &COMPACT);
        let (score, calibration) = profile.centroid_score().unwrap();
        let corpus = read(&reference).embedded;
        let of_half = |wanted: usize| -> Vec<u32> {
            (0..corpus.hashes.len() as u32).filter(|&text| half(corpus.hashes[text as usize]) == wanted).collect()
        };
        let training = of_half(0);
        // Every row of a text, as the profile counts them.
        let mut held_out = Vec::new();
        for row in 0..corpus.records.len() {
            held_out.extend(corpus.records.text(row).filter(|&text| half(corpus.hashes[text as usize]) == HELD_OUT));
        }
        let params = CentroidParams { seed: 7, ..CentroidParams::default() };
        let (training, held_out) = (Rows::of(&corpus.vectors, &training), Rows::of(&corpus.vectors, &held_out));
        let (exact, left_out) = CentroidScore::fit(training, held_out, &params, &Silent).unwrap();
        assert_eq!(calibration.len(), left_out.len());

        let others = read(&lines(300, 9)).embedded.vectors;
        let (found, want) = (score.score((&others).into()), exact.score((&others).into()));
        let differ = found.iter().zip(&want).filter(|(found, want)| (**found - **want).abs() > 0.02).count();
        // Prototypes in half precision and rounded distances: a row between two prototypes may change sides.
        assert!(differ <= found.len() / 100, "{differ} of {}", found.len());
        let exact_calibration = Calibration::new(left_out);
        for alpha in [0.01, 0.05, 0.2, 0.5] {
            let flagged = |scores: &[f32], calibration: &Calibration| {
                let flagged = scores.iter().filter(|&&score| calibration.p_value(score) <= alpha).count();
                flagged as f64 / scores.len() as f64
            };
            let (found, want) = (flagged(&found, &calibration), flagged(&want, &exact_calibration));
            assert!((found - want).abs() <= 0.02, "{alpha}: {found} {want}");
        }
    }

    #[test]
    fn far_rows_are_flagged_and_near_ones_are_not() {
        let profile = fitted(&lines(900, 8), 12, &sampling(500));
        let others = read(&lines(400, 9)).embedded.vectors;
        // All topics lie around the first five axes.
        let far = EmbeddingMatrix::from_f32(DIM, &[[0.0, 0.0, 0.0, 0.0, 0.0, 1.0], [-1.0; 6]].concat());
        let (z, z_calibration) = profile.centroid_score().unwrap();
        let (rmd, rmd_calibration) = profile.mahalanobis_score().unwrap();
        for (near, far, calibration) in [
            (z.score((&others).into()), z.score((&far).into()), z_calibration),
            (rmd.score((&others).into()), rmd.score((&far).into()), rmd_calibration.unwrap()),
        ] {
            assert!(far.iter().all(|&score| calibration.p_value(score) < 0.01), "{far:?}");
            let flagged = near.iter().filter(|&&score| calibration.p_value(score) <= 0.1).count();
            // A tenth of some 300 rows, of which the standard error is .017.
            assert!((flagged as f64 / near.len() as f64 - 0.1).abs() < 0.06, "{flagged} of {}", near.len());
        }
        let compact = Profile { sample: None, ..profile };
        assert_eq!(compact.mahalanobis_score().unwrap(), (rmd, None));
    }

    /// Prototypes of one corpus, statistics of another: what is far from the first may be usual in the second.
    #[test]
    fn the_observed_corpus_is_the_reference() {
        let profile = fitted(&lines(600, 8), 12, &COMPACT);
        let others = lines(600, 9);
        let again = observed(&profile, &others, &COMPACT).unwrap();
        let corpus = read(&others).embedded.vectors;
        let flagged = |profile: &Profile| {
            let (score, calibration) = profile.centroid_score().unwrap();
            score.score((&corpus).into()).into_iter().filter(|&score| calibration.p_value(score) <= 0.1).count()
        };
        assert!(flagged(&again) <= corpus.len() / 8, "{} of {}", flagged(&again), corpus.len());
        let mut none = observed(&profile, &others[..1], &COMPACT).unwrap();
        none.prototypes.as_mut().unwrap().sums.fill(DistanceSums::default());
        let (score, calibration) = none.centroid_score().unwrap();
        assert!(score.score((&corpus).into()).iter().all(|&score| calibration.p_value(score) == 1.0));
        assert_eq!(none.mahalanobis_score(), None);
    }
}
