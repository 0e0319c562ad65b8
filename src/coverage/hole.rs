//! Holes: places inside a leaf that is no gap where reference texts have no corpus text among their nearest.
//!
//! Outside gaps a ball of [`Balls`](super::Balls) stays empty with some frequency r, at least the 1 - E of a corpus of
//! the reference's kind. A leaf of n reference texts, u of them with empty balls, is tested against the others by the
//! upper tail of Bin(n, r), with Holm's correction over the leaves that have an empty ball. Balls of neighbours overlap,
//! so the test takes leaves for evidence sooner than it should: it ranks what a person looks at, and decides nothing.

use crate::stats::{binomial_at_least, holm};

/// A leaf with reference texts that nothing covers.
#[derive(Clone, Debug, PartialEq)]
pub struct HoleTest {
    /// The leaf.
    pub leaf: u32,
    /// Its reference texts.
    pub texts: u64,
    /// Those with empty balls, at least 1.
    pub uncovered: u64,
    /// Probability of so many or more.
    pub p_value: f64,
    /// The same, after Holm's correction.
    pub p_adjusted: f64,
}

/// Tests every leaf that has an empty ball and is not left out, most significant first.
///
/// `leaf` and `covered` hold an item for each reference text, `left_out` one for each leaf; `expected` is the share of
/// balls that a corpus of the same kind fills.
#[must_use]
pub fn find_holes(
    leaf: &[u32],
    covered: impl Iterator<Item = bool>,
    left_out: &[bool],
    expected: f64,
) -> Vec<HoleTest> {
    let mut counts = vec![(0_u64, 0_u64); left_out.len()];
    for (&leaf, covered) in leaf.iter().zip(covered) {
        let (texts, uncovered) = &mut counts[leaf as usize];
        *texts += 1;
        *uncovered += u64::from(!covered);
    }
    let outside = counts.iter().zip(left_out).filter(|(_, left_out)| !**left_out);
    let (all, empty) = outside.fold((0, 0), |(all, empty), ((texts, uncovered), _)| (all + texts, empty + uncovered));
    let rate = (empty as f64 / all.max(1) as f64).max(1.0 - expected);
    let tested =
        counts.iter().zip(left_out).zip(0..).filter(|(((_, uncovered), left_out), _)| *uncovered > 0 && !**left_out);
    let mut holes: Vec<HoleTest> = tested
        .map(|((&(texts, uncovered), _), leaf)| {
            let p_value = binomial_at_least(uncovered, texts, rate);
            HoleTest { leaf, texts, uncovered, p_value, p_adjusted: 1.0 }
        })
        .collect();
    let p_values: Vec<f64> = holes.iter().map(|hole| hole.p_value).collect();
    for (hole, adjusted) in holes.iter_mut().zip(holm(&p_values)) {
        hole.p_adjusted = adjusted;
    }
    holes.sort_by(|a, b| a.p_value.total_cmp(&b.p_value).then(b.uncovered.cmp(&a.uncovered)).then(a.leaf.cmp(&b.leaf)));
    holes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_hand() {
        let leaf = [0, 0, 0, 0, 1, 1, 2, 2, 3];
        let covered = [false, false, false, true, true, true, false, true, false];
        let holes = find_holes(&leaf, covered.into_iter(), &[false, false, false, true], 0.9);
        let counts: Vec<_> = holes.iter().map(|hole| (hole.leaf, hole.texts, hole.uncovered)).collect();
        assert_eq!(counts, [(0, 4, 3), (2, 2, 1)]);
        // Outside leaf 3, half of the 8 balls are empty: P(X >= 3 of 4) = 5/16, P(X >= 1 of 2) = 3/4.
        assert!((holes[0].p_value - 0.3125).abs() < 1e-12 && (holes[1].p_value - 0.75).abs() < 1e-12);
        assert!((holes[0].p_adjusted - 0.625).abs() < 1e-12);
        // A corpus of the same kind would leave more empty than these.
        let expected = find_holes(&[0; 10], (0..10).map(|text| text > 0), &[false], 0.8);
        assert!((expected[0].p_value - (1.0 - 0.8_f64.powi(10))).abs() < 1e-12);
    }
}
