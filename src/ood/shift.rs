//! Whether a whole drop has shifted from its reference, and where.
//!
//! Two tests, corrected together by Holm's method (Holm 1979):
//!
//! - *New content*: are more of the drop's texts far out than of the reference's? Far out is a score above the
//!   reference's 99th percentile, an order statistic of its left-out scores. Fisher's exact test (1935), one-sided:
//!   ```text
//!   P(X >= x)   of X ~ Hypergeometric(n + m, a + x, m)
//!   ```
//!   for x of the drop's m texts and a of the reference's n. That a was chosen beforehand, and not counted, changes
//!   nothing: x or more of the drop come before the reference's (a + 1)-th from the top exactly if x or more of the
//!   uppermost a + x of both together are the drop's. So the test is exact.
//! - *Changed mix*: do the texts spread over the regions in other shares? The likelihood-ratio (G) test of a 2 x R
//!   table, divided by Williams' factor (Williams 1976, <https://doi.org/10.1093/biomet/63.1.33>):
//!   ```text
//!   G = 2 sum o ln(o / e)      q = 1 + (N sum 1/row - 1) (N sum 1/column - 1) / (6 N (R - 1))      G/q ~ chi^2(R - 1)
//!   ```
//!   Plain G fires in 6 to 7 % of harmless draws at level .05 where regions have few texts, with the factor in 5 to
//!   6 %. Regions of which the smaller side expects fewer than 5 texts are pooled into one cell; if that expects fewer
//!   still, it joins the smallest cell. Beside it Cramér's V (Cramér 1946), from Pearson's chi^2.
//!
//! Beside the tests, *moved regions*: two-sided conditional binomial tests of every region's share ([`Rates`]), with
//! Holm's correction over the regions, to say which ones grew and which fell.
//!
//! The tests of regions are honest if the regions' centroids know nothing of which text is whose. Texts of one
//! conversation are not independent, which none of the tests knows. And with enough texts, differences that nobody
//! would act on are significant: look at the shares, at V and at the ratios.
//!
//! Cost: one term a text that is far out, and one incomplete beta function a region.

use statrs::distribution::{ChiSquared, ContinuousCDF, DiscreteCDF, Hypergeometric};

use crate::stats::{Rates, holm};

/// One in so many of the reference's texts is far out: those above its 99th score percentile.
const FAR_OUT: usize = 100;

/// Texts that the smaller side must expect of a cell.
const LEAST_EXPECTED: f64 = 5.0;

/// What is known of the texts of one side.
#[derive(Clone, Copy, Debug)]
pub struct Side<'a> {
    /// Outlier scores against the reference; those of the reference's own texts, each left out of it.
    pub scores: &'a [f32],
    /// Texts of every region; or of every leaf, which tells smaller changes of the mix apart, and says less where.
    pub regions: &'a [u64],
}

/// How a drop differs from its reference.
#[derive(Clone, Debug, PartialEq)]
pub struct Shift {
    /// Whether more of it is far out.
    pub new_content: NewContent,
    /// Whether its regions have other shares; `None` where fewer than two regions have enough texts to tell.
    pub changed_mix: Option<ChangedMix>,
    /// Every region that has texts, the most significant first; of equal p-values the lower region first.
    pub regions: Vec<RegionShift>,
}

/// The test of new content.
#[derive(Clone, Debug, PartialEq)]
pub struct NewContent {
    /// Texts of the drop that score above the reference's 99th percentile.
    pub drop_beyond: u64,
    /// Texts of the drop.
    pub drop_total: u64,
    /// Texts of the reference that score above it: a hundredth, fewer where scores tie.
    pub reference_beyond: u64,
    /// Texts of the reference that have left-out scores.
    pub reference_total: u64,
    /// Probability of as many or more in the drop if it were of the reference's kind; 1 where a side is empty.
    pub p_value: f64,
    /// The same, corrected for the two tests.
    pub adjusted: f64,
}

/// The test of a changed mix.
#[derive(Clone, Debug, PartialEq)]
pub struct ChangedMix {
    /// Williams' G, 0 or more.
    pub statistic: f64,
    /// Its degrees of freedom: one less than the cells.
    pub degrees: u32,
    /// Probability of as large a statistic if the shares were equal.
    pub p_value: f64,
    /// The same, corrected for the two tests.
    pub adjusted: f64,
    /// Regions that stand for themselves, and the cell of those with too few texts.
    pub cells: u32,
    /// Cramér's V, 0 to 1: how strongly region and side hang together. Of equal shares and N texts about the square
    /// root of degrees / N.
    pub v: f64,
}

/// A region's share of the drop beside its share of the reference.
#[derive(Clone, Debug, PartialEq)]
pub struct RegionShift {
    /// The region.
    pub region: u32,
    /// Its texts in both, the drop as the corpus.
    pub rates: Rates,
    /// Two-sided: twice the smaller probability of a share as low or as high, at most 1.
    pub p_value: f64,
    /// The same, after Holm's correction over all regions that have texts.
    pub adjusted: f64,
}

impl Shift {
    /// Tests a drop beside its reference.
    ///
    /// # Panics
    /// If the two have different numbers of regions.
    #[must_use]
    pub fn of(reference: &Side<'_>, drop: &Side<'_>) -> Self {
        let mut new_content = NewContent::of(reference.scores, drop.scores);
        let mut changed_mix = ChangedMix::of(reference.regions, drop.regions);
        let p_values: Vec<f64> =
            std::iter::once(new_content.p_value).chain(changed_mix.iter().map(|mix| mix.p_value)).collect();
        let adjusted = holm(&p_values);
        new_content.adjusted = adjusted[0];
        if let Some(mix) = &mut changed_mix {
            mix.adjusted = adjusted[1];
        }
        Self { new_content, changed_mix, regions: RegionShift::of(reference.regions, drop.regions) }
    }

    /// Whether any of the two tests rejects at level `alpha`, both together.
    #[must_use]
    pub fn is_shifted(&self, alpha: f64) -> bool {
        let mix = self.changed_mix.as_ref().is_some_and(|mix| mix.adjusted <= alpha);
        self.new_content.adjusted <= alpha || mix
    }
}

impl NewContent {
    /// Share of the drop's texts that are far out, 0 to 1; 0 of no texts.
    #[must_use]
    pub fn share(&self) -> f64 {
        self.drop_beyond as f64 / self.drop_total.max(1) as f64
    }

    /// Tests the scores of a drop beside the left-out scores of its reference, both in any order.
    #[must_use]
    pub fn of(reference: &[f32], drop: &[f32]) -> Self {
        let mut sorted = reference.to_vec();
        sorted.sort_by(|a, b| b.total_cmp(a));
        let beyond = |scores: &[f32]| match sorted.get(sorted.len() / FAR_OUT) {
            Some(&threshold) => scores.iter().filter(|&&score| score > threshold).count() as u64,
            None => 0,
        };
        let (drop_beyond, reference_beyond) = (beyond(drop), beyond(reference));
        let (drop_total, reference_total) = (drop.len() as u64, reference.len() as u64);
        let p_value = fisher_greater([drop_beyond, drop_total], [reference_beyond, reference_total]);
        Self { drop_beyond, drop_total, reference_beyond, reference_total, p_value, adjusted: p_value }
    }
}

/// Fisher's exact test of x of m beside a of n: the probability of x or more, given x + a.
fn fisher_greater([x, m]: [u64; 2], [a, n]: [u64; 2]) -> f64 {
    let Some(below) = x.checked_sub(1) else { return 1.0 };
    let law = Hypergeometric::new(m + n, x + a, m).expect("parts are no larger than the whole");
    law.sf(below).min(1.0)
}

impl ChangedMix {
    /// Tests the counts of every region; `None` where fewer than two cells are left.
    ///
    /// # Panics
    /// If the lengths differ.
    fn of(reference: &[u64], drop: &[u64]) -> Option<Self> {
        assert_eq!(reference.len(), drop.len(), "one count per region");
        let cells = cells(reference, drop);
        let degrees = cells.len().checked_sub(1).filter(|&degrees| degrees > 0)?;
        let side = |at: usize| cells.iter().map(|cell| cell[at]).sum::<u64>() as f64;
        let sides = [side(0), side(1)];
        let all = sides[0] + sides[1];
        let (mut g, mut chi_squared, mut of_columns) = (0.0, 0.0, 0.0);
        for cell in &cells {
            let column = (cell[0] + cell[1]) as f64;
            of_columns += all / column;
            for (&seen, side) in cell.iter().zip(sides) {
                let (seen, expected) = (seen as f64, side * column / all);
                if seen > 0.0 {
                    g += 2.0 * seen * (seen / expected).ln();
                }
                chi_squared += (seen - expected).powi(2) / expected;
            }
        }
        let of_rows: f64 = sides.iter().map(|side| all / side).sum();
        let q = 1.0 + (of_rows - 1.0) * (of_columns - 1.0) / (6.0 * all * degrees as f64);
        // Rounding can leave a little less than 0 of equal shares.
        let statistic = (g / q).max(0.0);
        let p_value = ChiSquared::new(degrees as f64).expect("at least one degree").sf(statistic);
        let v = (chi_squared / all).sqrt().min(1.0);
        let (degrees, cells) = (degrees as u32, cells.len() as u32);
        Some(Self { statistic, degrees, p_value, adjusted: p_value, cells, v })
    }
}

/// The cells of the table, reference and drop of each, in an order that does not depend on that of the regions. None
/// where a side is empty.
fn cells(reference: &[u64], drop: &[u64]) -> Vec<[u64; 2]> {
    let (reference_total, drop_total): (u64, u64) = (reference.iter().sum(), drop.iter().sum());
    let smaller = reference_total.min(drop_total) as f64 / (reference_total + drop_total).max(1) as f64;
    if smaller == 0.0 {
        return Vec::new();
    }
    let enough = |cell: &[u64; 2]| (cell[0] + cell[1]) as f64 * smaller >= LEAST_EXPECTED;
    let regions = reference.iter().zip(drop).map(|(&reference, &drop)| [reference, drop]);
    let (mut cells, small): (Vec<_>, Vec<_>) = regions.partition(enough);
    cells.sort_unstable_by_key(|cell| (cell[0] + cell[1], cell[1]));
    let pooled = small.into_iter().fold([0, 0], plus);
    match cells.first_mut() {
        _ if pooled == [0, 0] => {}
        Some(smallest) if !enough(&pooled) => *smallest = plus(*smallest, pooled),
        _ => cells.push(pooled),
    }
    cells
}

fn plus(a: [u64; 2], b: [u64; 2]) -> [u64; 2] {
    [a[0] + b[0], a[1] + b[1]]
}

impl RegionShift {
    /// Every region that has texts, from the texts of both sides: the most significant first; of equal p-values the lower
    /// region first.
    #[must_use]
    pub fn of(reference: &[u64], drop: &[u64]) -> Vec<Self> {
        let (reference_total, corpus_total) = (reference.iter().sum(), drop.iter().sum());
        let counts = reference.iter().zip(drop);
        let rates = counts.map(|(&reference, &corpus)| Rates { reference, reference_total, corpus, corpus_total });
        let regions: Vec<(u32, Rates)> =
            (0..).zip(rates).filter(|(_, rates)| rates.reference + rates.corpus > 0).collect();
        let two_sided = |rates: &Rates| (2.0 * rates.p_lower().min(rates.p_higher())).min(1.0);
        let p_values: Vec<f64> = regions.iter().map(|(_, rates)| two_sided(rates)).collect();
        let tests = regions.into_iter().zip(p_values.iter().zip(holm(&p_values)));
        let mut tests: Vec<Self> =
            tests.map(|((region, rates), (&p_value, adjusted))| Self { region, rates, p_value, adjusted }).collect();
        tests.sort_by(|a, b| a.p_value.total_cmp(&b.p_value).then(a.region.cmp(&b.region)));
        tests
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::cluster::random::SplitMix64;

    fn close(got: f64, want: f64) {
        assert!((got - want).abs() <= 1e-9 * want.abs(), "{got:e}, expected {want:e}");
    }

    /// SciPy 1.17: `fisher_exact([[x, m - x], [a, n - a]], alternative="greater").pvalue`.
    #[test]
    fn fisher_agrees_with_scipy() {
        for (x, m, a, n, p) in [
            (18, 1000, 30, 3000, 0.036_452_581_871_736_18),
            (12, 1000, 30, 3000, 0.350_761_603_691_856_8),
            (50, 1000, 30, 3000, 8.459_139_659_114_783e-13),
            (0, 10, 1, 100, 1.0),
            (3, 3, 0, 100, 5.654_477_498_006_797e-6),
            (900, 100_000, 100, 10_000, 0.855_069_485_798_801_2),
            (1400, 100_000, 100, 10_000, 0.000_371_055_145_924_482_5),
        ] {
            close(fisher_greater([x, m], [a, n]), p);
        }
        assert_eq!([fisher_greater([0, 0], [1, 100]), fisher_greater([7, 7], [0, 0])], [1.0, 1.0]);
    }

    /// SciPy 1.17: G of `power_divergence(o, e, lambda_="log-likelihood")` over Williams' q, `chi2.sf` of that, and V
    /// of `association(o, method="cramer")`.
    #[test]
    fn mix_agrees_with_scipy() {
        let drop = [30, 10, 20, 40];
        let reference = [90, 60, 120, 30];
        let found = ChangedMix::of(&reference, &drop).unwrap();
        assert_eq!((found.degrees, found.cells), (3, 4));
        close(found.statistic, 47.051_692_647_334_83 / 1.010_002_204_585_538);
        close(found.p_value, 4.257_381_178_591_69e-10);
        close(found.v, 0.358_568_582_800_318_06);
        // Of 104 and 322 in all, 3 and 10 expect 3.2, and so do 1 and 12; together 6.3. A region without texts is no cell.
        let pooled = ChangedMix::of(&[90, 0, 60, 10, 120, 30, 12], &[30, 0, 10, 3, 20, 40, 1]).unwrap();
        assert_eq!((pooled.degrees, pooled.cells), (4, 5));
        close(pooled.statistic, 47.692_645_965_284_896);
        close(pooled.p_value, 1.093_794_263_539_721_5e-9);
        close(pooled.v, 0.354_313_186_489_033_76);
        // 1 and 2 expect .75: they join 10 and 60.
        let joined = ChangedMix::of(&[90, 60, 120, 30, 2], &[30, 10, 20, 40, 1]).unwrap();
        assert_eq!((joined.degrees, joined.cells), (3, 4));
        close(joined.statistic, 46.048_387_687_820_67);
        close(joined.v, 0.355_384_384_285_006_85);
    }

    #[test]
    fn nothing_to_compare() {
        assert_eq!(ChangedMix::of(&[], &[]), None);
        assert_eq!(ChangedMix::of(&[90, 80], &[0, 0]), None);
        assert_eq!(ChangedMix::of(&[0, 0], &[90, 80]), None);
        assert_eq!(ChangedMix::of(&[90], &[80]), None);
        assert_eq!(ChangedMix::of(&[90, 1], &[80, 0]), None, "the pooled cell joins the only other one");
        let empty = Side { scores: &[], regions: &[] };
        let nothing = Shift::of(&empty, &empty);
        assert_eq!((nothing.new_content.p_value, nothing.new_content.share()), (1.0, 0.0));
        assert!(!nothing.is_shifted(0.99) && nothing.regions.is_empty());
        let far = Side { scores: &[9.0; 40], regions: &[40, 0] };
        assert!(!Shift::of(&empty_of(2), &far).is_shifted(0.5), "no reference, no shift");
        assert!(!Shift::of(&far, &empty_of(2)).is_shifted(0.5));
    }

    fn empty_of(regions: usize) -> Side<'static> {
        Side { scores: &[], regions: &[0; 8][..regions] }
    }

    #[test]
    fn beyond_the_percentile() {
        // Of 0 to 299 the three highest are above 296.
        let reference: Vec<f32> = (0..300_u16).rev().map(f32::from).collect();
        let found = NewContent::of(&reference, &[296.0, 296.5, -1.0, 400.0, f32::NAN]);
        assert_eq!((found.reference_beyond, found.reference_total), (3, 300));
        assert_eq!((found.drop_beyond, found.drop_total, found.share()), (2, 5, 0.4));
        // Fewer than 100: above the highest.
        assert_eq!(NewContent::of(&[1.0, 3.0, 2.0], &[3.0, 4.0]).drop_beyond, 1);
        // All alike: nothing is beyond.
        assert_eq!(NewContent::of(&[1.0; 500], &[1.0; 500]).p_value, 1.0);
    }

    #[test]
    fn which_regions_moved() {
        let reference = Side { scores: &[], regions: &[100, 100, 100, 0, 100, 0] };
        let drop = Side { scores: &[], regions: &[100, 0, 110, 40, 100, 0] };
        let shift = Shift::of(&reference, &drop);
        let mix = shift.changed_mix.as_ref().unwrap();
        assert!(mix.p_value < 1e-20 && mix.adjusted == 2.0 * mix.p_value && shift.is_shifted(0.01));
        let grew = |moved: &RegionShift| (moved.region, moved.adjusted <= 0.01, moved.rates.ratio() > 1.0);
        let moved: Vec<_> = shift.regions.iter().map(grew).collect();
        assert_eq!(moved[..2], [(1, true, false), (3, true, true)]);
        assert!(moved[2..].iter().all(|(region, significant, _)| *region != 5 && !significant));
        close(shift.regions[0].adjusted, 5.0 * shift.regions[0].p_value);
        close(shift.regions[0].p_value, 2.0 * shift.regions[0].rates.p_lower());
    }

    /// Two samples of one law: the two tests together, each alone, and any region, fire no more often than they say.
    #[test]
    fn honest_where_nothing_changed() {
        const ALPHA: f64 = 0.05;
        const DRAWS: u32 = 1000;
        let most = f64::from(DRAWS) * (ALPHA + 3.0 * (ALPHA * (1.0 - ALPHA) / f64::from(DRAWS)).sqrt());
        let mut random = SplitMix64::new(11);
        for (in_reference, in_drop, regions) in [(1_000, 300, 30), (500, 500, 50), (200, 1_500, 20)] {
            let mut fired = [0_u32; 4];
            for _ in 0..DRAWS {
                let mut draw = |n: usize| {
                    let mut counts = vec![0_u64; regions];
                    let mut scores = Vec::with_capacity(n);
                    for _ in 0..n {
                        // Uneven regions: the square of a uniform number.
                        counts[(random.next_f64().powi(2) * regions as f64) as usize] += 1;
                        scores.push(random.next_f64() as f32);
                    }
                    (scores, counts)
                };
                let ((far, mix), (drop_far, drop_mix)) = (draw(in_reference), draw(in_drop));
                let reference = Side { scores: &far, regions: &mix };
                let shift = Shift::of(&reference, &Side { scores: &drop_far, regions: &drop_mix });
                let mix = shift.changed_mix.as_ref().unwrap();
                let any_region = shift.regions.iter().any(|region| region.adjusted <= ALPHA);
                let found =
                    [shift.is_shifted(ALPHA), shift.new_content.p_value <= ALPHA, mix.p_value <= ALPHA, any_region];
                for (fired, found) in fired.iter_mut().zip(found) {
                    *fired += u32::from(found);
                }
            }
            assert!(fired.iter().all(|&fired| f64::from(fired) <= most), "{fired:?} of {DRAWS}, at most {most}");
            assert!(fired[2] >= DRAWS / 50, "the test of the mix is not idle: {fired:?}");
        }
    }

    #[test]
    fn sees_new_content_and_a_lost_region() {
        let mut random = SplitMix64::new(5);
        let reference: Vec<f32> = (0..3_000).map(|_| random.next_f64() as f32).collect();
        let mut drop: Vec<f32> = (0..950).map(|_| random.next_f64() as f32).collect();
        drop.extend([2.0; 50]);
        let same = [30; 4];
        let shift = |scores: &[f32], regions: &[u64]| {
            Shift::of(&Side { scores: &reference, regions: &same }, &Side { scores, regions })
        };
        assert!(shift(&drop, &same).is_shifted(0.001));
        assert!(shift(&drop[..950], &[30, 30, 0, 30]).is_shifted(0.001));
        assert!(!shift(&drop[..950], &same).is_shifted(0.05));
    }

    proptest! {
        #[test]
        fn the_order_of_regions_does_not_matter(
            counts in prop::collection::vec((0_u64..60, 0_u64..60), 0..20), turn in 0_usize..20,
        ) {
            let test = |counts: &[(u64, u64)]| {
                let (reference, drop): (Vec<u64>, Vec<u64>) = counts.iter().copied().unzip();
                Shift::of(&Side { scores: &[], regions: &reference }, &Side { scores: &[], regions: &drop })
            };
            let mut turned = counts.clone();
            turned.reverse();
            turned.rotate_left(turn.min(counts.len()));
            let (found, other) = (test(&counts), test(&turned));
            prop_assert_eq!(&found.changed_mix, &other.changed_mix);
            let tests = |shift: &Shift| {
                let mut tests: Vec<(u64, u64, u64)> = shift.regions.iter()
                    .map(|region| (region.rates.reference, region.rates.corpus, region.adjusted.to_bits())).collect();
                tests.sort_unstable();
                tests
            };
            prop_assert_eq!(tests(&found), tests(&other));
            if let Some(mix) = found.changed_mix {
                prop_assert!((0.0..=1.0).contains(&mix.p_value) && (0.0..=1.0).contains(&mix.v));
                prop_assert!(mix.statistic.is_finite() && mix.adjusted >= mix.p_value && mix.cells == mix.degrees + 1);
            }
        }
    }
}
