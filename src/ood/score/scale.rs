//! A common scale for scores of different kinds.

/// Puts a score on the scale of its own values on reference rows: (s - median) / (90 % quantile - 10 % quantile).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scale {
    median: f64,
    spread: f64,
}

impl Scale {
    /// The scale of some reference scores. Scores without spread are only shifted.
    #[must_use]
    pub fn fit(scores: &[f32]) -> Self {
        let mut sorted = scores.to_vec();
        sorted.sort_by(f32::total_cmp);
        let spread = quantile(&sorted, 0.9) - quantile(&sorted, 0.1);
        // f16 vectors tell distances apart down to about 1e-4.
        Self { median: quantile(&sorted, 0.5), spread: if spread > 1e-4 { spread } else { 1.0 } }
    }

    /// The score on this scale.
    #[must_use]
    pub fn apply(&self, score: f32) -> f64 {
        (f64::from(score) - self.median) / self.spread
    }
}

/// Linear between the two nearest ranks, as `numpy.quantile` does; 0 of nothing.
fn quantile(sorted: &[f32], q: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else { return 0.0 };
    let at = q * last as f64;
    let (below, part) = (at.floor() as usize, at.fract());
    let above = (below + 1).min(last);
    f64::from(sorted[below]) * (1.0 - part) + f64::from(sorted[above]) * part
}

#[cfg(test)]
mod tests {
    #![allow(clippy::float_cmp, reason = "the values are exact")]

    use super::*;

    #[test]
    fn median_and_spread() {
        let scores: Vec<f32> = (0..=10_u8).rev().map(f32::from).collect();
        let scale = Scale::fit(&scores);
        assert_eq!((scale.median, scale.spread), (5.0, 8.0));
        assert_eq!(scale.apply(9.0), 0.5);
    }

    #[test]
    fn without_spread() {
        assert_eq!(Scale::fit(&[2.0; 7]).apply(3.0), 1.0);
        assert_eq!(Scale::fit(&[]).apply(3.0), 3.0);
    }
}
