//! The census of a profile: which texts there were, as far as 64 bits of their hashes tell.
//!
//! A census holds the first eight bytes of the content hashes of all distinct texts, up to [`CENSUS_TEXTS`], each with the
//! text's leaf; of more texts the smallest hashes, a bottom-k sample as [`Sample`](super::Sample) is (Broder 1997,
//! <https://doi.org/10.1109/SEQUEN.1997.666900>). The smallest of two sets are the smallest of their smallest, so the
//! census of a union is that of the censuses' union, exactly.
//!
//! Of a census that is not complete nothing can be said beyond its largest hash, and everything up to there. Two censuses
//! are compared in the range that both know. A hash says nothing about meaning, so that is a random share of the texts:
//! ```text
//! (h + 1) / 2^64      h: the smaller of the largest hashes of those that are not complete
//! ```
//!
//! Departure: texts whose hashes agree in their first eight bytes are taken as one (at 10^6 texts, a pair in one of
//! 4 * 10^7 corpora).
//!
//! Cost: 10 bytes a text, so 10 MB at most.

use crate::corpus::ContentHash;

/// Texts that a census may have.
pub const CENSUS_TEXTS: usize = 1_000_000;

/// The first eight bytes of the content hashes of all distinct texts, or of the [`CENSUS_TEXTS`] smallest of them: of more
/// texts than that it says everything up to its largest hash, and nothing beyond.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Census {
    /// Ascending, all different.
    hashes: Vec<u64>,
    /// The leaves of the texts, in the same order.
    leaves: Vec<u32>,
    /// Texts that it may have, at least 1.
    limit: usize,
}

/// How the texts of one census differ from those of another, in the range of hashes that both know.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CensusChanges {
    /// Texts that only the other census has.
    pub added: u64,
    /// Texts that the other census lacks.
    pub removed: u64,
    /// Texts that both have.
    pub kept: u64,
    /// The share of all possible hashes that this range is, over 0, at most 1: the share of the texts that is expected in
    /// it. It is 1 where both censuses are complete, and the counts are then those of all texts.
    pub judged_share: f64,
}

impl Census {
    /// The census of texts with these hashes, which ascend, in these leaves.
    pub(super) fn of(hashes: &[ContentHash], leaves: &[u32]) -> Self {
        Self::limited(hashes.iter().map(ContentHash::prefix).zip(leaves.iter().copied()), CENSUS_TEXTS)
    }

    /// The smallest of hashes that do not descend; of equal ones the smallest leaf.
    fn limited(texts: impl Iterator<Item = (u64, u32)>, limit: usize) -> Self {
        let mut census = Self { hashes: Vec::new(), leaves: Vec::new(), limit };
        for (hash, leaf) in texts {
            if census.hashes.last() == Some(&hash) {
                if let Some(last) = census.leaves.last_mut() {
                    *last = leaf.min(*last);
                }
                continue;
            }
            if census.len() == limit {
                break;
            }
            census.hashes.push(hash);
            census.leaves.push(leaf);
        }
        census
    }

    /// The census of texts with these hashes in these leaves; `None` unless the hashes ascend, are all different, at most
    /// [`CENSUS_TEXTS`], and there is a leaf for each.
    pub(super) fn from_parts(hashes: Vec<u64>, leaves: Vec<u32>) -> Option<Self> {
        let valid = hashes.len() <= CENSUS_TEXTS && hashes.len() == leaves.len() && hashes.is_sorted_by(|a, b| a < b);
        valid.then_some(Self { hashes, leaves, limit: CENSUS_TEXTS })
    }

    /// The census of the union. Both have the same limit.
    pub(super) fn merged(&self, other: &Self) -> Self {
        let texts =
            Self::both(self, other).map(|(hash, leaves)| (hash, leaves.into_iter().flatten().min().unwrap_or(0)));
        Self::limited(texts, self.limit)
    }

    /// The hashes of either, ascending, each with the leaves that the first and the second census have it in.
    fn both<'a>(ours: &'a Self, theirs: &'a Self) -> impl Iterator<Item = (u64, [Option<u32>; 2])> + 'a {
        let texts = |census: &'a Self| census.hashes.iter().copied().zip(census.leaves.iter().copied()).peekable();
        let (mut ours, mut theirs) = (texts(ours), texts(theirs));
        std::iter::from_fn(move || {
            let next = [ours.peek(), theirs.peek()].into_iter().flatten().map(|(hash, _)| *hash).min()?;
            let is_next = |(hash, _): &(u64, u32)| *hash == next;
            Some((next, [ours.next_if(is_next), theirs.next_if(is_next)].map(|text| text.map(|(_, leaf)| leaf))))
        })
    }

    /// The leaves of the texts, in the order of their hashes.
    #[must_use]
    pub fn leaves(&self) -> &[u32] {
        &self.leaves
    }

    /// Texts of every one of `n` leaves, in the range of hashes that this census and another both know.
    pub(crate) fn texts_per_leaf(&self, n: usize, other: &Self) -> Vec<u64> {
        let up_to = self.known_up_to().min(other.known_up_to());
        let mut texts = vec![0; n];
        for (_, &leaf) in self.hashes.iter().zip(&self.leaves).take_while(|(hash, _)| **hash <= up_to) {
            texts[leaf as usize] += 1;
        }
        texts
    }

    /// The first eight bytes of the texts' content hashes, big-endian; ascending, all different.
    #[must_use]
    pub fn hashes(&self) -> &[u64] {
        &self.hashes
    }

    /// Number of hashes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.hashes.len()
    }

    /// Whether there is no hash.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.hashes.is_empty()
    }

    /// Whether it has all texts that were observed: fewer than it may have.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.len() < self.limit
    }

    /// Whether a text, of which these are the first eight bytes of the hash, is known not to have been observed.
    pub(crate) fn lacks(&self, hash: u64) -> bool {
        hash <= self.known_up_to() && self.hashes.binary_search(&hash).is_err()
    }

    /// Whether a text was observed; `None` where the census is not complete, and does not reach to its hash.
    #[must_use]
    pub fn contains(&self, hash: ContentHash) -> Option<bool> {
        let hash = hash.prefix();
        (hash <= self.known_up_to()).then(|| self.hashes.binary_search(&hash).is_ok())
    }

    /// The largest hash of which it is known whether a text has it.
    fn known_up_to(&self) -> u64 {
        if self.is_complete() { u64::MAX } else { self.hashes.last().copied().unwrap_or(u64::MAX) }
    }

    /// How the texts of `other`, the later census, differ from those of this one.
    #[must_use]
    pub fn changes(&self, other: &Self) -> CensusChanges {
        let up_to = self.known_up_to().min(other.known_up_to());
        let judged_share = (up_to as f64 + 1.0) / 2.0_f64.powi(64);
        let mut changes = CensusChanges { added: 0, removed: 0, kept: 0, judged_share };
        for (_, leaves) in Self::both(self, other).take_while(|(hash, _)| *hash <= up_to) {
            match leaves.map(|leaf| leaf.is_some()) {
                [true, true] => changes.kept += 1,
                [true, false] => changes.removed += 1,
                [false, _] => changes.added += 1,
            }
        }
        changes
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn hash(prefix: u64) -> ContentHash {
        let mut bytes = [7; 16];
        bytes[..8].copy_from_slice(&prefix.to_be_bytes());
        ContentHash(bytes)
    }

    fn census(hashes: impl IntoIterator<Item = u64>, limit: usize) -> Census {
        let hashes = hashes.into_iter().collect::<BTreeSet<u64>>();
        Census::limited(hashes.into_iter().map(|hash| (hash, (hash % 7) as u32)), limit)
    }

    #[test]
    fn by_hand() {
        const QUARTER: u64 = 1 << 62;
        let old = census([3, 5, QUARTER - 1, 2 * QUARTER], 3);
        assert_eq!((old.hashes(), old.is_complete()), (&[3, 5, QUARTER - 1][..], false));
        assert_eq!(
            [5, 6, QUARTER - 1, QUARTER].map(|of| old.contains(hash(of))),
            [Some(true), Some(false), Some(true), None]
        );
        let new = census([4, 5, 3 * QUARTER], 9);
        assert!(new.is_complete() && new.contains(hash(u64::MAX)) == Some(false));
        // The last of the new hashes is beyond what the old census knows.
        let changes = CensusChanges { added: 1, removed: 2, kept: 1, judged_share: 0.25 };
        assert_eq!(old.changes(&new), changes);
        assert_eq!(new.changes(&old), CensusChanges { added: 2, removed: 1, ..changes });
        let none = census([], 9);
        let all = CensusChanges { added: 3, removed: 0, kept: 0, judged_share: 1.0 };
        assert_eq!((none.is_empty(), none.changes(&new)), (true, all));
        // 3, 5 and 2^62 - 1 leave 3, 5 and 3 when divided by 7; 2^63 is beyond what the other knows.
        assert_eq!(old.texts_per_leaf(7, &new), [0, 0, 0, 2, 0, 1, 0]);
        assert_eq!(new.texts_per_leaf(7, &old), [0, 0, 0, 0, 1, 1, 0]);
        // As many as there may be: there may have been more.
        assert!(!census([1, 2], 2).is_complete() && census([1], 2).is_complete());
    }

    #[test]
    fn of_texts_whose_hashes_begin_alike() {
        let mut other = hash(9);
        other.0[15] = 8;
        let census = Census::of(&[hash(1), hash(9), other], &[0, 2, 1]);
        assert_eq!(census.leaves(), [0, 1]);
        assert_eq!((census.hashes(), census.is_complete()), (&[1, 9][..], true));
        assert_eq!(census.contains(other), Some(true));
    }

    #[test]
    fn only_what_could_be_a_census() {
        assert_eq!(Census::from_parts(vec![1, 1], vec![0, 0]), None);
        assert_eq!(Census::from_parts(vec![2, 1], vec![0, 0]), None);
        assert_eq!(Census::from_parts((0..=CENSUS_TEXTS as u64).collect(), vec![0; CENSUS_TEXTS + 1]), None);
        let full = Census::from_parts((0..CENSUS_TEXTS as u64).collect(), vec![0; CENSUS_TEXTS]).unwrap();
        assert!(!full.is_complete() && full.contains(hash(CENSUS_TEXTS as u64)).is_none());
        assert_eq!(Census::from_parts(vec![1], vec![]), None);
        assert_eq!(Census::from_parts(vec![1, 2], vec![3, 4]).unwrap(), Census::of(&[hash(1), hash(2)], &[3, 4]));
    }

    proptest! {
        /// Against the sets themselves: hashes below 60, so that sets overlap, as the highest bits.
        #[test]
        fn as_the_sets_are(
            a in prop::collection::btree_set(0_u64..60, 0..40),
            b in prop::collection::btree_set(0_u64..60, 0..40),
            c in prop::collection::btree_set(0_u64..60, 0..40),
            limit in 1_usize..50,
        ) {
            let [a, b, c] = [a, b, c].map(|set| set.into_iter().map(|hash| hash << 58).collect::<BTreeSet<u64>>());
            let of = |set: &BTreeSet<u64>| census(set.iter().copied(), limit);
            let whole: BTreeSet<u64> = a.iter().chain(&b).chain(&c).copied().collect();
            prop_assert_eq!(of(&a).merged(&of(&b)).merged(&of(&c)), of(&whole));
            prop_assert_eq!(of(&c).merged(&of(&a).merged(&of(&b))), of(&whole));

            let known = |set: &BTreeSet<u64>, hash| set.len() < limit || hash <= *set.iter().nth(limit - 1).unwrap();
            for text in 0..64 {
                let text = text << 58;
                let expected = known(&a, text).then(|| a.contains(&text));
                prop_assert_eq!(of(&a).contains(hash(text)), expected);
            }
            let changes = of(&a).changes(&of(&b));
            let judged = |&&text: &&u64| known(&a, text) && known(&b, text);
            let count = |texts: Vec<&u64>| texts.iter().filter(|text| judged(text)).count() as u64;
            prop_assert_eq!(changes.added, count(b.difference(&a).collect()));
            prop_assert_eq!(changes.removed, count(a.difference(&b).collect()));
            prop_assert_eq!(changes.kept, count(a.intersection(&b).collect()));
            let complete = of(&a).is_complete() && of(&b).is_complete();
            prop_assert_eq!(complete, changes.judged_share >= 1.0);
        }
    }
}
