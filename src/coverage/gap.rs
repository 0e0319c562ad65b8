//! Coverage gaps: leaves where a corpus has significantly less than its reference.
//!
//! In every leaf the distinct texts of the reference (a of `N_a`) and of the corpus (b of `N_b`) are counted, and the
//! conditional binomial test ([`Rates`]) asks whether the corpus' share is lower. A leaf is a *significant gap* where
//! Holm's correction over all leaves leaves p <= .05 and the ratio of the shares is below .8; leaves are ranked by
//! p. The test is honest only if the centroids know nothing of which text belongs to which side: they were fitted to
//! both together, or to other texts than those counted. Counting in the very half that centroids were fitted to doubles
//! the false gaps.
//!
//! Cost: one incomplete beta function a leaf.

use crate::stats::{Interval, Rates, benjamini_hochberg, holm};

/// Adjusted p-value up to which a gap is significant.
pub const GAP_ALPHA: f64 = 0.05;

/// False discovery rate (Benjamini & Hochberg 1995) up to which a leaf that is no significant gap is suspected to be one.
pub const SUSPECT_RATE: f64 = 0.1;

/// Ratio of shares below which a leaf is thin: less is a difference that nobody would act on.
pub const THIN: f64 = 0.8;

/// Ratio of shares below which next to nothing is there.
pub const MISSING: f64 = 0.1;

/// How much of its share of the reference a leaf has in the corpus.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum GapKind {
    /// Next to nothing: a ratio below .1.
    Missing,
    /// Less: a ratio below .8.
    Thin,
    /// As much, or more.
    Covered,
}

/// A leaf beside its reference.
#[derive(Clone, Debug, PartialEq)]
pub struct LeafTest {
    /// The leaf.
    pub leaf: u32,
    /// Its texts in both.
    pub rates: Rates,
    /// What the ratio of the shares says.
    pub kind: GapKind,
    /// Probability of so few texts or fewer if the shares were equal.
    pub p_value: f64,
    /// The same, after Holm's correction over all leaves that have texts.
    pub p_adjusted: f64,
    /// Whether this is a gap: adjusted p <= .05, and thin or missing.
    pub significant: bool,
    /// Whether it may be one: not significant, but among leaves of which one in ten is expected to be none.
    pub suspected: bool,
}

/// Tests every leaf, and gives those that have texts of the reference, most significant first; of equal p-values the lower
/// ratio first, then the lower leaf. Holm's correction is over all leaves that have any text: to leave out those without
/// texts of the reference would be to choose the tests by their outcome.
///
/// # Panics
/// If the lengths differ.
#[must_use]
pub fn find_gaps(reference: &[u64], corpus: &[u64]) -> Vec<LeafTest> {
    tests(reference, corpus, |leaf| leaf.reference > 0, Rates::p_lower, |ratio| ratio < THIN)
}

/// The reverse: leaves of which the corpus has significantly more, by a ratio above 1 / .8.
///
/// # Panics
/// If the lengths differ.
#[must_use]
pub fn find_surplus(reference: &[u64], corpus: &[u64]) -> Vec<LeafTest> {
    tests(reference, corpus, |leaf| leaf.corpus > 0, Rates::p_higher, |ratio| ratio > 1.0 / THIN)
}

fn tests(
    reference: &[u64],
    corpus: &[u64],
    listed: impl Fn(&Rates) -> bool,
    p_value: impl Fn(&Rates) -> f64,
    matters: impl Fn(f64) -> bool,
) -> Vec<LeafTest> {
    assert_eq!(reference.len(), corpus.len(), "one count per leaf");
    let (reference_total, corpus_total) = (reference.iter().sum(), corpus.iter().sum());
    let counts = reference.iter().zip(corpus);
    let rates = counts.map(|(&reference, &corpus)| Rates { reference, reference_total, corpus, corpus_total });
    let leaves: Vec<(u32, Rates)> = (0..).zip(rates).filter(|(_, rates)| rates.reference + rates.corpus > 0).collect();
    let p_values: Vec<f64> = leaves.iter().map(|(_, rates)| p_value(rates)).collect();
    let mut tests: Vec<LeafTest> = leaves
        .into_iter()
        .zip(p_values.iter().zip(holm(&p_values).into_iter().zip(benjamini_hochberg(&p_values))))
        .map(|((leaf, rates), (&p_value, (p_adjusted, q_value)))| {
            let matters = matters(rates.ratio());
            let significant = matters && p_adjusted <= GAP_ALPHA;
            let suspected = matters && !significant && q_value <= SUSPECT_RATE;
            LeafTest { leaf, rates, kind: kind(rates.ratio()), p_value, p_adjusted, significant, suspected }
        })
        .collect();
    tests.retain(|test| listed(&test.rates));
    tests.sort_by(|a, b| {
        let by_p = a.p_value.total_cmp(&b.p_value);
        by_p.then(a.rates.ratio().total_cmp(&b.rates.ratio())).then(a.leaf.cmp(&b.leaf))
    });
    tests
}

fn kind(ratio: f64) -> GapKind {
    match ratio {
        ratio if ratio < MISSING => GapKind::Missing,
        ratio if ratio < THIN => GapKind::Thin,
        _ => GapKind::Covered,
    }
}

impl LeafTest {
    /// The ratio's 95 % interval, without an upper end where the reference has nothing.
    #[must_use]
    pub fn ratio_interval(&self) -> (f64, Option<f64>) {
        let Interval { low, high } = self.rates.ratio_interval();
        (low, Some(high).filter(|high| high.is_finite()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::random::SplitMix64;

    #[test]
    fn by_hand() {
        let found = find_gaps(&[50, 50, 50, 0, 50], &[50, 0, 15, 9, 60]);
        let leaves: Vec<_> = found.iter().map(|test| (test.leaf, test.kind, test.significant)).collect();
        let [missing, thin, covered] = [GapKind::Missing, GapKind::Thin, GapKind::Covered];
        assert_eq!(leaves, [(1, missing, true), (2, thin, true), (0, covered, false), (4, covered, false)]);
        assert!(found.iter().all(|test| !test.suspected));
        let few = find_gaps(&[50, 50, 50, 50], &[30, 55, 60, 55]);
        let judged: Vec<_> = few.iter().map(|test| (test.leaf, test.significant, test.suspected)).collect();
        assert_eq!(judged[0], (0, false, true), "p = .02: {few:?}");
        assert!((found[0].p_adjusted - 5.0 * found[0].p_value).abs() < 1e-20);
        let more = find_surplus(&[50, 50, 50, 0, 50], &[50, 0, 15, 9, 60]);
        assert_eq!(more.iter().filter(|test| test.significant).map(|test| test.leaf).collect::<Vec<_>>(), [3, 4]);
        assert_eq!(more[0].ratio_interval().1, None);
    }

    #[test]
    fn nothing_to_compare() {
        assert!(find_gaps(&[], &[]).is_empty());
        assert!(find_gaps(&[0, 0], &[5, 5]).is_empty());
        let all_gone = find_gaps(&[30, 30], &[0, 0]);
        assert!(all_gone.iter().all(|test| !test.significant), "an empty corpus has no shares");
    }

    /// A reference of one text says nothing.
    #[test]
    fn one_text_is_no_gap() {
        let mut reference = vec![0; 36];
        reference[7] = 1;
        let mut corpus = vec![9; 36];
        corpus[7] = 0;
        assert!(!find_gaps(&reference, &corpus)[0].significant);
    }

    /// Two samples of one law: any false gap in at most 5 % of the draws.
    #[test]
    fn harmless_draws_raise_no_alarm() {
        let mut random = SplitMix64::new(3);
        let mut alarms = 0;
        for _ in 0..400 {
            let mut draw = |n: usize| {
                let mut counts = vec![0; 60];
                for _ in 0..n {
                    // Uneven leaves: the square of a uniform number.
                    counts[(random.next_f64().powi(2) * 60.0) as usize] += 1;
                }
                counts
            };
            let (reference, corpus) = (draw(1_500), draw(3_000));
            alarms += usize::from(find_gaps(&reference, &corpus).iter().any(|test| test.significant));
        }
        assert!(alarms <= 20, "{alarms} of 400");
    }
}
