//! Which texts a map draws: all of them up to a limit, and a stratified sample beyond.
//!
//! A stratum is what one side has of one region. It is drawn whole up to [`WHOLE`] texts, so that no small region gets
//! lost, and beyond that in the share that the limit leaves room for. Texts stand in the order of content hashes, so the
//! first of a stratum are a random sample of it, whatever the order of rows. Texts to keep come first, as far as they
//! fill half of the map. Cost: one pass, and a bisection over the strata.

use std::collections::BTreeMap;

use super::Side;

/// Points of a map at most.
pub const MAX_POINTS: usize = 200_000;
/// Texts of a stratum that are drawn in any case, if half of the map has room for as many of each.
pub const WHOLE: usize = 500;

/// The texts to draw of each side, ascending.
///
/// `regions` holds the region of every text of corpus and reference; `keep` the corpus texts that must not be missing, most
/// important first.
#[must_use]
pub fn draw(regions: [&[u32]; 2], keep: &[u32], limit: usize) -> [Vec<u32>; 2] {
    if regions[0].len() + regions[1].len() <= limit {
        return regions.map(|texts| (0..texts.len() as u32).collect());
    }
    let mut kept = [vec![false; regions[0].len()], vec![false; regions[1].len()]];
    for &text in keep.iter().take(limit / 2) {
        kept[0][text as usize] = true;
    }
    let mut strata: BTreeMap<(Side, u32), Stratum> = BTreeMap::new();
    for (side, (texts, kept)) in [Side::Corpus, Side::Reference].into_iter().zip(regions.iter().zip(&kept)) {
        for (text, &region) in (0..).zip(*texts) {
            let stratum = strata.entry((side, region)).or_default();
            if kept[text as usize] { stratum.kept += 1 } else { stratum.others.push(text) }
        }
    }
    let whole = WHOLE.min(limit / 2 / strata.len());
    let drawn = |rate: f64| -> usize { strata.values().map(|stratum| stratum.drawn(rate, whole)).sum() };
    let (mut low, mut high) = (0.0, 1.0);
    // 2^-40 of any number of texts is less than one.
    for _ in 0..40 {
        let rate = f64::midpoint(low, high);
        if drawn(rate) <= limit { low = rate } else { high = rate }
    }
    for ((side, _), stratum) in &strata {
        let others = stratum.drawn(low, whole) - stratum.kept;
        for &text in &stratum.others[..others] {
            kept[usize::from(*side == Side::Reference)][text as usize] = true;
        }
    }
    kept.map(|kept| (0..).zip(kept).filter(|(_, kept)| *kept).map(|(text, _)| text).collect())
}

/// The texts of one side in one region: how many are kept in any case, and the others, ascending.
#[derive(Default)]
struct Stratum {
    kept: usize,
    others: Vec<u32>,
}

impl Stratum {
    /// Texts drawn at a rate, of which `whole` in any case.
    fn drawn(&self, rate: f64, whole: usize) -> usize {
        let all = self.kept + self.others.len();
        let wanted = ((all as f64 * rate) as usize).max(whole);
        wanted.clamp(self.kept, all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A corpus of 10,000 texts, of which region 1 has 3 and region 2 has 400, and a reference of 2,000.
    fn regions() -> [Vec<u32>; 2] {
        let corpus =
            (0..10_000).map(|text| if text % 3_333 == 5 { 1 } else { u32::from(text % 25 == 0) * 2 }).collect();
        [corpus, (0..2_000).map(|text| 3 + text % 2).collect()]
    }

    #[test]
    fn everything_up_to_the_limit() {
        let [corpus, reference] = regions();
        let drawn = draw([&corpus, &reference], &[], 12_000);
        assert_eq!((drawn[0].len(), drawn[1].len()), (10_000, 2_000));
        assert_eq!(draw([&[], &[]], &[], 0), [[0; 0], [0; 0]]);
    }

    #[test]
    fn review_list_and_small_regions_are_kept() {
        let [corpus, reference] = regions();
        let keep = [9_999, 17, 42, 5_000, 8_888];
        for limit in [2_000, 4_000, 8_000, 11_999] {
            let drawn = draw([&corpus, &reference], &keep, limit);
            let n = drawn[0].len() + drawn[1].len();
            assert!(n <= limit && n + 5 >= limit, "{n} of {limit}: one less of each stratum at most");
            assert!(drawn.iter().all(|texts| texts.is_sorted_by(|a, b| a < b)));
            assert!(keep.iter().all(|text| drawn[0].contains(text)));
            let of = |region| drawn[0].iter().filter(|&&text| corpus[text as usize] == region).count();
            assert_eq!(of(1), 3, "all of a small region");
            assert!(of(2) >= 399.min(limit / 10), "{} of 400 at {limit}", of(2));
        }
    }

    #[test]
    fn a_sample_grows_with_its_limit_and_keeps_what_matters_first() {
        let [corpus, reference] = regions();
        let (small, large) = (draw([&corpus, &reference], &[], 3_000), draw([&corpus, &reference], &[], 6_000));
        for side in 0..2 {
            assert!(small[side].iter().all(|text| large[side].contains(text)));
        }
        // Far more to keep than there is room for: the first half of the map is the first of them.
        let keep: Vec<u32> = (0..10_000).rev().collect();
        let drawn = draw([&corpus, &reference], &keep, 100);
        assert!((9_950..10_000).all(|text| drawn[0].contains(&text)));
        assert!(drawn[0].len() + drawn[1].len() <= 100);
        assert!(!drawn[1].is_empty(), "the reference is not crowded out");
    }
}
