//! From scores to p-values: the share of reference rows that lie at least as far out.
//!
//! p(s) = (1 + #{left-out scores >= s}) / (n + 1), the conformal p-value (Bates et al. 2023, arXiv 2104.08279) with
//! leave-one-out scores of the reference sample in the place of a calibration set.

/// Sorted scores of reference rows, each left out of the reference.
#[derive(Clone, Debug, PartialEq)]
pub struct Calibration {
    /// Ascending.
    left_out: Vec<f32>,
}

impl Calibration {
    /// From scores in any order.
    #[must_use]
    pub fn new(mut left_out: Vec<f32>) -> Self {
        left_out.sort_by(f32::total_cmp);
        Self { left_out }
    }

    /// Number of reference rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.left_out.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.left_out.is_empty()
    }

    /// p-value of a row that is not in the sample, from 1 / (n + 1) to 1.
    #[must_use]
    pub fn p_value(&self, score: f32) -> f32 {
        (1.0 + self.at_least(score) as f64) as f32 / (1.0 + self.left_out.len() as f64) as f32
    }

    /// p-value of a row of the sample among the others, from 1 / n to 1.
    #[must_use]
    pub fn p_value_within(&self, score: f32) -> f32 {
        self.at_least(score).max(1) as f32 / self.left_out.len().max(1) as f32
    }

    fn at_least(&self, score: f32) -> usize {
        self.left_out.len() - self.left_out.partition_point(|&other| other < score)
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
    fn without_a_sample() {
        assert_eq!(Calibration::new(vec![]).p_value(1.0), 1.0);
    }
}
