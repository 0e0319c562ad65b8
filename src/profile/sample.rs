//! The sample of a profile: the texts of smallest content hash.
//!
//! A hash says nothing about meaning, so the sample is a random one; and the smallest of two sets are the smallest of
//! their smallest, so the sample of a union is the sample of the samples' union, exactly: a bottom-k sample (Broder
//! 1997, <https://doi.org/10.1109/SEQUEN.1997.666900>).
//!
//! Departures:
//! 1. Texts whose hashes agree in their first eight bytes are taken as one (at 10^8 texts, a pair in one of 4,000 corpora).
//! 2. Vectors are kept in 8 bits a component, scaled by their largest one. Their length is 1, so the scale is not kept.
//!
//! Cost: `limit` x dim bytes.

use std::collections::BTreeMap;

use crate::cluster::{Assignment, Codebook};
use crate::corpus::{TextTally, cut};
use crate::embed::EmbeddedCorpus;
use crate::map::{MapPoint, POINT_CHARACTERS, Side};
use crate::vectors::EmbeddingMatrix;
use crate::{Error, Result};

/// What to keep of single texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SampleParams {
    /// Texts to keep, at least 1; `None` keeps none, and no [`Census`](super::Census) either (a *compact* profile).
    /// Default 10,000.
    pub limit: Option<usize>,
    /// Whether to keep their first 300 characters as well. Default false.
    pub texts: bool,
}

impl Default for SampleParams {
    fn default() -> Self {
        Self { limit: Some(10_000), texts: false }
    }
}

impl SampleParams {
    /// Checks the limit.
    ///
    /// # Errors
    /// [`Error::Setting`] for a limit of 0.
    pub(super) fn check(&self) -> Result<()> {
        if self.limit == Some(0) {
            return Err(Error::Setting { setting: "sample", expected: "at least 1".to_owned(), got: "0".to_owned() });
        }
        Ok(())
    }
}

/// The texts of smallest content hash: parallel lists, in the order of hashes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Texts that the sample may have, at least 1. With fewer it has all that were observed.
    pub limit: usize,
    /// The first eight bytes of the content hashes, big-endian; ascending, all different. The lowest bit is the text's
    /// [`half`](super::half).
    pub hashes: Vec<u64>,
    /// The smallest id of the rows with the text.
    pub ids: Vec<String>,
    /// What the row with that id belongs to, as [`RecordTable::group_key`](crate::corpus::RecordTable::group_key): 0
    /// without a group. Of rows with equal ids the smallest.
    pub groups: Vec<u64>,
    /// Rows with the text, at most `u32::MAX`.
    pub rows: Vec<u32>,
    /// The leaf of the text.
    pub leaves: Vec<u32>,
    /// n x dim components, each 127 x over the largest |x| of its row, rounded; see [`matrix`](Self::matrix).
    pub vectors: Vec<i8>,
    /// The texts in normal form, cut to 300 characters; `None` if not kept.
    pub texts: Option<Vec<String>>,
}

/// A sampled text.
struct Entry {
    id: String,
    group: u64,
    rows: u32,
    content: Content,
}

/// What all rows with a text share. The order decides between texts whose hashes agree in eight bytes.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Content {
    vector: Vec<i8>,
    leaf: u32,
    text: Option<String>,
}

impl Entry {
    /// Adds the rows of the same text elsewhere.
    fn merge(&mut self, other: Self) {
        self.rows = self.rows.saturating_add(other.rows);
        if (&other.id, other.group) < (&self.id, self.group) {
            (self.id, self.group) = (other.id, other.group);
        }
        if other.content < self.content {
            self.content = other.content;
        }
    }
}

impl Sample {
    /// The sample of an embedded corpus; `text` gives the text of a record, if texts are to be kept.
    pub(super) fn of(
        embedded: &EmbeddedCorpus,
        assignment: &Assignment,
        tally: &TextTally,
        limit: usize,
        text: Option<&dyn Fn(u32) -> String>,
    ) -> Self {
        let mut entries: BTreeMap<u64, Entry> = BTreeMap::new();
        for (index, hash) in embedded.hashes.iter().enumerate() {
            let key = hash.prefix();
            if entries.len() == limit && !entries.contains_key(&key) {
                break;
            }
            let mut x = vec![0.0; embedded.vectors.dim()];
            embedded.vectors.read_row(index, &mut x);
            let kept = tally.kept[index] as usize;
            let entry = Entry {
                id: embedded.records.id(kept).to_owned(),
                group: embedded.records.group_key(kept),
                rows: u32::try_from(tally.rows[index]).unwrap_or(u32::MAX),
                content: Content {
                    vector: quantized(&x),
                    leaf: assignment.nearest[index],
                    text: text.map(|text| text(tally.kept[index])),
                },
            };
            add(&mut entries, key, entry);
        }
        Self::from_entries(limit, entries, text.is_some())
    }

    /// The sample of the union. Both have the same limit, and either both have texts or none.
    pub(super) fn merged(self, other: Self) -> Self {
        let (limit, with_texts) = (self.limit, self.texts.is_some());
        let mut entries = BTreeMap::new();
        for (key, entry) in self.into_entries().chain(other.into_entries()) {
            add(&mut entries, key, entry);
        }
        Self::from_entries(limit, entries, with_texts)
    }

    fn from_entries(limit: usize, entries: BTreeMap<u64, Entry>, with_texts: bool) -> Self {
        let mut sample = Self {
            limit,
            hashes: Vec::new(),
            ids: Vec::new(),
            groups: Vec::new(),
            rows: Vec::new(),
            leaves: Vec::new(),
            vectors: Vec::new(),
            texts: with_texts.then(Vec::new),
        };
        for (hash, entry) in entries.into_iter().take(limit) {
            sample.hashes.push(hash);
            sample.ids.push(entry.id);
            sample.groups.push(entry.group);
            sample.rows.push(entry.rows);
            sample.leaves.push(entry.content.leaf);
            sample.vectors.extend(entry.content.vector);
            if let Some(texts) = &mut sample.texts {
                texts.push(entry.content.text.unwrap_or_default());
            }
        }
        sample
    }

    fn into_entries(self) -> impl Iterator<Item = (u64, Entry)> {
        let dim = self.vectors.len() / self.hashes.len().max(1);
        let Self { hashes, ids, groups, rows, leaves, vectors, texts, .. } = self;
        let mut texts = texts.map(Vec::into_iter);
        hashes.into_iter().zip(ids).enumerate().map(move |(i, (hash, id))| {
            let vector = vectors[i * dim..][..dim].to_vec();
            let text = texts.as_mut().and_then(Iterator::next);
            let content = Content { vector, leaf: leaves[i], text };
            (hash, Entry { id, group: groups[i], rows: rows[i], content })
        })
    }

    /// Number of texts.
    #[must_use]
    pub fn len(&self) -> usize {
        self.hashes.len()
    }

    /// Whether there is no text.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.hashes.is_empty()
    }

    /// Whether it may lack texts that were observed: it has as many as it may have.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.len() >= self.limit
    }

    /// The half of text `i`, 0 or 1: see [`half`](super::half).
    #[must_use]
    pub fn half(&self, i: usize) -> usize {
        (self.hashes[i] & 1) as usize
    }

    /// The vectors, n x `dim`, of unit length again. Their 8 bits move a vector of 384 components by a cosine of about
    /// 1 - 1e-4.
    ///
    /// # Panics
    /// If the sample has vectors of another `dim`.
    #[must_use]
    pub fn matrix(&self, dim: usize) -> EmbeddingMatrix {
        let vectors: Vec<f32> = self.vectors.iter().map(|&x| f32::from(x)).collect();
        EmbeddingMatrix::from_f32(dim, &vectors)
    }

    /// The texts as points of a map, in their order, at these places; texts are shown if `show_text`, and the sample has
    /// them.
    pub(crate) fn map_points(
        &self,
        side: Side,
        places: impl Iterator<Item = [f32; 2]>,
        codebook: &Codebook,
        show_text: bool,
    ) -> impl Iterator<Item = MapPoint> {
        let texts = self.texts.as_ref().filter(|_| show_text);
        (0..self.len()).zip(places).map(move |(i, xy)| MapPoint {
            xy,
            side,
            region: codebook.region_of_leaf[self.leaves[i] as usize],
            mark: None,
            score: None,
            source: None,
            label: None,
            id: self.ids[i].clone(),
            text: texts.map_or_else(String::new, |texts| cut(&texts[i], POINT_CHARACTERS)),
        })
    }
}

fn add(entries: &mut BTreeMap<u64, Entry>, key: u64, entry: Entry) {
    if let Some(known) = entries.get_mut(&key) {
        known.merge(entry);
    } else {
        entries.insert(key, entry);
    }
}

fn quantized(x: &[f32]) -> Vec<i8> {
    let largest = x.iter().fold(0.0_f32, |largest, x| largest.max(x.abs()));
    let scale = if largest > 0.0 { 127.0 / f64::from(largest) } else { 0.0 };
    x.iter().map(|&x| (f64::from(x) * scale).round() as i8).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::ContentHash;

    #[test]
    fn quantized_by_hand() {
        assert_eq!(quantized(&[0.6, -0.8, 0.0]), [95, -127, 0]);
        assert_eq!(quantized(&[0.0; 2]), [0, 0]);
    }

    #[test]
    fn vectors_keep_their_direction() {
        let matrix = crate::cluster::kmeans::tests::bundles(5, 20, 384, 1.0);
        let mut rows = Vec::new();
        matrix.gather(0..100, &mut rows);
        let sample = Sample {
            limit: 100,
            hashes: (0..100).collect(),
            ids: vec![String::new(); 100],
            groups: vec![0; 100],
            rows: vec![1; 100],
            leaves: vec![0; 100],
            vectors: rows.chunks(384).flat_map(quantized).collect(),
            texts: None,
        };
        let mut back = Vec::new();
        sample.matrix(384).gather(0..100, &mut back);
        for (row, back) in rows.chunks(384).zip(back.chunks(384)) {
            let cosine: f32 = row.iter().zip(back).map(|(a, b)| a * b).sum();
            // An error of at most half a step of max|x| / 127 per component, and max|x| is about 3 / sqrt(dim).
            assert!(cosine > 0.9998, "{cosine}");
        }
    }

    #[test]
    fn hashes_in_order() {
        let hash = |first: u8, last: u8| ContentHash(std::array::from_fn(|i| [first, 0, 0, 0, 0, 0, 0, last][i % 8]));
        assert_eq!(hash(1, 2).prefix(), (1 << 56) + 2);
        assert_eq!([super::super::half(hash(1, 2)), super::super::half(hash(1, 3))], [0, 1]);
    }
}
