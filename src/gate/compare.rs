//! Has a region lost texts?
//!
//! Of a region's texts, a of `N_a` are in the baseline and b of `N_b` are there now; k of all texts of the baseline are
//! still there. With M = min(`N_a`, `N_b`), the effect is
//! ```text
//! ratio = ((b + 1/2) / M) / ((a + 1/2) / N_a)
//! ```
//! The test is one-sided, exact and given a ([`Turnover`]):
//! ```text
//! P(Hypergeometric(N_a, a, k) + NegativeBinomial(a, m / (N_a + m)) <= b)        m = M - k
//! ```
//! with the counts of the second law, of texts that came, divided by the design effects of either side, and those of the
//! first by that of groups alone ([`super::copies`]).
//! 1. Texts that both sides have say nothing of a change, so they add no noise: ten deleted texts that were all of one
//!    kind are seen in a large corpus. Where the sides share nothing this is the conditional binomial test ([`Rates`]).
//! 2. With `N_b` in the place of M this would be a test of shares, and it would call a loss what is none: that the
//!    corpus grew elsewhere. With M a region has to hold what it held, or its share of that where the corpus shrank. The
//!    test of shares is there as well, as *dilution*.
//! 3. Design effects are for the noise of what came: a region with as many texts as before has lost none, copies or not.
//! 4. Texts that are gone while a copy of them stays ([`left_behind`]) are left out of a, but not of `N_a`: removing copies
//!    is no loss.
//! 5. Only regions (leaves) with an a of at least [`LEAST_TEXTS`] are tested; p-values are corrected by Holm's method over
//!    those.
//!
//! *What could have been found.* Let b* be the largest count that is significant and below the ratio that fails. A fall
//! to rho is found with a probability of 9 in 10 if
//! ```text
//! mu + 1.28 sqrt(mu (g D_b + 1 - g) + mu^2 g D_a / a) <= b*        mu = rho a N_b / N_a, g = m / M
//! ```
//! the spread being that of mu's draw and of a, from which the share of what came is told. With `N_b` in mu, a corpus that
//! grew so much that a loss would not show says so by what it cannot detect. The largest such rho is what a region can
//! *detect*. A region that cannot detect what it should is tried with all counts multiplied, to tell how many texts would
//! be enough.

use super::copies::{design_effects, left_behind};
use crate::profile::{Census, CensusChanges, Profile};
use crate::stats::{Copies, Rates, Turnover, holm};

/// Probability with which a fall has to be found, and the normal quantile of that.
pub const POWER: f64 = 0.9;
const QUANTILE: f64 = 1.281_551_565_5;

/// Texts of the baseline from which on a region or a leaf can be lost.
pub const LEAST_TEXTS: u64 = 10;

/// How many times as many texts are tried at most.
const MOST_TIMES: f64 = 1_000.0;

/// A region or a leaf on both sides.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Loss {
    /// Its number.
    pub(super) id: u32,
    /// Its distinct texts in the baseline, and now.
    pub(super) texts: [u64; 2],
    /// Of the baseline's texts those that are gone while a copy of them stays.
    pub(super) copies_gone: u64,
    /// What is left of what was to be expected, and the adjusted p-value of as little.
    pub(super) lost: (f64, f64),
    /// The same for its share alone.
    pub(super) diluted: (f64, f64),
    pub(super) cell: Cell,
}

/// The regions and leaves on both sides, by id.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Comparison {
    pub(super) regions: Vec<Loss>,
    pub(super) leaves: Vec<Loss>,
    /// Distinct texts of both sides.
    pub(super) all: [u64; 2],
    /// The texts that came and went; `None` where a side has no census.
    pub(super) changes: Option<CensusChanges>,
}

/// Compares two profiles under one codebook.
pub(super) fn compare(baseline: &Profile, current: &Profile) -> Comparison {
    let codebook = &baseline.codebook;
    // Of censuses that do not hold all texts, both in the range that both know: a text that both have counts on both sides.
    let (leaves, changes) = match (&baseline.census, &current.census) {
        (Some(before), Some(now)) => {
            let texts = |ours: &Census, theirs| ours.texts_per_leaf(codebook.n_leaves(), theirs);
            ([texts(before, now), texts(now, before)], Some(before.changes(now)))
        }
        _ => ([baseline, current].map(Profile::texts_per_leaf), None),
    };
    let copies = design_effects(baseline, current);
    let region_of_leaf = |leaf: usize| codebook.region_of_leaf[leaf] as usize;
    let of_regions = |leaves: &Vec<u64>| {
        let mut regions = vec![0; codebook.n_regions()];
        leaves.iter().enumerate().for_each(|(leaf, texts)| regions[region_of_leaf(leaf)] += texts);
        regions
    };
    let regions = leaves.each_ref().map(of_regions);
    let counted: Vec<u64> = leaves[0]
        .iter()
        .zip(left_behind(baseline, current))
        .map(|(&texts, share)| (texts as f64 * (1.0 - share)).round() as u64)
        .collect();
    let all: [u64; 2] = leaves.each_ref().map(|leaves| leaves.iter().sum());
    let totals = Totals { all, kept: changes.map_or(0, |changes| changes.kept) };
    Comparison {
        regions: losses(&regions, &of_regions(&counted), totals, |region| copies[region]),
        leaves: losses(&leaves, &counted, totals, |leaf| copies[region_of_leaf(leaf)]),
        all,
        changes,
    }
}

/// Distinct texts of both sides, and of both at once.
#[derive(Clone, Copy)]
struct Totals {
    all: [u64; 2],
    kept: u64,
}

/// `counted` are the texts of the baseline that can be lost.
fn losses(texts: &[Vec<u64>; 2], counted: &[u64], totals: Totals, copies: impl Fn(usize) -> Copies) -> Vec<Loss> {
    let places = 0..texts[0].len();
    let Totals { all, kept } = totals;
    let cell = |i: usize| Cell { before: counted[i], now: texts[1][i], all, kept, copies: copies(i) };
    let cells: Vec<Cell> = places.clone().map(cell).collect();
    let adjusted = |turnover: fn(&Cell) -> Turnover| {
        let tested = cells.iter().filter(|cell| cell.is_tested());
        let p_values: Vec<f64> = tested.map(|cell| turnover(cell).p_at_most(cell.before, cell.now)).collect();
        let mut adjusted = holm(&p_values).into_iter();
        let of_cell = |cell: &Cell| if cell.is_tested() { adjusted.next().unwrap_or(1.0) } else { 1.0 };
        cells.iter().map(of_cell).collect::<Vec<f64>>()
    };
    let (lost, diluted) = (adjusted(Cell::kept), adjusted(Cell::share));
    let [all_before, all_now] = totals.all;
    let loss = |i: usize| {
        let texts = [texts[0][i], texts[1][i]];
        Loss {
            id: i as u32,
            texts,
            copies_gone: texts[0] - counted[i],
            lost: (ratio([counted[i], texts[1]], [all_before, all_before.min(all_now)]), lost[i]),
            diluted: (ratio([counted[i], texts[1]], totals.all), diluted[i]),
            cell: cells[i],
        }
    };
    places.map(loss).collect()
}

/// What is left of a share, each count one half higher.
fn ratio([reference, corpus]: [u64; 2], [reference_total, corpus_total]: [u64; 2]) -> f64 {
    Rates { reference, reference_total, corpus, corpus_total }.ratio()
}

/// What is counted of a region.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Cell {
    /// a
    before: u64,
    /// b
    now: u64,
    /// `N_a` and `N_b`
    all: [u64; 2],
    /// k
    kept: u64,
    pub(super) copies: Copies,
}

impl Cell {
    fn is_tested(&self) -> bool {
        self.before >= LEAST_TEXTS
    }

    fn turnover(&self, all: u64) -> Turnover {
        let kept = self.kept.min(all);
        Turnover { before: self.all[0], kept, fresh: all - kept, copies: self.copies }
    }

    /// Of a corpus that is no larger than the baseline.
    fn kept(&self) -> Turnover {
        self.turnover(self.all[0].min(self.all[1]))
    }

    /// Of a corpus as it is.
    fn share(&self) -> Turnover {
        self.turnover(self.all[1])
    }

    /// The counts of corpora so many times as large.
    fn times(&self, times: f64) -> Self {
        let scaled = |count: u64| (count as f64 * times).round() as u64;
        Self {
            before: scaled(self.before),
            now: scaled(self.now),
            all: self.all.map(scaled),
            kept: scaled(self.kept),
            copies: self.copies,
        }
    }

    /// b*: the largest count that would be found; `None` where none would.
    fn largest_found(&self, level: f64, fail: f64) -> Option<u64> {
        let turnover = self.kept();
        let found = |now: u64| {
            let ratio = ratio([self.before, now], [self.all[0], self.all[0].min(self.all[1])]);
            turnover.p_at_most(self.before, now) <= level && ratio < fail
        };
        if !self.is_tested() || !found(0) {
            return None;
        }
        let (mut found_at, mut not_found_at) = (0, self.before.max(1) * 2);
        while not_found_at - found_at > 1 {
            let middle = u64::midpoint(found_at, not_found_at);
            if found(middle) { found_at = middle } else { not_found_at = middle }
        }
        Some(found_at)
    }

    /// Whether a fall to `rho` would be found, where counts up to `largest` are.
    fn finds(&self, rho: f64, largest: u64) -> bool {
        let Turnover { kept, fresh, copies, .. } = self.kept();
        let mu = rho * self.share().expected(self.before);
        let came = fresh as f64 / (kept + fresh).max(1) as f64;
        let of_draw = mu * (came * copies.fresh + (1.0 - came) * copies.kept);
        let of_share = mu * mu * came * copies.before / self.before.max(1) as f64;
        mu + QUANTILE * (of_draw + of_share).sqrt() <= largest as f64
    }
}

/// What is asked of a test of several regions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Power {
    /// Its level, over all of them.
    pub(super) alpha: f64,
    /// The ratio below which it fails.
    pub(super) fail: f64,
    /// The fall that has to be found.
    pub(super) detect: f64,
}

/// What a region's test can do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Reach {
    /// The largest ratio that would be found; `None` where not even a complete loss would.
    pub(super) detectable: Option<f64>,
    /// How many times as many texts on both sides would find the fall that has to be found: 1 where it would be, infinite
    /// where none would.
    pub(super) times_enough: f64,
}

impl Power {
    /// What the tests of some regions can do.
    pub(super) fn reach(&self, regions: &[Loss]) -> Vec<Reach> {
        let tested = regions.iter().filter(|region| region.cell.is_tested()).count().max(1);
        let level = self.alpha / tested as f64;
        regions.iter().map(|region| self.reach_of(&region.cell, level)).collect()
    }

    fn reach_of(&self, cell: &Cell, level: f64) -> Reach {
        let detectable = cell.largest_found(level, self.fail).map(|largest| {
            let (mut found, mut not_found) = (0.0, self.fail);
            // To a hundredth.
            while not_found - found > 0.005 {
                let middle = f64::midpoint(found, not_found);
                if cell.finds(middle, largest) { found = middle } else { not_found = middle }
            }
            found
        });
        let is_enough = |times: f64| {
            let cell = cell.times(times);
            cell.largest_found(level, self.fail).is_some_and(|largest| cell.finds(self.detect, largest))
        };
        if is_enough(1.0) || cell.before == 0 {
            return Reach { detectable, times_enough: 1.0 };
        }
        let (mut too_few, mut enough) = (1.0, 2.0);
        while !is_enough(enough) {
            (too_few, enough) = (enough, enough * 2.0);
            if enough > MOST_TIMES {
                return Reach { detectable, times_enough: f64::INFINITY };
            }
        }
        while enough / too_few > 1.02 {
            let middle = f64::midpoint(too_few, enough);
            if is_enough(middle) { enough = middle } else { too_few = middle }
        }
        Reach { detectable, times_enough: enough }
    }
}
