//! A count in what was and in what is, where the two share some: is it lower than chance explains?
//!
//! Of `n_before` texts a are of one kind. Then some were taken away, `kept` remain, and `fresh` came to them. If neither
//! has to do with the kind, then
//! ```text
//! B = Hypergeometric(n_before, a, kept) + NegativeBinomial(a, fresh / (n_before + fresh))
//! ```
//! of them are of that kind: of what remains a draw without replacement, and of what came as many as the conditional
//! binomial expects, whose lower tail is that of the negative binomial:
//! ```text
//! P(NB(a, q) <= b) = I_{1-q}(a, b + 1) = P(Bin(a + b, q) <= b)
//! ```
//! So where nothing is shared this is the test of [`Rates`](super::Rates), and where nothing came Fisher's exact test
//! (1935). In between it knows that texts which both have say nothing of a change.
//!
//! Where D texts tell as much as one (Rao & Scott 1992, <https://doi.org/10.2307/2532311>), counts are divided by D: those of
//! the first law by that of texts that stay or go, a, `n_before` and what came by theirs in the second.
//!
//! Cost: an incomplete beta function for each likely number of remaining texts, some 20 standard deviations of them.

use statrs::function::beta::checked_beta_reg;

/// What became of a number of texts: some stay, others come, by chance as far as their kind goes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Turnover {
    /// Texts that there were.
    pub before: u64,
    /// Of these, texts that remain; at most `before`.
    pub kept: u64,
    /// Texts that came.
    pub fresh: u64,
    /// How many texts tell as much as one.
    pub copies: Copies,
}

/// How many texts tell as much as one independent text, each at least 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Copies {
    /// Of those that stay or go.
    pub kept: f64,
    /// Of those that there were, where those that came are told from them.
    pub before: f64,
    /// Of those that came.
    pub fresh: f64,
}

impl Copies {
    /// All texts are independent.
    pub const NONE: Self = Self { kept: 1.0, before: 1.0, fresh: 1.0 };
}

impl Turnover {
    /// How many of `a` texts of one kind are to be expected.
    #[must_use]
    pub fn expected(&self, a: u64) -> f64 {
        a as f64 * (self.kept + self.fresh) as f64 / self.before.max(1) as f64
    }

    /// Probability of at most `b` texts of a kind that had `a` of those before, at most all; 1 where there was none.
    #[must_use]
    pub fn p_at_most(&self, a: u64, b: u64) -> f64 {
        if a == 0 {
            return 1.0;
        }
        let Copies { kept, before, fresh } = self.copies;
        let [was, came] = [self.before as f64 / before, self.fresh as f64 / fresh];
        let fresh_at_most = |b: f64| {
            let none = b < 0.0;
            let tail = || checked_beta_reg(a as f64 / before, b / fresh + 1.0, was / (was + came)).unwrap_or(1.0);
            if none {
                0.0
            } else if self.fresh == 0 {
                1.0
            } else {
                tail()
            }
        };
        let effective = |texts: u64| (texts as f64 / kept).round() as u64;
        let all = effective(self.before);
        let remain = hypergeometric(all, effective(a).min(all), effective(self.kept).min(all));
        let tail = remain.into_iter().map(|(remain, p)| p * fresh_at_most(b as f64 - remain as f64 * kept));
        tail.sum::<f64>().min(1.0)
    }
}

/// P(k of the `marked` among `m` drawn of `total` without replacement), for every k that it is above 1e-18 of the
/// largest for.
///
/// From the mode outwards by the ratio of neighbours, then divided by their sum: no factorials, no overflow.
pub(crate) fn hypergeometric(total: u64, marked: u64, m: u64) -> Vec<(u64, f64)> {
    const NEGLIGIBLE: f64 = 1e-18;
    let (least, most) = ((m + marked).saturating_sub(total), m.min(marked));
    // P(k + 1) / P(k)
    let ratio = |k: u64| (marked - k) as f64 * (m - k) as f64 / ((k + 1) as f64 * (total + k + 1 - marked - m) as f64);
    let mode = (((m + 1) as f64 * (marked + 1) as f64 / (total + 2) as f64) as u64).clamp(least, most);
    let mut weights = Vec::new();
    let mut weight = 1.0;
    for k in (least..mode).rev() {
        weight /= ratio(k);
        if weight < NEGLIGIBLE {
            break;
        }
        weights.push((k, weight));
    }
    weights.reverse();
    weights.push((mode, 1.0));
    weight = 1.0;
    for k in mode..most {
        weight *= ratio(k);
        if weight < NEGLIGIBLE {
            break;
        }
        weights.push((k + 1, weight));
    }
    let sum: f64 = weights.iter().map(|(_, weight)| weight).sum();
    for (_, weight) in &mut weights {
        *weight /= sum;
    }
    weights
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::Rates;

    #[test]
    fn nothing_shared_is_the_conditional_binomial() {
        for (a, b, before, fresh) in [(25, 10, 3_750, 7_500), (50, 40, 5_000, 5_000), (3, 0, 100, 900), (7, 9, 100, 90)]
        {
            let rates = Rates { reference: a, reference_total: before, corpus: b, corpus_total: fresh };
            let found = Turnover { before, kept: 0, fresh, copies: Copies::NONE }.p_at_most(a, b);
            assert!((found - rates.p_lower()).abs() < 1e-12, "{a} {b}: {found} {}", rates.p_lower());
        }
    }

    /// SciPy 1.17: `scipy.stats.hypergeom.cdf(b, before, a, kept)`.
    #[test]
    fn nothing_fresh_is_fishers_test() {
        for (a, b, before, kept, p) in [
            (20_u64, 12_u64, 1_000_u64, 900_u64, 3.468_054_339_438_491_7e-4),
            (5, 1, 11_250, 11_137, 4.788_760_386_841_103_6e-8),
            (100, 100, 1_000, 500, 1.0),
        ] {
            let found = Turnover { before, kept, fresh: 0, copies: Copies::NONE }.p_at_most(a, b);
            assert!((found - p).abs() <= 1e-9 * p, "{a} {b} {found:e} {p:e}");
        }
    }

    /// Three copies of everything, on both sides, say what one says.
    #[test]
    fn copies_say_nothing_more() {
        let one = Turnover { before: 3_000, kept: 1_000, fresh: 900, copies: Copies::NONE };
        let copies = Copies { kept: 3.0, before: 3.0, fresh: 3.0 };
        let three = Turnover { before: 9_000, kept: 3_000, fresh: 2_700, copies };
        for b in [0, 5, 20, 60] {
            assert!((one.p_at_most(80, b) - three.p_at_most(240, 3 * b)).abs() < 1e-12, "{b}");
        }
    }

    /// By adding up both laws term by term.
    #[test]
    fn in_between_it_is_their_sum() {
        let (a, before, kept, fresh) = (8_u64, 60_u64, 40_u64, 15_u64);
        let q = fresh as f64 / (before + fresh) as f64;
        let negative_binomial = |x: u64| {
            let ways = (1..=x).map(|i| (a + i - 1) as f64 / i as f64).product::<f64>();
            ways * (1.0 - q).powi(a as i32) * q.powi(x as i32)
        };
        let remain = hypergeometric(before, a, kept);
        let turnover = Turnover { before, kept, fresh, copies: Copies::NONE };
        for b in 0..14 {
            let sum: f64 = remain
                .iter()
                .filter(|(kept, _)| *kept <= b)
                .map(|(kept, p)| p * (0..=b - kept).map(negative_binomial).sum::<f64>())
                .sum();
            assert!((turnover.p_at_most(a, b) - sum).abs() < 1e-12, "{b}");
        }
        assert!((turnover.expected(a) - 8.0 * 55.0 / 60.0).abs() < 1e-12);
        assert_eq!(turnover.p_at_most(0, 3), 1.0);
        // Nothing is left of anything.
        assert_eq!(Turnover { before: 60, kept: 0, fresh: 0, copies: Copies::NONE }.p_at_most(8, 0), 1.0);
    }
}
