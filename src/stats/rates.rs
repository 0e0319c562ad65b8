//! Two counts, each of its own total: is the share lower in one of them, and by how much?
//!
//! Given their sum, and equal shares, a count b of `N_b` beside a count a of `N_a` is binomial:
//! ```text
//! b | a + b  ~  Bin(a + b, N_b / (N_a + N_b))
//! ```
//! (Przyborowski & Wilenski 1940, <https://doi.org/10.1093/biomet/31.3-4.313>). The test is exact for Poisson counts,
//! and a little cautious for counts of a fixed total.

use statrs::function::beta::checked_beta_reg;

use super::{Interval, jeffreys};

/// A count of the corpus, b of `N_b`, beside one of the reference, a of `N_a`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rates {
    /// a: the reference's count.
    pub reference: u64,
    /// `N_a`: all that was counted in the reference.
    pub reference_total: u64,
    /// b: the corpus' count.
    pub corpus: u64,
    /// `N_b`: all that was counted in the corpus.
    pub corpus_total: u64,
}

impl Rates {
    /// Probability of a count as low as the corpus', if the shares were equal; 1 where nothing was counted.
    #[must_use]
    pub fn p_lower(&self) -> f64 {
        binomial_at_most(self.corpus, self.reference + self.corpus, self.expected_share())
    }

    /// Probability of a count as high as the corpus', if the shares were equal; 1 where nothing was counted.
    #[must_use]
    pub fn p_higher(&self) -> f64 {
        binomial_at_most(self.reference, self.reference + self.corpus, 1.0 - self.expected_share())
    }

    /// The corpus' share over the reference's, each count one half higher: ((b + 1/2) / `N_b`) / ((a + 1/2) / `N_a`).
    /// 1 where one of the totals is 0.
    #[must_use]
    pub fn ratio(&self) -> f64 {
        if self.reference_total == 0 || self.corpus_total == 0 {
            return 1.0;
        }
        (self.corpus as f64 + 0.5)
            / self.corpus_total as f64
            / ((self.reference as f64 + 0.5) / self.reference_total as f64)
    }

    /// The ratio's 95 % interval, from Jeffreys' interval of the binomial share; its upper end is infinite where the
    /// reference has none.
    #[must_use]
    pub fn ratio_interval(&self) -> Interval {
        let share = jeffreys(self.corpus, self.reference + self.corpus);
        let ratio = |share: f64| share / (1.0 - share) * self.reference_total as f64 / self.corpus_total.max(1) as f64;
        Interval { low: ratio(share.low), high: ratio(share.high) }
    }

    fn expected_share(&self) -> f64 {
        let total = self.reference_total + self.corpus_total;
        if total == 0 { 0.5 } else { self.corpus_total as f64 / total as f64 }
    }
}

/// P(X >= k) of X ~ Bin(n, p).
#[must_use]
pub fn binomial_at_least(k: u64, n: u64, p: f64) -> f64 {
    if k == 0 { 1.0 } else { binomial_at_most(n.saturating_sub(k), n, 1.0 - p) }
}

/// P(X <= k) of X ~ Bin(n, p).
fn binomial_at_most(k: u64, n: u64, p: f64) -> f64 {
    if k >= n || p <= 0.0 {
        return 1.0;
    }
    if p >= 1.0 {
        return 0.0;
    }
    // P(X <= k) = I_{1-p}(n - k, k + 1)
    checked_beta_reg((n - k) as f64, (k + 1) as f64, 1.0 - p).unwrap_or(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SciPy 1.17: `scipy.stats.binom.cdf(b, a + b, N_b / (N_a + N_b))`.
    #[test]
    fn agrees_with_scipy() {
        for (a, of_a, b, of_b, p) in [
            (25_u64, 3750_u64, 10_u64, 7500_u64, 4.619_833_188_873_907e-6),
            (50, 5000, 40, 5000, 0.171_416_559_710_393_93),
            (0, 100, 0, 100, 1.0),
            (3, 100, 0, 900, 0.000_999_999_999_999_999_4),
            (40_000, 1_000_000, 39_000, 1_000_000, 0.000_189_474_504_852_341_32),
        ] {
            let found = Rates { reference: a, reference_total: of_a, corpus: b, corpus_total: of_b }.p_lower();
            assert!((found - p).abs() <= 1e-9 * p, "{a} {b} {found:e} {p:e}");
        }
    }

    #[test]
    fn ratios() {
        let rates = Rates { reference: 20, reference_total: 1000, corpus: 5, corpus_total: 500 };
        assert!((rates.ratio() - 5.5 / 500.0 / (20.5 / 1000.0)).abs() < 1e-12);
        let Interval { low, high } = rates.ratio_interval();
        assert!(low < 0.5 && 0.5 < high && low > 0.0, "{low} {high}");
        let none = Rates { reference: 0, ..rates };
        assert!(none.ratio_interval().high.is_infinite() && none.ratio() > 1.0);
        assert_eq!((none.p_lower(), Rates { corpus: 0, ..rates }.p_higher()), (1.0, 1.0));
        let nothing = Rates { reference: 0, reference_total: 0, corpus: 0, corpus_total: 0 };
        assert_eq!((nothing.ratio(), nothing.p_lower(), nothing.p_higher()), (1.0, 1.0, 1.0));
    }

    #[test]
    fn one_side_at_least_is_likely() {
        for corpus in 0..40 {
            let rates = Rates { reference: 15, reference_total: 300, corpus, corpus_total: 400 };
            assert!(rates.p_lower() + rates.p_higher() >= 1.0 - 1e-12);
        }
    }
}
