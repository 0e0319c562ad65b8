//! What a profile holds, and what can be told from it.
//!
//! Rows are counted exactly. Distinct texts cannot be added up over parts, so they are counted in the census, and where
//! that is full or missing, and in every leaf, estimated from the smallest hashes:
//! ```text
//! texts of a leaf = rows of the leaf * (sampled texts of the leaf / their rows)
//! distinct texts  = (n - 1) / h_n       h_n: the largest of the n smallest hashes, as a number from 0 to 1
//! ```
//! The second is the estimator of n smallest values (Bar-Yossef et al. 2002, <https://doi.org/10.1007/3-540-45726-7_1>)
//! in its unbiased form (Beyer et al. 2007, <https://doi.org/10.1145/1247480.1247504>); its relative standard error is
//! about 1 / sqrt(n - 2): .1 % for a full census, 1 % for a sample of 10,000 texts. The first is exact while the sample holds
//! all texts, the second while the census does.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{Census, HELD_OUT, LEAST_TEXTS_TO_HALVE, LeafSums, Prototypes, Sample};
use crate::cluster::Codebook;
use crate::corpus::ContentHash;
use crate::embed::EncoderId;
use crate::vectors::moments::Moments;

/// Records that a profile may have observed: sums of squared distances, each up to 4, then fit into 63 bits.
pub const MOST_ROWS: u64 = (1 << 29) - 1;

/// A corpus under a frozen codebook.
///
/// It names no file, no time and no machine: the same rows, seed and version give the same bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    /// What made the vectors.
    pub encoder: EncoderId,
    /// The centroids, every component a half-precision number.
    pub codebook: Codebook,
    /// A name for every leaf, of the texts that the codebook was made from.
    pub leaf_names: Vec<String>,
    /// A name for every region.
    pub region_names: Vec<String>,
    /// What was counted and summed up.
    pub observed: Observed,
    /// What outlier scores are told from without a sample; `None` where the codebook comes from a file without them, as
    /// the first files of version 1 are.
    pub prototypes: Option<Prototypes>,
    /// Which texts there were; `None` in a compact profile, and in one that comes from a file without it, as the first
    /// files of version 1 are.
    pub census: Option<Census>,
    /// Single texts; `None` in a compact profile.
    pub sample: Option<Sample>,
    /// Where it comes from.
    pub provenance: Provenance,
}

/// What adds up exactly. Sums go over rows with text: a text that n rows have counts n times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observed {
    /// Records, those without text included; at most [`MOST_ROWS`].
    pub rows: u64,
    /// Records without text.
    pub empty: u64,
    /// Rows that could not be read.
    pub bad_rows: u64,
    /// Records marked synthetic, which were left out: no other figure counts them.
    pub synthetic: u64,
    /// Sums over the rows of every leaf.
    pub leaves: Vec<LeafSums>,
    /// First and second moments of the vectors.
    pub moments: Moments,
    /// Rows with text of every source; rows without a source are not listed.
    pub sources: BTreeMap<String, u64>,
    /// Rows with text of every label; rows without a label are not listed.
    pub labels: BTreeMap<String, u64>,
    /// Rows with text of every licence, as it is written; rows without a licence are not listed. Empty where no row says
    /// what its licence is, and in what comes from files of earlier versions.
    pub licences: BTreeMap<String, u64>,
}

/// Where a profile comes from, as far as it does not depend on how the corpus was divided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provenance {
    /// The versions of semcov that observed the rows.
    pub versions: BTreeSet<String>,
    /// The seed that the codebook was fitted with.
    pub seed: u64,
    /// Whether rows that the codebook was fitted to are among the observed.
    pub fitted: bool,
    /// The digest of the observed rows.
    pub digest: MultisetDigest,
}

/// A digest of a multiset of texts: the sum, in four lanes of 64 bits, of the BLAKE3 digests of all rows' content hashes.
///
/// It depends neither on the order of rows nor on the files they stand in, which is why it is kept instead of digests
/// of files. It tells corpora apart; against somebody who looks for two corpora of the same digest it is not made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MultisetDigest(pub [u64; 4]);

impl MultisetDigest {
    /// Adds a text that `rows` rows have.
    pub(super) fn add(&mut self, hash: ContentHash, rows: u64) {
        let digest = blake3::hash(&hash.0);
        for (lane, bytes) in self.0.iter_mut().zip(digest.as_bytes().chunks_exact(8)) {
            let value = bytes.iter().rev().fold(0_u64, |value, &byte| (value << 8) | u64::from(byte));
            *lane = lane.wrapping_add(value.wrapping_mul(rows));
        }
    }

    /// The digest of both multisets together.
    #[must_use]
    pub fn merged(self, other: Self) -> Self {
        Self(std::array::from_fn(|lane| self.0[lane].wrapping_add(other.0[lane])))
    }
}

impl fmt::Display for MultisetDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|lane| write!(f, "{lane:016x}"))
    }
}

impl From<MultisetDigest> for String {
    fn from(digest: MultisetDigest) -> Self {
        digest.to_string()
    }
}

impl FromStr for MultisetDigest {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let hex = text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let lane = |lane: usize| u64::from_str_radix(text.get(lane * 16..(lane + 1) * 16)?, 16).ok();
        let lanes = || Some(Self([lane(0)?, lane(1)?, lane(2)?, lane(3)?]));
        if hex { lanes() } else { None }.ok_or_else(|| "expected 64 hexadecimal digits".to_owned())
    }
}

impl TryFrom<String> for MultisetDigest {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl Profile {
    /// Rows with text.
    #[must_use]
    pub fn rows_with_text(&self) -> u64 {
        self.observed.rows - self.observed.empty
    }

    /// Rows of every leaf.
    #[must_use]
    pub fn rows_per_leaf(&self) -> Vec<u64> {
        self.observed.leaves.iter().map(LeafSums::all_rows).collect()
    }

    /// Distinct texts of every leaf: exact while census or sample hold all texts, estimated beyond that, and the rows in a
    /// compact profile. A leaf of which the sample has no text is taken to repeat its texts as all leaves do. Never more
    /// than the leaf's rows, and never 0 where there are rows.
    #[must_use]
    pub fn texts_per_leaf(&self) -> Vec<u64> {
        match &self.census {
            Some(census) if census.is_complete() => census.texts_per_leaf(self.observed.leaves.len(), census),
            _ => self.estimated_texts(LeafSums::all_rows, |_| true),
        }
    }

    /// [`texts_per_leaf`](Self::texts_per_leaf) of the texts of one [`half`](super::half).
    ///
    /// # Panics
    /// If `half` is neither 0 nor 1.
    #[must_use]
    pub fn texts_per_leaf_of_half(&self, half: usize) -> Vec<u64> {
        self.estimated_texts(|leaf| leaf.rows[half], |of_text| of_text == half)
    }

    /// The distinct texts of every leaf that its codebook was not fitted to: those of the held-out half, or all, of a
    /// corpus that is too small to halve or came after the codebook.
    #[must_use]
    pub fn held_out_texts_per_leaf(&self) -> Vec<u64> {
        let halved = self.distinct_texts() >= LEAST_TEXTS_TO_HALVE;
        if self.provenance.fitted && halved { self.texts_per_leaf_of_half(HELD_OUT) } else { self.texts_per_leaf() }
    }

    fn estimated_texts(&self, rows: impl Fn(&LeafSums) -> u64, counts: impl Fn(usize) -> bool) -> Vec<u64> {
        let rows: Vec<u64> = self.observed.leaves.iter().map(rows).collect();
        let Some(sample) = &self.sample else { return rows };
        // Per leaf, and at last over all, the sampled texts and their rows.
        let mut sampled = vec![(0_u64, 0_u64); rows.len() + 1];
        for i in (0..sample.len()).filter(|&i| counts(sample.half(i))) {
            for place in [sample.leaves[i] as usize, rows.len()] {
                sampled[place].0 += 1;
                sampled[place].1 += u64::from(sample.rows[i]);
            }
        }
        let overall = sampled[rows.len()];
        let texts = |(&rows, &of_leaf): (&u64, &(u64, u64))| {
            let (texts, of_rows) = if of_leaf.1 > 0 { of_leaf } else { overall };
            if of_rows == 0 {
                return rows;
            }
            let product = u128::from(rows) * u128::from(texts);
            let rounded = (product + u128::from(of_rows / 2)) / u128::from(of_rows);
            (rounded as u64).clamp(rows.min(1), rows)
        };
        rows.iter().zip(&sampled).map(texts).collect()
    }

    /// Distinct texts: exact while census or sample have all of them, estimated beyond that, and the rows with text in a
    /// compact profile. Never more than the rows with text.
    #[must_use]
    pub fn distinct_texts(&self) -> u64 {
        let rows = self.rows_with_text();
        let Some((hashes, complete)) = self.smallest_hashes() else { return rows };
        let n = hashes.len() as u64;
        match hashes.last() {
            Some(&last) if !complete => distinct_from_smallest(n, last).min(rows),
            _ => n,
        }
    }

    /// Whether [`distinct_texts`](Self::distinct_texts) is their exact number.
    #[must_use]
    pub fn distinct_texts_exact(&self) -> bool {
        self.smallest_hashes().is_some_and(|(_, complete)| complete)
    }

    /// The smallest hashes that the profile keeps, and whether they are those of all texts: of census and sample, the
    /// shorter list is the beginning of the longer one.
    fn smallest_hashes(&self) -> Option<(&[u64], bool)> {
        let of_census = self.census.as_ref().map(|census| (census.hashes(), census.is_complete()));
        let of_sample = self.sample.as_ref().map(|sample| (sample.hashes.as_slice(), !sample.is_full()));
        of_census.into_iter().chain(of_sample).max_by_key(|(hashes, complete)| (hashes.len(), *complete))
    }
}

/// Distinct texts of which `n` have the smallest hashes, the largest of these being `last`: an unbiased estimate, at
/// least n.
pub(crate) fn distinct_from_smallest(n: u64, last: u64) -> u64 {
    let largest = (last as f64 + 1.0) / 2.0_f64.powi(64);
    ((n.saturating_sub(1) as f64 / largest).round() as u64).max(n)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_add_up_and_are_read_back() {
        let hash = |text: &str| ContentHash::of_normalized(text);
        let mut whole = MultisetDigest::default();
        whole.add(hash("a"), 3);
        whole.add(hash("b"), 1);
        let (mut one, mut other) = (MultisetDigest::default(), MultisetDigest::default());
        one.add(hash("a"), 2);
        other.add(hash("b"), 1);
        other.add(hash("a"), 1);
        assert_eq!(one.merged(other), whole);
        assert_eq!(whole.to_string().parse(), Ok(whole));
        let mut single = MultisetDigest::default();
        single.add(hash("a"), 1);
        let lanes: Vec<u8> = single.0.iter().flat_map(|lane| lane.to_le_bytes()).collect();
        assert_eq!(lanes, blake3::hash(&hash("a").0).as_bytes());
        for text in ["", "+1", &"0".repeat(63), &"g".repeat(64), &"é".repeat(32)] {
            assert!(text.parse::<MultisetDigest>().is_err(), "{text}");
        }
    }
}
