//! Water-filling: how many examples each class gets of a budget.
//!
//! In real numbers, class c of count n and target share q gets the water between n and the common level L:
//! ```text
//! max(0, L q[c] - n[c])      with L such that the sum over c is the budget
//! ```
//! In whole examples the same rule reads: examples go one at a time to the class whose level (n + given + 1) / q stays
//! lowest, which is D'Hondt's (Jefferson's) apportionment with a head start.
//! So the parts sum to B exactly, no class above the final level gets anything, and a larger budget takes from no
//! class. Cost: k log k for k classes, whatever the budget.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use crate::{Error, Result};

/// Real texts that a class must have before examples can be generated from them; below, collect real data first.
pub const REAL_TEXTS_TO_GENERATE_FROM: u64 = 10;

/// How many examples to add.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Budget {
    /// This many.
    Examples(u64),
    /// This share of the distinct texts, 0 or more.
    Share(f64),
}

/// Settings of an allocation, as typed; [`check`](Self::check) makes them usable.
#[derive(Clone, Debug, PartialEq)]
pub struct PlanParams {
    /// How many examples to add. Default 10 % of the distinct texts.
    pub budget: Budget,
    /// The most that synthetic texts, those added and those already there, may be of the resulting corpus, from 0 to
    /// below 1. Default 0.2.
    pub synthetic_share: f64,
}

impl Default for PlanParams {
    fn default() -> Self {
        Self { budget: Budget::Share(0.1), synthetic_share: 0.2 }
    }
}

impl PlanParams {
    /// Checks every setting.
    ///
    /// # Errors
    /// [`Error::Setting`] for the first value out of its range.
    pub fn check(self) -> Result<ValidPlanParams> {
        if let Budget::Share(share) = self.budget
            && !(share.is_finite() && share >= 0.0)
        {
            let expected = "a share of the distinct texts, 0 or more".to_owned();
            return Err(Error::Setting { setting: "budget", expected, got: share.to_string() });
        }
        if !(0.0..1.0).contains(&self.synthetic_share) {
            let (expected, got) = ("a share from 0 to below 1".to_owned(), self.synthetic_share.to_string());
            return Err(Error::Setting { setting: "synthetic_share", expected, got });
        }
        Ok(ValidPlanParams(self))
    }
}

/// Settings that passed [`PlanParams::check`].
#[derive(Clone, Debug)]
pub struct ValidPlanParams(PlanParams);

/// Examples to add.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allocation {
    /// The budget asked for, as a number.
    pub asked: u64,
    /// The same, capped by the synthetic share.
    pub budget: u64,
    /// Examples for each class; their sum is the budget where any class has a target share.
    pub needed: Vec<u64>,
}

impl ValidPlanParams {
    /// The settings.
    #[must_use]
    pub fn params(&self) -> &PlanParams {
        &self.0
    }

    /// Distributes the budget over classes of `counts` distinct texts and `target` shares (see [`water_fill`]).
    /// `synthetic` of the texts are synthetic already; they count against the synthetic share.
    ///
    /// # Panics
    /// If the lengths differ.
    #[must_use]
    pub fn allocate(&self, counts: &[u64], target: &[f64], synthetic: u64) -> Allocation {
        let texts: u64 = counts.iter().sum();
        let asked = match self.0.budget {
            Budget::Examples(examples) => examples,
            // 10 % of 15,000 is 1,500, and not 1,500.0000000000002 rounded up.
            Budget::Share(share) => (share * texts as f64).round() as u64,
        };
        // (S + B) / (n + B) <= s where B <= (n s - S) / (1 - s). 1e-12 is for the rounding of n s and of the division;
        // below zero, the conversion gives 0.
        let share = self.0.synthetic_share;
        let most = (texts as f64 * share * (1.0 + 1e-12) - synthetic as f64) / (1.0 - share);
        let budget = asked.min((most * (1.0 + 1e-12)).floor() as u64);
        Allocation { asked, budget, needed: water_fill(counts, target, budget) }
    }
}

/// Distributes `budget` over classes of `counts` texts so that their levels count / target rise evenly from the lowest.
///
/// `target` holds shares in any unit; classes whose share is 0, negative or not a number get nothing. The parts sum to
/// `budget`, except that nothing is given where no class has a share. Of equal levels the smaller count is served
/// first, then the lower index.
///
/// # Panics
/// If the lengths differ.
#[must_use]
pub fn water_fill(counts: &[u64], target: &[f64], budget: u64) -> Vec<u64> {
    assert_eq!(counts.len(), target.len(), "one target share per class");
    let mut given = vec![0; counts.len()];
    let mut classes: Vec<usize> = (0..counts.len()).filter(|&c| target[c] > 0.0 && target[c].is_finite()).collect();
    if classes.is_empty() {
        return given;
    }
    // Whole examples below the level of the real solution belong to the solution in whole examples. One less of each
    // class, for the rounding of the level, and the rest one by one.
    let level = real_level(counts, target, &mut classes, budget);
    let mut left = budget;
    for &class in &classes {
        let below = (level * target[class] - counts[class] as f64).floor() as u64;
        given[class] = below.saturating_sub(1 + below / (1 << 50)).min(left);
        left -= given[class];
    }
    let turn = |class: usize, given: u64| Turn {
        level: (counts[class] + given + 1) as f64 / target[class],
        count: counts[class],
        class,
    };
    let mut turns: BinaryHeap<Turn> = classes.iter().map(|&class| turn(class, given[class])).collect();
    while left > 0 {
        let Some(next) = turns.pop() else { break };
        given[next.class] += 1;
        left -= 1;
        turns.push(turn(next.class, given[next.class]));
    }
    given
}

/// The L of the real solution. Sorts `classes` by their level.
fn real_level(counts: &[u64], target: &[f64], classes: &mut [usize], budget: u64) -> f64 {
    let level = |class: usize| counts[class] as f64 / target[class];
    classes.sort_by(|&a, &b| level(a).total_cmp(&level(b)).then(a.cmp(&b)));
    let (mut volume, mut width) = (budget as f64, 0.0);
    let mut reached = f64::INFINITY;
    for &class in classes.iter() {
        if level(class) >= reached {
            break;
        }
        volume += counts[class] as f64;
        width += target[class];
        reached = volume / width;
    }
    reached
}

/// A class and the level that one more example lifts it to. The greatest is the next to be served.
#[derive(Clone, Copy, PartialEq)]
struct Turn {
    level: f64,
    count: u64,
    class: usize,
}

impl Eq for Turn {}

impl Ord for Turn {
    fn cmp(&self, other: &Self) -> Ordering {
        let by_level = other.level.total_cmp(&self.level);
        by_level.then(other.count.cmp(&self.count)).then(other.class.cmp(&self.class))
    }
}

impl PartialOrd for Turn {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// One example at a time, to the lowest level.
    fn naive(counts: &[u64], target: &[f64], budget: u64) -> Vec<u64> {
        let mut given = vec![0; counts.len()];
        for _ in 0..budget {
            let level = |c: &usize| (counts[*c] + given[*c] + 1) as f64 / target[*c];
            let classes = (0..counts.len()).filter(|&c| target[c] > 0.0);
            let order = |a: &usize, b: &usize| level(a).total_cmp(&level(b)).then(counts[*a].cmp(&counts[*b]));
            let Some(next) = classes.min_by(order) else { break };
            given[next] += 1;
        }
        given
    }

    #[test]
    fn by_hand() {
        assert_eq!(water_fill(&[10, 2, 5], &[1.0; 3], 8), [0, 6, 2], "up to 8 or 7");
        assert_eq!(water_fill(&[10, 2, 5], &[1.0; 3], 3), [0, 3, 0]);
        assert_eq!(water_fill(&[10, 2, 5], &[1.0; 3], 19), [2, 10, 7]);
        assert_eq!(water_fill(&[0, 0], &[3.0, 1.0], 8), [6, 2]);
        assert_eq!(water_fill(&[4, 4], &[0.0, 1.0], 5), [0, 5]);
        assert_eq!(water_fill(&[4, 4], &[0.0, f64::NAN], 5), [0, 0]);
        assert_eq!(water_fill(&[], &[], 5), [0; 0]);
        assert_eq!(water_fill(&[7, 7, 3], &[1.0; 3], 0), [0, 0, 0]);
    }

    #[test]
    fn billions() {
        let given = water_fill(&[0, 1 << 40], &[1.0, 1.0], 1 << 41);
        assert_eq!(given.iter().sum::<u64>(), 1 << 41);
        assert_eq!(given[0], given[1] + (1 << 40));
    }

    proptest! {
        #[test]
        fn agrees_with_one_at_a_time(
            classes in prop::collection::vec((0u64..40, 0u32..9), 1..12), budget in 0u64..200,
        ) {
            let (counts, target): (Vec<u64>, Vec<f64>) = classes.iter().map(|&(n, q)| (n, f64::from(q))).unzip();
            prop_assert_eq!(water_fill(&counts, &target, budget), naive(&counts, &target, budget));
        }

        #[test]
        fn sums_levels_and_budgets(
            classes in prop::collection::vec((0u64..100_000, 0.001f64..9.0), 1..30), budget in 0u64..1_000_000,
        ) {
            let (counts, target): (Vec<u64>, Vec<f64>) = classes.into_iter().unzip();
            let given = water_fill(&counts, &target, budget);
            prop_assert_eq!(given.iter().sum::<u64>(), budget);
            let level = |c: usize, more: u64| (counts[c] + given[c] + more) as f64 / target[c];
            let reached = (0..counts.len()).filter(|&c| given[c] > 0).map(|c| level(c, 0)).fold(0.0, f64::max);
            for c in 0..counts.len() {
                prop_assert!(level(c, 1) >= reached, "a class below the level would have been served");
            }
            let more = water_fill(&counts, &target, budget + 1);
            prop_assert!(given.iter().zip(&more).all(|(given, more)| given <= more));
        }
    }

    #[test]
    fn budgets() {
        let plan =
            |params: PlanParams, synthetic| params.check().unwrap().allocate(&[100, 50, 30, 0], &[1.0; 4], synthetic);
        let needed = vec![0, 0, 0, 18];
        assert_eq!(plan(PlanParams::default(), 0), Allocation { asked: 18, budget: 18, needed });
        let all = |examples, synthetic| {
            let params = PlanParams { budget: Budget::Examples(examples), ..PlanParams::default() };
            plan(params, synthetic).budget
        };
        // 45 added to 180 are 20 % of 225.
        assert_eq!([45, 46, u64::MAX].map(|examples| all(examples, 0)), [45; 3]);
        // With 16 of the 180 synthetic, 25 more make 41 of 205, which are 20 %; with 36 the share is reached.
        assert_eq!([25, 26].map(|examples| all(examples, 16)), [25; 2]);
        assert_eq!([36, 37, 180].map(|synthetic| all(9, synthetic)), [0; 3]);
        let none = PlanParams::default().check().unwrap().allocate(&[], &[], 0);
        assert_eq!(none, Allocation { asked: 0, budget: 0, needed: vec![] });
    }

    proptest! {
        #[test]
        fn synthetic_texts_stay_below_their_share(
            texts in 0u64..1_000_000, synthetic in 0f64..1.0, share in 0f64..0.99, asked in 0u64..1_000_000,
        ) {
            let synthetic = (texts as f64 * synthetic) as u64;
            let params = PlanParams { budget: Budget::Examples(asked), synthetic_share: share };
            let budget = params.check().unwrap().allocate(&[texts], &[1.0], synthetic).budget;
            prop_assert!(budget <= asked);
            // How far a number of added texts is above the cap; 1e-4 texts are the tolerance at a million.
            let excess = |added: u64| (synthetic + added) as f64 - share * (texts + added) as f64;
            prop_assert!(budget == 0 || excess(budget) <= 1e-4, "{budget} of {asked}");
            prop_assert!(budget == asked || excess(budget + 1) > -1e-4, "{budget} of {asked} could be more");
        }
    }

    #[test]
    fn refused_settings() {
        for params in [
            PlanParams { budget: Budget::Share(-0.1), ..PlanParams::default() },
            PlanParams { budget: Budget::Share(f64::NAN), ..PlanParams::default() },
            PlanParams { synthetic_share: 1.0, ..PlanParams::default() },
            PlanParams { synthetic_share: -0.1, ..PlanParams::default() },
        ] {
            assert!(matches!(params.check(), Err(Error::Setting { .. })));
        }
    }
}
