//! The second pass over a corpus: the texts of the few records that are shown, or that clusters are named from.

use std::collections::BTreeMap;

use super::{Corpus, Record, RecordTable, normalize};
use crate::progress::{Progress, Stage};
use crate::{Error, Result};

/// Texts of some records, by row.
#[derive(Debug, Default)]
pub struct CollectedTexts(BTreeMap<u32, String>);

impl CollectedTexts {
    /// Reads the corpus again for the rows of `wanted` (row to the most characters to keep of its text).
    ///
    /// # Errors
    /// If a file cannot be read any more, or has changed since the first pass.
    pub fn read(
        corpus: &Corpus,
        records: &RecordTable,
        wanted: &BTreeMap<u32, usize>,
        progress: &dyn Progress,
    ) -> Result<Self> {
        Self::read_as(cut, corpus, records, wanted, progress)
    }

    /// [`read`](Self::read) of texts in normal form, which all records with the same text agree on.
    ///
    /// # Errors
    /// Like [`read`](Self::read).
    pub fn read_normalized(
        corpus: &Corpus,
        records: &RecordTable,
        wanted: &BTreeMap<u32, usize>,
        progress: &dyn Progress,
    ) -> Result<Self> {
        Self::read_as(|text, characters| cut(&normalize(text), characters), corpus, records, wanted, progress)
    }

    fn read_as(
        keep: impl Fn(&str, usize) -> String,
        corpus: &Corpus,
        records: &RecordTable,
        wanted: &BTreeMap<u32, usize>,
        progress: &dyn Progress,
    ) -> Result<Self> {
        progress.start(Stage::Collect, Some(records.len() as u64));
        let mut texts = BTreeMap::new();
        for (row, record) in (0..).zip(read_again(corpus, records)) {
            let record = record?;
            if let Some(&characters) = wanted.get(&row) {
                texts.insert(row, keep(&record.text, characters));
            }
            progress.advance(1, 0);
        }
        progress.finish();
        Ok(Self(texts))
    }

    /// The text of a row that was wanted; empty for one that was not.
    #[must_use]
    pub fn get(&self, row: u32) -> &str {
        self.0.get(&row).map_or("", String::as_str)
    }
}

/// The records of a table once more, in its order.
///
/// # Errors
/// If a file cannot be read any more, or has changed since the first pass.
pub(crate) fn read_again<'a>(
    corpus: &'a Corpus,
    records: &'a RecordTable,
) -> impl Iterator<Item = Result<Record>> + 'a {
    let mut rows = corpus.records();
    (0..records.len()).map(move |row| {
        for read in rows.by_ref() {
            let Ok(record) = read?.record else { continue };
            // A record whose vector could not be used is in the corpus and not in the table.
            if records.takes(&record) && record.id == records.id(row) {
                return Ok(record);
            }
        }
        Err(changed(records.id(row)))
    })
}

fn changed(id: &str) -> Error {
    Error::Corpus {
        place: format!("record {id}"),
        expected: "the record that was there a moment ago".to_owned(),
        got: "another one".to_owned(),
        help: "the corpus changed while it was read; run again once nothing writes to it".to_owned(),
    }
}

/// The first `characters` characters of a text, with an ellipsis where it goes on.
#[must_use]
pub fn cut(text: &str, characters: usize) -> String {
    match text.char_indices().nth(characters) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
