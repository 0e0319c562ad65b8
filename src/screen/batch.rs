//! What is kept of a data drop while it streams by, whatever its size.
//!
//! Counts of rows; two samples of distinct texts ([`BottomTexts`]), of the drop and of what is least likely in it; how often
//! each p-value came up, which there are only as many of as the reference has texts. Everything about the drop as a
//! whole is computed on these. Memory: some 30 MB at 384 components, and the texts, cut, with their ids, sources and labels.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::bottom::BottomTexts;
use super::screener::{Reason, Repeats, ScreenedText, Screener};
use crate::Result;
use crate::corpus::{ContentHash, cut, normalize};
use crate::embed::EmbeddedCorpus;
use crate::ood::fdr_threshold;
use crate::vectors::EmbeddingMatrix;

/// Texts of the drop that are kept, and odd ones among them.
pub(super) const SAMPLED_TEXTS: usize = 10_000;

/// Characters kept of a text of the drop's sample, and of an odd one, which a reviewer is to read.
const SAMPLED_CHARACTERS: usize = 300;
const REVIEWED_CHARACTERS: usize = 2_000;

/// Sources that are told apart.
const SOURCES: usize = 1_000;

/// The bits of a p-value, which are in its order, and the text's hash.
pub(super) type OddKey = (u32, ContentHash);

/// A sampled text.
#[derive(Clone, Debug)]
pub(super) struct SampledText {
    /// The smallest id of the records with it.
    pub(super) id: String,
    /// Source and label of the record with that id; of records with equal ids the smallest.
    pub(super) source: Option<Arc<str>>,
    pub(super) label: Option<Arc<str>>,
    pub(super) rows: u64,
    pub(super) text: String,
    pub(super) vector: Vec<f32>,
    pub(super) screened: ScreenedText,
}

/// A data drop, screened as its rows come.
#[derive(Debug)]
pub struct Batch<'a> {
    pub(super) screener: &'a Screener<'a>,
    pub(super) counts: Counts,
    pub(super) sample: BottomTexts<ContentHash, SampledText>,
    /// Texts that may turn out flagged, those of smallest p-value.
    pub(super) odd: BottomTexts<OddKey, SampledText>,
    /// Rows of each p-value on which no reviewer decided, by the bits of the p-value, which are in its order.
    p_values: BTreeMap<u32, u64>,
    /// Rows and flagged rows by source; `None` for those without.
    pub(super) sources: BTreeMap<Option<String>, [u64; 2]>,
    pub(super) groups: Vec<Vec<OddKey>>,
}

/// What was counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) rows: u64,
    pub(super) empty: u64,
    pub(super) bad_rows: u64,
    pub(super) truncated: u64,
    pub(super) flagged: u64,
    pub(super) outliers: u64,
    /// Rows that a reviewer's decision kept or flagged.
    pub(super) decided: u64,
}

/// Up to which p-value rows are flagged.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Threshold {
    /// The p-value.
    pub p_value: f32,
    /// Reference texts that would hold the false discovery rate asked for, where there are too few.
    pub fdr_needs: Option<u64>,
}

impl<'a> Batch<'a> {
    /// No rows yet.
    #[must_use]
    pub fn new(screener: &'a Screener<'a>) -> Self {
        Self {
            screener,
            counts: Counts::default(),
            sample: BottomTexts::new(SAMPLED_TEXTS),
            odd: BottomTexts::new(SAMPLED_TEXTS),
            p_values: BTreeMap::new(),
            sources: BTreeMap::new(),
            groups: Vec::new(),
        }
    }

    /// Screens some rows: what is known of each, in their order; `None` for a row without text. `texts` holds the rows'
    /// texts.
    ///
    /// # Errors
    /// [`crate::Error::Encoder`] if another encoder embedded them.
    ///
    /// # Panics
    /// If there is not one text per row.
    pub fn screen(&mut self, embedded: &EmbeddedCorpus, texts: &[&str]) -> Result<Vec<Option<ScreenedText>>> {
        let records = &embedded.records;
        assert_eq!(records.len(), texts.len(), "one text per row");
        let screened = self.screener.screen(embedded)?;
        let params = &self.screener.params;
        // Benjamini and Hochberg's threshold is at most the rate itself.
        let odd = params.fdr.map_or(params.alpha, |fdr| fdr.max(params.alpha)) as f32;
        let mut of_rows = Vec::with_capacity(records.len());
        for (row, &text) in texts.iter().enumerate() {
            self.counts.rows += 1;
            let Some(number) = records.text(row).map(|number| number as usize) else {
                self.counts.empty += 1;
                of_rows.push(None);
                continue;
            };
            let (found, hash) = (screened[number], embedded.hashes[number]);
            self.counts.truncated += u64::from(embedded.truncated.binary_search(&(number as u32)).is_ok());
            if found.decision.is_none() && !found.near_rejected {
                *self.p_values.entry(found.p_value.to_bits()).or_default() += 1;
            }
            let record = (records.id(row), records.sources.get(row), records.labels.get(row));
            let sampled = |characters: usize| {
                let mut vector = vec![0.0; embedded.vectors.dim()];
                embedded.vectors.read_row(number, &mut vector);
                let text = cut(&normalize(text), characters);
                let (id, source, label) = record;
                let [source, label] = [source, label].map(|name| name.map(Arc::from));
                SampledText { id: id.to_owned(), source, label, rows: 1, text, vector, screened: found }
            };
            self.sample.add(hash, |known| known.add_row(record), || sampled(SAMPLED_CHARACTERS));
            if found.reason(odd).is_some() {
                self.odd.add(
                    (found.p_value.to_bits(), hash),
                    |known| known.add_row(record),
                    || sampled(REVIEWED_CHARACTERS),
                );
            }
            of_rows.push(Some(found));
        }
        Ok(of_rows)
    }

    /// Counts rows without text, of which there is nothing to screen.
    pub fn screen_empty(&mut self, rows: usize) -> Vec<Option<ScreenedText>> {
        self.counts.rows += rows as u64;
        self.counts.empty += rows as u64;
        vec![None; rows]
    }

    /// Counts a row that could not be read.
    pub fn add_bad_row(&mut self) {
        self.counts.bad_rows += 1;
    }

    /// Up to which p-value rows are flagged. Where that is decided by a false discovery rate, it holds once all rows have
    /// been screened.
    #[must_use]
    pub fn threshold(&self) -> Threshold {
        let params = &self.screener.params;
        let by_alpha = Threshold { p_value: params.alpha as f32, fdr_needs: None };
        let Some(fdr) = params.fdr else { return by_alpha };
        let p_values = self.p_values.iter().map(|(&bits, &rows)| (f32::from_bits(bits), rows));
        match fdr_threshold(p_values, fdr, params.alpha, self.screener.calibration_texts()) {
            Ok(p_value) => Threshold { p_value, ..by_alpha },
            Err(needed) => Threshold { fdr_needs: Some(needed), ..by_alpha },
        }
    }

    /// Decides on a row that was screened, and counts it: why it is flagged, or `None` if it is kept.
    pub fn decide(&mut self, source: Option<&str>, row: Option<&ScreenedText>, threshold: Threshold) -> Option<Reason> {
        let reason = row.map_or(Some(Reason::NoText), |row| row.reason(threshold.p_value));
        self.counts.flagged += u64::from(reason.is_some());
        self.counts.outliers += u64::from(reason == Some(Reason::Outlier));
        let decided = row.is_some_and(|row| row.decision.is_some() || row.near_rejected);
        self.counts.decided += u64::from(decided);
        let known = self.sources.len() < SOURCES || self.sources.contains_key(&source.map(str::to_owned));
        let [rows, flagged] = self.sources.entry(source.filter(|_| known).map(str::to_owned)).or_default();
        *rows += 1;
        *flagged += u64::from(reason.is_some());
        reason
    }

    /// The id of the reference record that stands for a sampled text.
    #[must_use]
    pub fn reference_id(&self, place: u32) -> &'a str {
        self.screener.reference.id(place)
    }

    /// The name of a leaf of the reference's codebook.
    #[must_use]
    pub fn leaf_name(&self, leaf: u32) -> &'a str {
        &self.screener.reference.profile().leaf_names[leaf as usize]
    }
}

impl SampledText {
    /// Adds a record with the text: its id, source and label.
    fn add_row(&mut self, record: (&str, Option<&str>, Option<&str>)) {
        self.rows += 1;
        if record < (self.id.as_str(), self.source.as_deref(), self.label.as_deref()) {
            let (id, source, label) = record;
            id.clone_into(&mut self.id);
            [self.source, self.label] = [source, label].map(|name| name.map(Arc::from));
        }
    }

    pub(super) fn repeats(&self, how: Repeats) -> bool {
        self.screened.repeats == Some(how)
    }
}

/// The vectors of some sampled texts, in their order.
pub(super) fn matrix<'t>(dim: usize, texts: impl Iterator<Item = &'t SampledText>) -> EmbeddingMatrix {
    EmbeddingMatrix::from_f32(dim, &texts.flat_map(|text| text.vector.iter().copied()).collect::<Vec<_>>())
}
