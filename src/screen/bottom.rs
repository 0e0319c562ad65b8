//! A sample of distinct texts that does not depend on their order: those of smallest key.
//!
//! Content hashes have nothing to do with meaning: by them this is a random sample of the distinct texts, and all of them
//! while they are no more than the limit. How many there were is then estimated from the largest hash kept, as a
//! [`Profile`](crate::profile::Profile) does.

use std::collections::BTreeMap;

use crate::corpus::ContentHash;
use crate::profile::distinct_from_smallest;

/// Texts of smallest key, at most `limit`.
#[derive(Clone, Debug)]
pub(super) struct BottomTexts<K, T> {
    limit: usize,
    texts: BTreeMap<K, T>,
    /// Whether a text was left out.
    overflowed: bool,
}

impl<K: Ord, T> BottomTexts<K, T> {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, texts: BTreeMap::new(), overflowed: false }
    }

    /// Adds a text: `merge` is given the one of the same key that is there already, `make` makes a new one, if there
    /// is room for it or it displaces another.
    pub(super) fn add(&mut self, key: K, merge: impl FnOnce(&mut T), make: impl FnOnce() -> T) {
        if let Some(known) = self.texts.get_mut(&key) {
            merge(known);
        } else if self.texts.len() < self.limit {
            self.texts.insert(key, make());
        } else {
            self.overflowed = true;
            if self.texts.last_key_value().is_some_and(|(last, _)| key < *last) {
                self.texts.pop_last();
                self.texts.insert(key, make());
            }
        }
    }

    /// Whether all texts are here.
    pub(super) fn is_complete(&self) -> bool {
        !self.overflowed
    }

    pub(super) fn get(&self, key: &K) -> Option<&T> {
        self.texts.get(key)
    }

    pub(super) fn len(&self) -> usize {
        self.texts.len()
    }

    /// In the order of keys.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&K, &T)> {
        self.texts.iter()
    }
}

impl<T> BottomTexts<ContentHash, T> {
    /// The distinct texts that were added: exact while all are here, else estimated.
    pub(super) fn distinct(&self) -> u64 {
        let n = self.texts.len() as u64;
        match self.texts.last_key_value() {
            Some((last, _)) if self.overflowed => distinct_from_smallest(n, last.prefix()),
            _ => n,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_whatever_the_order() {
        let hash = |i: u32| ContentHash::of_bytes(&i.to_le_bytes());
        let fill = |order: &[u32]| {
            let mut texts = BottomTexts::new(100);
            for &i in order {
                texts.add(hash(i), |count| *count += 1, || 1);
            }
            texts
        };
        let forward: Vec<u32> = (0..5_000).collect();
        let backward: Vec<u32> = forward.iter().rev().copied().collect();
        let (a, b) = (fill(&forward), fill(&backward));
        assert!(a.iter().eq(b.iter()) && !a.is_complete());
        // A relative standard error of about 10 %.
        assert!((3_500..6_500).contains(&a.distinct()), "{}", a.distinct());
        let twice = fill(&[&forward[..50], &forward[..50]].concat());
        assert!(twice.is_complete() && twice.iter().all(|(_, &count)| count == 2));
        assert_eq!((twice.distinct(), twice.len()), (50, 50));
    }
}
