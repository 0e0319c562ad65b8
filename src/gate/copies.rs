//! How many texts tell as much as one independent text: the design effect of near copies and groups.
//!
//! Near copies come and go together, and so do the turns of a conversation. Of n texts of which those of one group are as
//! one draw, the count varies as that of n / D independent ones (Kish 1965; Rao & Scott 1992,
//! <https://doi.org/10.2307/2532311>):
//! ```text
//! D = sum m_g^2 / sum m_g = 1 + 2 pairs / n        m_g: texts of group g, pairs: of texts that share a group
//! ```
//! Pairs are counted in the profile's sample: of a share f of the texts, f^2 of the pairs are to be expected.
//!
//! Two texts of a region are near if their cosine is [`NEAR`] or more. But in a narrow region independent texts are near
//! each other, too. How often, is seen across the corpora: a pair of a text of the baseline and a text that is new is
//! none of copies. So, in the sample, of P near pairs within a region's n texts on one side, and X of those across,
//! ```text
//! D = 1 + (2 C / f + v d) / (n + v)        C = (1 - s) P + G        s = min(1, (X + w s_0) / (Y + w))
//! ```
//! with G the pairs that share a group (`--group-by`; P does not count them), Y = P `n_a` `n_new` / (n (n - 1) / 2) the pairs
//! across that were to be expected if all of P were independent texts, `s_0` = (sum X + w) / (sum Y + w) over all regions,
//! w = [`PAIRS`], and d = sum 2 C / f over sum n, the average by which few texts are shrunk, v = [`TEXTS`]. Without new
//! texts s is 1: nothing was drawn anew, and what is gone is gone. What stays or goes is no draw of copies either, but it may
//! be one of groups: D of G alone.
//!
//! *What is left behind.* A text that is gone while a copy of it stays has left its meaning behind: that is what removing
//! copies does. Of the baseline's texts those are counted that have a cosine of .95 or more to a text of their region that
//! both corpora have, at most [`EXCUSED`] for each of these: a hundred texts of a narrow topic are no copies of the one that
//! stays. [`super::compare`] leaves them out.
//!
//! Exact copies are one text before any of that. No group is formed, so none can chain.
//!
//! Cost: (`n_a`^2 + `n_b`^2) / 2 + `n_a` `n_new` products of dim multiplications for a region's sampled texts.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use rayon::prelude::*;

use crate::profile::{Profile, Sample};
use crate::progress::Silent;
use crate::screen::NEAR_COPY;
use crate::stats::Copies;
use crate::vectors::{EmbeddingMatrix, Rows, knn, tile};

/// Cosine from which on two texts are near.
const NEAR: f32 = 0.9;

/// Texts that are gone which one that stays can stand for.
const EXCUSED: usize = 3;

/// Pairs across by which a region's share of independent pairs is shrunk to that of the corpus.
const PAIRS: f64 = 5.0;

/// Texts by which a region's design effect is shrunk to that of the corpus.
const TEXTS: f64 = 20.0;

/// The design effects of every region: of what the baseline has, and of what came; of what stays or goes those of groups
/// alone, the larger of both sides. 1 where a side is compact, and nothing is known.
pub(super) fn design_effects(baseline: &Profile, current: &Profile) -> Vec<Copies> {
    let regions = baseline.codebook.n_regions();
    let (Some(before), Some(now)) = (&baseline.sample, &current.sample) else {
        return vec![Copies::NONE; regions];
    };
    let sides = [Side::of(baseline, before), Side::of(current, now)];
    let is_new = |text: &u32| {
        let hash = now.hashes[*text as usize];
        baseline.census.as_ref().is_some_and(|census| census.lacks(hash))
    };
    let counted: Vec<[Pairs; 2]> = (0..regions)
        .into_par_iter()
        .map(|region| {
            let [a, b] = sides.each_ref().map(|side| side.members[region].as_slice());
            let new: Vec<u32> = b.iter().filter(|text| is_new(text)).copied().collect();
            let across = near_pairs(Rows::of(&sides[0].vectors, a), Rows::of(&sides[1].vectors, &new), |_, _| true);
            [(&sides[0], a), (&sides[1], b)].map(|(side, members)| side.pairs(members, across, a.len() * new.len()))
        })
        .collect();
    let of_side = |side: usize| -> Vec<Effects> {
        let pairs: Vec<Pairs> = counted.iter().map(|pairs| pairs[side]).collect();
        effects(&pairs, sides[side].sampled_share)
    };
    let copies = |(before, now): (Effects, Effects)| Copies {
        kept: before.grouped.max(now.grouped),
        before: before.all,
        fresh: now.all,
    };
    of_side(0).into_iter().zip(of_side(1)).map(copies).collect()
}

/// The sampled texts of one side.
struct Side<'a> {
    sample: &'a Sample,
    vectors: EmbeddingMatrix,
    /// Of every region.
    members: Vec<Vec<u32>>,
    /// f
    sampled_share: f64,
}

/// What was counted of a region on one side.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Pairs {
    /// n
    texts: u64,
    /// P: within the side, of no common group.
    near: u64,
    /// G: of a common group.
    grouped: u64,
    /// X
    across: u64,
    /// `n_a n_new`
    all_across: u64,
}

impl<'a> Side<'a> {
    fn of(profile: &Profile, sample: &'a Sample) -> Self {
        let mut members: Vec<Vec<u32>> = vec![Vec::new(); profile.codebook.n_regions()];
        for (text, &leaf) in (0..).zip(&sample.leaves) {
            members[profile.codebook.region_of_leaf[leaf as usize] as usize].push(text);
        }
        let sampled_share = (sample.len() as f64 / profile.distinct_texts().max(1) as f64).min(1.0);
        Self { sample, vectors: sample.matrix(profile.codebook.dim), members, sampled_share }
    }

    fn pairs(&self, members: &[u32], across: u64, all_across: usize) -> Pairs {
        let group = |i: usize| self.sample.groups[members[i] as usize];
        let mut sizes: BTreeMap<u64, u64> = BTreeMap::new();
        for group in (0..members.len()).map(group).filter(|&group| group != 0) {
            *sizes.entry(group).or_default() += 1;
        }
        let rows = Rows::of(&self.vectors, members);
        let apart = |i: usize, j: usize| i < j && (group(i) == 0 || group(i) != group(j));
        Pairs {
            texts: members.len() as u64,
            near: near_pairs(rows, rows, apart),
            grouped: sizes.values().map(|size| size * (size - 1) / 2).sum(),
            across,
            all_across: all_across as u64,
        }
    }
}

impl Pairs {
    /// Y
    fn expected_across(&self) -> f64 {
        let all = self.texts as f64 * (self.texts as f64 - 1.0) / 2.0;
        if all > 0.0 { self.near as f64 * self.all_across as f64 / all } else { 0.0 }
    }
}

/// Design effects of a region on one side.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Effects {
    /// D
    all: f64,
    /// Of groups alone.
    grouped: f64,
}

fn effects(regions: &[Pairs], sampled_share: f64) -> Vec<Effects> {
    let sum = |of: &dyn Fn(&Pairs) -> f64| regions.iter().map(of).sum::<f64>();
    let overall = (sum(&|pairs| pairs.across as f64) + PAIRS) / (sum(&Pairs::expected_across) + PAIRS);
    let near_copies = |pairs: &Pairs| {
        let independent = ((pairs.across as f64 + PAIRS * overall) / (pairs.expected_across() + PAIRS)).min(1.0);
        (1.0 - independent) * pairs.near as f64
    };
    let grouped = |pairs: &Pairs| pairs.grouped as f64;
    let texts = sum(&|pairs| pairs.texts as f64).max(1.0);
    let averages = [sum(&near_copies), sum(&grouped)].map(|pairs| 2.0 * pairs / (sampled_share * texts));
    let effect =
        |pairs: f64, average: f64, texts: u64| (2.0 * pairs / sampled_share + TEXTS * average) / (texts as f64 + TEXTS);
    let of_region = |pairs: &Pairs| {
        let near = effect(near_copies(pairs), averages[0], pairs.texts);
        let grouped = effect(grouped(pairs), averages[1], pairs.texts);
        Effects { all: 1.0 + near + grouped, grouped: 1.0 + grouped }
    };
    regions.iter().map(of_region).collect()
}

/// The share of every leaf's texts in the baseline, 0 to 1, that are gone while a copy of them stays.
pub(super) fn left_behind(baseline: &Profile, current: &Profile) -> Vec<f64> {
    let mut found = vec![(0_u64, 0_u64); baseline.codebook.n_leaves()];
    let (Some(sample), Some(census)) = (&baseline.sample, &current.census) else { return vec![0.0; found.len()] };
    let side = Side::of(baseline, sample);
    let near_one_that_stays = |members: &Vec<u32>| -> Vec<u32> {
        let (gone, stay): (Vec<u32>, Vec<u32>) =
            members.iter().partition(|&&text| census.lacks(sample.hashes[text as usize]));
        let nearest = knn::nearest(Rows::of(&side.vectors, &gone), Rows::of(&side.vectors, &stay), 1, &Silent);
        let mut stands_for = vec![0; stay.len()];
        let is_copy = |&place: &usize| {
            let (found, similarity) = nearest.of(place);
            let Some(&of) = found.first().filter(|_| similarity[0] >= NEAR_COPY) else { return false };
            stands_for[of as usize] += 1;
            stands_for[of as usize] <= EXCUSED
        };
        (0..gone.len()).filter(is_copy).map(|place| gone[place]).collect()
    };
    let texts: Vec<Vec<u32>> = side.members.par_iter().map(near_one_that_stays).collect();
    for &leaf in &sample.leaves {
        found[leaf as usize].1 += 1;
    }
    for &text in texts.iter().flatten() {
        found[sample.leaves[text as usize] as usize].0 += 1;
    }
    // Of the copies that stay, the sample has a part as well.
    let share = |(near, texts): (u64, u64)| (near as f64 / (side.sampled_share * texts.max(1) as f64)).min(1.0);
    found.into_iter().map(share).collect()
}

/// Pairs of a row and another that are near and count.
fn near_pairs(rows: Rows<'_>, others: Rows<'_>, counts: impl Fn(usize, usize) -> bool + Sync) -> u64 {
    if rows.is_empty() || others.is_empty() {
        return 0;
    }
    let found = AtomicU64::new(0);
    let tiles = vec![(); rows.len().div_ceil(tile::ROWS)];
    tile::for_each(rows, &tile::columns(others), tiles.into_par_iter().enumerate(), |(tile, ()), columns| {
        let row = *tile * tile::ROWS + columns.row_in_tile;
        let near = (columns.column..).zip(columns.values).filter(|(_, cosine)| **cosine >= NEAR);
        let near = near.filter(|&(other, _)| counts(row, other)).count();
        found.fetch_add(near as u64, Ordering::Relaxed);
    });
    found.into_inner()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vectors::at;

    #[test]
    fn pairs_by_hand() {
        // arccos .9 is 25.8 degrees: the first three are near each other but for the first and the third.
        let rows = at(&[0.0, 20.0, 40.0, 100.0, 180.0]);
        assert_eq!(near_pairs(Rows::from(&rows), Rows::from(&rows), |i, j| i < j), 2);
        let others = at(&[10.0, 190.0]);
        assert_eq!(near_pairs(Rows::from(&rows), Rows::from(&others), |_, _| true), 3);
        assert_eq!(near_pairs(Rows::from(&rows), Rows::from(&at(&[])), |_, _| true), 0);
    }

    #[test]
    fn effects_by_hand() {
        let tripled = Pairs { texts: 30, near: 30, ..Pairs::default() };
        let effect = |pairs: Pairs, sampled_share: f64| effects(&[pairs], sampled_share)[0].all;
        // Nothing came: nothing was drawn in copies.
        assert_eq!(effect(tripled, 1.0), 1.0);
        // Much came, and nothing of it is near: every near pair is one of copies. Three of each: D = 3.
        let copied = |pairs: Pairs| Pairs { all_across: 1_000_000_000, ..pairs };
        assert!((effect(copied(tripled), 1.0) - 3.0).abs() < 1e-3);
        // A tenth of the texts has a hundredth of the pairs.
        let sampled = copied(Pairs { texts: 300, near: 30, ..Pairs::default() });
        assert!((effect(sampled, 0.1) - 3.0).abs() < 1e-3);
        // As near across as within: 30 of 435 pairs, and 67 of 900.
        let narrow = Pairs { across: 67, all_across: 900, ..tripled };
        assert_eq!(effect(narrow, 1.0), 1.0);
        // Groups are what was said.
        let talks = effects(&[Pairs { grouped: 60, ..narrow }], 1.0)[0];
        assert_eq!((talks.all, talks.grouped), (5.0, 5.0));
        assert_eq!(effect(Pairs::default(), 1.0), 1.0);
        // A region of which little is known across takes after the others.
        let few = Pairs { texts: 10, near: 5, across: 0, all_across: 10, ..Pairs::default() };
        let found = effects(&[copied(tripled), few], 1.0)[1].all;
        assert!(found > effect(few, 1.0) + 0.5, "{found}");
    }
}
