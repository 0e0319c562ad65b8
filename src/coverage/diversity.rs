//! Diversity: effective numbers of leaves and of directions of meaning. For reading, not for gating.
//!
//! Hill numbers (Hill 1973, <https://doi.org/10.2307/1934352>) of leaf shares p: q = 0 counts leaves, q = 1 is
//! exp(-sum p ln p), q = 2 is 1 / sum p^2. Rarefied to m texts they are Hill numbers of the expected abundance
//! frequency counts of a random subset of m texts, drawn without replacement (Chao et al. 2014, eqs. 4 and 9a-9c,
//! <https://doi.org/10.1890/13-0133.1>): exact, no subset is drawn. Leaf sizes in such a subset are hypergeometric.
//!
//! The Vendi score (Friedman & Dieng 2022, arXiv 2210.02410) is exp(-sum l ln l) over the eigenvalues l of
//! sum x x^T / n, which are those of the n x n matrix of cosines / n. Exact; cost dim^3.

use nalgebra::SymmetricEigen;

use crate::report::{Diversity, HillNumbers};
use crate::stats::hypergeometric;
use crate::vectors::moments::Moments;

/// Texts that a report rarefies to, where the corpus has so many.
pub const RAREFIED_TO: u64 = 1_000;

/// All of it, from the number of distinct texts per leaf and the moments of their vectors.
#[must_use]
pub fn diversity(leaf_counts: &[u64], moments: &Moments) -> Diversity {
    let rarefied_to = leaf_counts.iter().sum::<u64>().min(RAREFIED_TO);
    Diversity {
        hill: hill_numbers(leaf_counts),
        hill_rarefied: rarefied_hill_numbers(leaf_counts, rarefied_to),
        rarefied_to,
        vendi: vendi_score(moments),
        mean_similarity: mean_similarity(moments),
    }
}

/// Hill numbers of the shares; all 0 where nothing was counted.
#[must_use]
pub fn hill_numbers(counts: &[u64]) -> HillNumbers {
    let total: u64 = counts.iter().sum();
    if total == 0 {
        return HillNumbers { q0: 0.0, q1: 0.0, q2: 0.0 };
    }
    let shares = counts.iter().filter(|&&count| count > 0).map(|&count| count as f64 / total as f64);
    let (mut q0, mut entropy, mut concentration) = (0.0, 0.0, 0.0);
    for share in shares {
        q0 += 1.0;
        entropy -= share * share.ln();
        concentration += share * share;
    }
    HillNumbers { q0, q1: entropy.exp(), q2: 1.0 / concentration }
}

/// Hill numbers expected of `m` of the texts, all of them where there are fewer.
#[must_use]
pub fn rarefied_hill_numbers(counts: &[u64], m: u64) -> HillNumbers {
    let total: u64 = counts.iter().sum();
    let m = m.min(total);
    if m == total || m == 0 {
        return hill_numbers(if m == 0 { &[] } else { counts });
    }
    let (mut q0, mut entropy, mut concentration) = (0.0, 0.0, 0.0);
    for &count in counts.iter().filter(|&&count| count > 0) {
        for (drawn, probability) in hypergeometric(total, count, m) {
            if drawn > 0 {
                let share = drawn as f64 / m as f64;
                q0 += probability;
                entropy -= probability * share * share.ln();
                concentration += probability * share * share;
            }
        }
    }
    HillNumbers { q0, q1: entropy.exp(), q2: 1.0 / concentration }
}

/// The Vendi score, 1 to dim; 0 without texts.
#[must_use]
pub fn vendi_score(moments: &Moments) -> f64 {
    let trace = moments.trace();
    if trace <= 0.0 {
        return 0.0;
    }
    let eigenvalues = SymmetricEigen::new(moments.outer() / trace).eigenvalues;
    let entropy: f64 = eigenvalues.iter().filter(|&&l| l > 0.0).map(|l| -l * l.ln()).sum();
    entropy.exp()
}

/// Mean cosine of two different texts, -1 to 1, from (|sum x|^2 - sum |x|^2) / (n (n - 1)); 0 below two texts.
#[must_use]
pub fn mean_similarity(moments: &Moments) -> f64 {
    if moments.n() < 2 {
        return 0.0;
    }
    let n = moments.n() as f64;
    let square: f64 = moments.sum().map(|x| x * x).sum();
    ((square - moments.trace()) / (n * (n - 1.0))).clamp(-1.0, 1.0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::vectors::EmbeddingMatrix;

    fn close(found: HillNumbers, want: [f64; 3]) {
        for (found, want) in [found.q0, found.q1, found.q2].into_iter().zip(want) {
            assert!((found - want).abs() < 1e-9 * want.max(1.0), "{found} {want}");
        }
    }

    #[test]
    fn hill_numbers_by_hand() {
        close(hill_numbers(&[5, 5, 0, 5, 5]), [4.0; 3]);
        // Shares 1/2, 1/4, 1/4: entropy 1.5 ln 2, sum of squares 3/8.
        close(hill_numbers(&[2, 1, 1]), [3.0, 2.0_f64.powf(1.5), 8.0 / 3.0]);
        close(hill_numbers(&[0, 0]), [0.0; 3]);
        close(hill_numbers(&[7]), [1.0; 3]);
    }

    #[test]
    fn rarefied_by_hand() {
        // Two of {a, a, b, b}: the same leaf with probability 1/3, else one each.
        // Expected leaves 1/3 + 2 * 2/3, entropy 2/3 ln 2, sum of squares 1/3 + 2/3 * 1/2.
        close(rarefied_hill_numbers(&[2, 2], 2), [5.0 / 3.0, (2.0_f64 / 3.0 * 2.0_f64.ln()).exp(), 1.5]);
        close(rarefied_hill_numbers(&[2, 1, 1], 9), [3.0, 2.0_f64.powf(1.5), 8.0 / 3.0]);
        close(rarefied_hill_numbers(&[2, 1, 1], 1), [1.0; 3]);
        close(rarefied_hill_numbers(&[2, 1, 1], 0), [0.0; 3]);
    }

    /// Every subset of m of the texts, equally likely.
    fn over_all_subsets(counts: &[u64], m: u64) -> [f64; 3] {
        let texts: Vec<usize> =
            counts.iter().enumerate().flat_map(|(leaf, &count)| vec![leaf; count as usize]).collect();
        let (mut subsets, mut q0, mut entropy, mut concentration) = (0.0, 0.0, 0.0, 0.0);
        for subset in (0_u32..1 << texts.len()).filter(|subset| u64::from(subset.count_ones()) == m) {
            let mut drawn = vec![0; counts.len()];
            (0..texts.len()).filter(|i| subset >> i & 1 == 1).for_each(|i| drawn[texts[i]] += 1);
            let found = hill_numbers(&drawn);
            (subsets, q0) = (subsets + 1.0, q0 + found.q0);
            (entropy, concentration) = (entropy + found.q1.ln(), concentration + 1.0 / found.q2);
        }
        [q0 / subsets, (entropy / subsets).exp(), subsets / concentration]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(30))]
        #[test]
        fn rarefied_is_the_mean_over_all_subsets(counts in prop::collection::vec(0u64..5, 1..4), m in 1u64..8) {
            let total: u64 = counts.iter().sum();
            prop_assume!(total >= m);
            close(rarefied_hill_numbers(&counts, m), over_all_subsets(&counts, m));
        }

        #[test]
        fn large_counts_stay_in_range(counts in prop::collection::vec(0u64..5_000_000, 1..9), m in 1u64..100_000) {
            let total: u64 = counts.iter().sum();
            let HillNumbers { q0, q1, q2 } = rarefied_hill_numbers(&counts, m);
            let full = hill_numbers(&counts);
            prop_assert!(total == 0 || (q0 >= 1.0 - 1e-9 && q0 <= full.q0 + 1e-9));
            // More texts show more: 1e-6 for the sums of up to 10,000 terms around e^-41.
            prop_assert!(q1 <= full.q1 * (1.0 + 1e-6) && q2 <= full.q2 * (1.0 + 1e-6) && q2 <= q1 * (1.0 + 1e-6));
            prop_assert!(q1 <= q0 * (1.0 + 1e-6));
        }
    }

    #[test]
    fn vendi_counts_directions() {
        let score = |dim, rows: &[f32]| vendi_score(&Moments::of(&EmbeddingMatrix::from_f32(dim, rows)));
        assert!((score(3, &[1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]) - 3.0).abs() < 1e-9);
        assert!((score(3, &[0.6, 0.8, 0.0].repeat(4)) - 1.0).abs() < 1e-6);
        // Cosine 0.6: eigenvalues 0.8 and 0.2.
        let want = (-0.8 * 0.8_f64.ln() - 0.2 * 0.2_f64.ln()).exp();
        assert!((score(2, &[1.0, 0.0, 0.6, 0.8]) - want).abs() < 1e-3);
        assert_eq!((score(2, &[]), score(2, &[0.0, 0.0])), (0.0, 0.0));
    }

    #[test]
    fn mean_similarity_by_hand() {
        let mean = |rows: &[f32]| mean_similarity(&Moments::of(&EmbeddingMatrix::from_f32(2, rows)));
        // Cosines 0, -1, 0.
        assert!((mean(&[1.0, 0.0, 0.0, 1.0, -1.0, 0.0]) + 1.0 / 3.0).abs() < 1e-9);
        assert_eq!((mean(&[]), mean(&[1.0, 0.0])), (0.0, 0.0));
    }
}
