//! From scores to p-values: the share of reference rows that lie at least as far out.
//!
//! p(s) = (1 + #{left-out scores >= s}) / (n + 1), the conformal p-value (Bates et al. 2023, arXiv 2104.08279) with
//! leave-one-out scores of the reference sample in the place of a calibration set.

/// Sorted scores of reference rows, each left out of the reference.
#[derive(Clone, Debug, PartialEq)]
pub struct Calibration {
    /// Ascending.
    left_out: Vec<f32>,
    /// For every score the rows from it upwards, and 0 behind the last.
    at_least: Vec<usize>,
}

impl Calibration {
    /// From scores in any order.
    #[must_use]
    pub fn new(left_out: Vec<f32>) -> Self {
        Self::weighted(left_out.into_iter().map(|score| (score, 1)).collect())
    }

    /// From scores in any order, each with the reference rows that have it.
    #[must_use]
    pub fn weighted(mut left_out: Vec<(f32, usize)>) -> Self {
        left_out.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut at_least = vec![0; left_out.len() + 1];
        for (place, (_, rows)) in left_out.iter().enumerate().rev() {
            at_least[place] = at_least[place + 1] + rows;
        }
        Self { left_out: left_out.into_iter().map(|(score, _)| score).collect(), at_least }
    }

    /// Number of reference rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.at_least[0]
    }

    /// The reference rows' scores, ascending; of more than `most`, so many at even ranks.
    #[must_use]
    pub fn scores(&self, most: usize) -> Vec<f32> {
        let (n, n_kept) = (self.len(), self.len().min(most));
        let mut place = 0;
        let mut score = |rank: usize| {
            // Rows above this one, counted from the top.
            while place + 1 < self.left_out.len() && n - self.at_least[place + 1] <= rank {
                place += 1;
            }
            self.left_out[place]
        };
        (0..n_kept).map(|i| score((i as u128 * n as u128 / n_kept as u128) as usize)).collect()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// p-value of a row that is not in the sample, from 1 / (n + 1) to 1.
    #[must_use]
    pub fn p_value(&self, score: f32) -> f32 {
        (1.0 + self.at_least(score) as f64) as f32 / (1.0 + self.len() as f64) as f32
    }

    /// p-value of a row of the sample among the others, from 1 / n to 1.
    #[must_use]
    pub fn p_value_within(&self, score: f32) -> f32 {
        self.at_least(score).max(1) as f32 / self.len().max(1) as f32
    }

    fn at_least(&self, score: f32) -> usize {
        self.at_least[self.left_out.partition_point(|&other| other < score)]
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::float_cmp, reason = "the values are exact")]

    use super::*;

    #[test]
    fn shares_at_least_as_high() {
        let calibration = Calibration::new(vec![3.0, 1.0, 2.0, 2.0]);
        assert_eq!([0.0, 2.0, 2.5, 9.0].map(|s| calibration.p_value(s)), [1.0, 0.8, 0.4, 0.2]);
        assert_eq!([1.0, 2.0, 3.0].map(|s| calibration.p_value_within(s)), [1.0, 0.75, 0.25]);
    }

    #[test]
    fn a_weight_counts_as_copies() {
        let copies = Calibration::new(vec![2.0, 1.0, 2.0, 2.0, 5.0]);
        let weighted = Calibration::weighted(vec![(5.0, 1), (2.0, 3), (7.0, 0), (1.0, 1)]);
        assert_eq!(weighted.len(), 5);
        assert_eq!(weighted.scores(9), [1.0, 2.0, 2.0, 2.0, 5.0]);
        assert_eq!((weighted.scores(2), weighted.scores(0)), (vec![1.0, 2.0], vec![]));
        for score in [0.0, 1.0, 1.5, 2.0, 3.0, 5.0, 6.0, 9.0] {
            assert_eq!(weighted.p_value(score), copies.p_value(score));
            assert_eq!(weighted.p_value_within(score), copies.p_value_within(score));
        }
        assert!(Calibration::weighted(vec![(1.0, 0)]).is_empty());
    }

    #[test]
    fn without_a_sample() {
        assert_eq!(Calibration::new(vec![]).p_value(1.0), 1.0);
    }
}
