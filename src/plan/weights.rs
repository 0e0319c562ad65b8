//! Weights: how much each row counts in training, for those who reweight a corpus and generate nothing.
//!
//! ```text
//! weight[row] = source[row] * leaf[row] / mean over the rows
//! leaf[c]     = clamp(q[c] / p[c], 1 / cap, cap)     q the target share, p the corpus' share of rows
//! ```
//! These are the importance weights of sampling from q with rows drawn from p. The cap bounds how often a row is
//! repeated, and leaves nothing out: a leaf of target share 0 still weighs 1 / cap before the mean is taken.

use std::collections::BTreeMap;

use crate::{Error, Result};

/// The most, and as a reciprocal the least, that a leaf weighs, unless the user says otherwise.
pub const WEIGHT_CAP: f64 = 10.0;

/// How much a row of each leaf weighs, before sources and mean.
#[derive(Clone, Debug, PartialEq)]
pub struct LeafWeights(Vec<f64>);

impl LeafWeights {
    /// Weights for leaves of `counts` rows and `target` shares, which sum to 1 (see [`Target`](super::Target)).
    ///
    /// # Errors
    /// [`Error::Setting`] for a `cap` below 1, or one that is not finite.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn new(counts: &[u64], target: &[f64], cap: f64) -> Result<Self> {
        assert_eq!(counts.len(), target.len(), "one target share per leaf");
        if !(cap.is_finite() && cap >= 1.0) {
            let expected = "a finite number, 1 or more".to_owned();
            return Err(Error::Setting { setting: "weight_cap", expected, got: cap.to_string() });
        }
        let rows: u64 = counts.iter().sum();
        // A leaf without rows has none to weigh.
        let weight = |(&count, &target): (&u64, &f64)| {
            if count == 0 { 1.0 } else { (target * rows as f64 / count as f64).clamp(1.0 / cap, cap) }
        };
        Ok(Self(counts.iter().zip(target).map(weight).collect()))
    }

    /// A weight for each row; their mean over the rows that have a leaf is 1. A row without a leaf, which has no text,
    /// weighs 0.
    ///
    /// `source_weight` is the quality of each row's source, 0 or more, in any unit; 1 for all where nothing is known.
    /// The weight of a row does not depend on the order of rows.
    ///
    /// # Errors
    /// [`Error::Setting`] for a source weight that is negative or not finite, and where all are 0.
    ///
    /// # Panics
    /// If the lengths differ, or there is no such leaf.
    pub fn of_rows(&self, leaf: &[Option<u32>], source_weight: &[f64]) -> Result<Vec<f64>> {
        assert_eq!(leaf.len(), source_weight.len(), "one source weight per row");
        let wrong = |expected: &str, got: String| Error::Setting {
            setting: "source_weight",
            expected: expected.to_owned(),
            got,
        };
        if let Some(weight) = source_weight.iter().find(|weight| !(weight.is_finite() && **weight >= 0.0)) {
            return Err(wrong("finite numbers, 0 or more", weight.to_string()));
        }
        // In parts of the largest, so that no sum is infinite.
        let largest = source_weight.iter().copied().fold(0.0, f64::max);
        let weight =
            |leaf: Option<u32>, source: f64| leaf.map_or(0.0, |leaf| self.0[leaf as usize] * (source / largest));
        // Rows of the same leaf and source weight at once, in the order of both: the sum knows no order of rows.
        let mut alike: BTreeMap<(u32, u64), u64> = BTreeMap::new();
        for (leaf, source) in leaf.iter().zip(source_weight) {
            if let Some(leaf) = leaf {
                *alike.entry((*leaf, source.to_bits())).or_default() += 1;
            }
        }
        let rows: u64 = alike.values().sum();
        let sum: f64 =
            alike.iter().map(|(&(leaf, source), &rows)| rows as f64 * weight(Some(leaf), f64::from_bits(source))).sum();
        if rows == 0 {
            return Ok(vec![0.0; leaf.len()]);
        }
        if sum.is_nan() || sum <= 0.0 {
            return Err(wrong("a weight above 0 for some source of a row with text", "none".to_owned()));
        }
        let scale = rows as f64 / sum;
        Ok(leaf.iter().zip(source_weight).map(|(&leaf, &source)| scale * weight(leaf, source)).collect())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn by_hand() {
        // Shares of 3/4 and 1/4 that are to be 1/2 each.
        let leaf = [Some(0), Some(0), Some(0), None, Some(1)];
        let weights = LeafWeights::new(&[3, 1], &[0.5, 0.5], 10.0).unwrap();
        let third = 2.0 / 3.0;
        assert_eq!(weights.of_rows(&leaf, &[1.0; 5]).unwrap(), [third, third, third, 0.0, 2.0]);
        // A source of weight 3 for the first row: 2, 2/3, 2/3 and 2 have a mean of 4/3.
        let got = weights.of_rows(&leaf, &[3.0, 1.0, 1.0, 7.0, 1.0]).unwrap();
        for (got, expected) in got.iter().zip([1.5, 0.5, 0.5, 0.0, 1.5]) {
            assert!((got - expected).abs() < 1e-12, "{got} {expected}");
        }
        let capped = LeafWeights::new(&[99, 1, 0], &[0.0, 0.5, 0.5], 10.0).unwrap();
        assert_eq!(capped, LeafWeights(vec![0.1, 10.0, 1.0]));
        assert_eq!(weights.of_rows(&[None], &[0.0]).unwrap(), [0.0]);
        assert_eq!(weights.of_rows(&[Some(1), Some(1)], &[f64::MAX, f64::MAX]).unwrap(), [1.0, 1.0]);
    }

    #[test]
    fn refused() {
        for cap in [0.9, f64::NAN, f64::INFINITY] {
            assert!(LeafWeights::new(&[1], &[1.0], cap).is_err());
        }
        let weights = LeafWeights::new(&[1], &[1.0], 2.0).unwrap();
        for source in [-1.0, f64::NAN, f64::INFINITY, 0.0] {
            assert!(weights.of_rows(&[Some(0)], &[source]).is_err(), "{source}");
        }
    }

    /// Rows as (leaf, source weight); counts and target shares for them.
    fn corpus(rows: &[(u32, f64)], target: &[f64]) -> (Vec<Option<u32>>, Vec<f64>, Vec<u64>, Vec<f64>) {
        let mut counts = vec![0; target.len()];
        for row in rows {
            counts[row.0 as usize] += 1;
        }
        let sum: f64 = target.iter().sum();
        let target = target.iter().map(|share| share / sum).collect();
        (rows.iter().map(|row| Some(row.0)).collect(), rows.iter().map(|row| row.1).collect(), counts, target)
    }

    proptest! {
        #[test]
        fn mean_of_one_whatever_the_order(
            rows in prop::collection::vec((0u32..5, 0.1f64..9.0), 1..60),
            target in prop::collection::vec(0.0f64..9.0, 5..6), cap in 1.0f64..20.0,
        ) {
            let mut target = target;
            target[0] += 0.1;
            let (leaf, source, counts, target) = corpus(&rows, &target);
            let weights = LeafWeights::new(&counts, &target, cap).unwrap().of_rows(&leaf, &source).unwrap();
            let mean = weights.iter().sum::<f64>() / weights.len() as f64;
            prop_assert!((mean - 1.0).abs() < 1e-12);
            let reversed = |values: &[f64]| values.iter().rev().copied().collect::<Vec<f64>>();
            let leaf_reversed: Vec<_> = leaf.iter().rev().copied().collect();
            let again =
                LeafWeights::new(&counts, &target, cap).unwrap().of_rows(&leaf_reversed, &reversed(&source)).unwrap();
            prop_assert_eq!(reversed(&again), weights, "bit for bit");
        }

        #[test]
        fn leaves_weigh_their_target(
            sizes in prop::collection::vec(1usize..40, 1..8), target in prop::collection::vec(0.5f64..5.0, 8..9),
        ) {
            let rows: Vec<(u32, f64)> =
                (0..).zip(&sizes).flat_map(|(leaf, &size)| vec![(leaf, 1.0); size]).collect();
            let (leaf, source, counts, target) = corpus(&rows, &target[..sizes.len()]);
            let weights = LeafWeights::new(&counts, &target, 1e6).unwrap().of_rows(&leaf, &source).unwrap();
            for (id, share) in (0..).zip(&target) {
                let of_leaf: f64 =
                    leaf.iter().zip(&weights).filter(|(leaf, _)| **leaf == Some(id)).map(|(_, weight)| weight).sum();
                prop_assert!((of_leaf / rows.len() as f64 - share).abs() < 1e-12);
            }
        }

        #[test]
        fn a_corpus_at_its_target_is_left_alone(sizes in prop::collection::vec(1usize..40, 1..8)) {
            let rows: Vec<(u32, f64)> =
                (0..).zip(&sizes).flat_map(|(leaf, &size)| vec![(leaf, 1.0); size]).collect();
            let target: Vec<f64> = sizes.iter().map(|&size| size as f64).collect();
            let (leaf, source, counts, target) = corpus(&rows, &target);
            let weights = LeafWeights::new(&counts, &target, WEIGHT_CAP).unwrap().of_rows(&leaf, &source).unwrap();
            prop_assert!(weights.iter().all(|weight| (weight - 1.0).abs() < 1e-12));
        }
    }
}
