//! Which p-values a false discovery rate allows to be called outliers.
//!
//! Benjamini & Hochberg's threshold (1995, <https://doi.org/10.1111/j.2517-6161.1995.tb02031.x>) on conformal p-values,
//! for which it holds the rate (Bates et al. 2023, arXiv 2104.08279): the largest p with p m <= q r, r the p-values up to
//! it. The smallest p-value is 1 / (n + 1) with n reference texts; r outliers of m rows can be found at all only from
//! n = m / (q r) - 1 on. r is not known. It is taken to be what `alpha` flags beyond its share of good rows.

/// Up to which of `m` p-values the false discovery rate stays at most `q`; 0 where no p-value is small enough.
///
/// `p_values` are in ascending order, each with its number; `n` is the number of reference texts that they count.
///
/// # Errors
/// If `n` is too small for the rate: the number of reference texts that would be enough.
pub fn fdr_threshold(p_values: impl IntoIterator<Item = (f32, u64)>, q: f64, alpha: f64, n: u64) -> Result<f32, u64> {
    let p_values: Vec<(f64, u64)> = p_values.into_iter().map(|(p, count)| (f64::from(p), count)).collect();
    let m = p_values.iter().map(|(_, count)| count).sum::<u64>() as f64;
    let (mut up_to, mut threshold, mut at_alpha) = (0, None, 0);
    for &(p, count) in &p_values {
        up_to += count;
        if p * m <= q * up_to as f64 {
            threshold = Some(p as f32);
        }
        if p as f32 <= alpha as f32 {
            at_alpha = up_to;
        }
    }
    if let Some(threshold) = threshold {
        return Ok(threshold);
    }
    let expected = (at_alpha as f64 - alpha * m).max(1.0);
    let needed = (m / (q * expected) - 1.0).ceil() as u64;
    if m > 0.0 && n < needed { Err(needed) } else { Ok(0.0) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::benjamini_hochberg;

    /// Rejects what the adjusted p-values reject.
    #[test]
    fn agrees_with_adjusted_p_values() {
        let mut random = crate::cluster::random::SplitMix64::new(5);
        for _ in 0..200 {
            let n = 1 + (random.next_u64() % 60) as usize;
            let mut p: Vec<f64> = (0..n).map(|_| f64::from(random.next_f64().powi(3) as f32)).collect();
            p.sort_by(f64::total_cmp);
            let rejected = benjamini_hochberg(&p).iter().filter(|&&p| p <= 0.2).count();
            let threshold = fdr_threshold(p.iter().map(|&p| (p as f32, 1)), 0.2, 0.05, u64::MAX).unwrap();
            assert_eq!(p.iter().filter(|&&p| p as f32 <= threshold).count(), rejected, "{p:?}");
        }
    }

    #[test]
    fn says_when_the_reference_is_too_small() {
        // 10 of 1,000 rows at the smallest p-value of 49 reference texts: 1/50 * 1,000 > .1 * 10.
        let p_values = [(0.02, 10), (0.5, 990)];
        // At alpha = .05, 50 good rows would be flagged, so nothing speaks of more than one outlier.
        assert_eq!(fdr_threshold(p_values, 0.1, 0.05, 49), Err(9_999));
        assert_eq!(fdr_threshold([(0.02, 250), (0.5, 750)], 0.1, 0.05, 49), Ok(0.02));
        assert_eq!(fdr_threshold([(0.5, 10)], 0.1, 0.05, 1_000), Ok(0.0));
        assert_eq!(fdr_threshold([], 0.1, 0.05, 0), Ok(0.0));
    }
}
