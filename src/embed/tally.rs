//! What is kept of a corpus: while it is embedded, and afterwards.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::{BadRowLimit, EncoderId};
use crate::corpus::{BadRow, ContentHash, Record, RecordTable};
use crate::progress::{Progress, Stage};
use crate::vectors::store::{Location, SetAside};
use crate::vectors::{EmbeddingMatrix, VectorStore};
use crate::{Error, Result};

/// How a corpus is embedded.
#[derive(Clone, Copy, Debug)]
pub struct EmbedOptions<'a> {
    /// The inputs' names, as the user gave them; [`crate::corpus::Row::input`] counts them.
    pub inputs: &'a [String],
    /// How many rows may be unreadable.
    pub max_bad_rows: BadRowLimit,
    /// Rows to expect, for progress, where that is known.
    pub total_rows: Option<u64>,
    /// Whether to leave out records marked synthetic: what others are judged by has none of them.
    pub leave_out_synthetic: bool,
}

/// A corpus with a vector for each of its distinct texts.
#[derive(Debug)]
pub struct EmbeddedCorpus {
    /// What made the vectors.
    pub encoder: EncoderId,
    /// The records in the order read; their texts are rows of `vectors`.
    pub records: RecordTable,
    /// The content hashes of the distinct texts, ascending.
    pub hashes: Vec<ContentHash>,
    /// Their vectors, in the same order.
    pub vectors: EmbeddingMatrix,
    /// What was read.
    pub counts: Counts,
    /// The distinct texts that are longer than the encoder's limit, ascending.
    pub truncated: Vec<u32>,
    /// Records of each input.
    pub rows_per_input: Vec<u64>,
    /// Segments of the vector store that turned out corrupt; their texts were embedded again.
    pub set_aside: Vec<SetAside>,
}

/// What was read. All but the last two fields are the same whether vectors came from the store or not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Records: rows that are not bad, empty texts included.
    pub rows: u64,
    /// Rows that could not be read.
    pub bad_rows: u64,
    /// The first 100 of them in the order read.
    pub first_bad_rows: Vec<BadRow>,
    /// Records marked synthetic that were left out; no other figure counts them.
    pub left_out: u64,
    /// Records without text (and, where the corpus brings its vectors, without vector).
    pub empty: u64,
    /// Distinct texts in normal form; where the corpus brings its vectors, distinct pairs of text and vector.
    pub distinct_texts: u64,
    /// Records that repeat another's text: `rows - empty - distinct_texts`.
    pub exact_duplicates: u64,
    /// Distinct texts longer than the encoder's limit.
    pub truncated_texts: u64,
    /// Tokens cut off those.
    pub truncated_tokens: u64,
    /// Tokens of the distinct texts that the encoder read; `None` where the corpus brings its vectors.
    pub tokens: Option<u64>,
    /// Distinct texts whose vectors were in the store.
    pub reused: u64,
    /// Distinct texts embedded now.
    pub embedded: u64,
}

/// Receives each bad row as it is read; an error ends the run.
pub type OnBadRow<'a> = &'a mut (dyn FnMut(&BadRow) -> Result<()> + Send);

/// Bad rows that are kept.
const LISTED_BAD_ROWS: usize = 100;

/// Rows between two reports of progress.
const REPORTED_ROWS: u64 = 1024;

/// Everything known of the rows read so far.
pub(super) struct Tally<'a> {
    options: &'a EmbedOptions<'a>,
    progress: &'a dyn Progress,
    on_bad_row: OnBadRow<'a>,
    records: RecordTable,
    /// Distinct texts by their hash, numbered in the order read.
    texts: HashMap<ContentHash, u32>,
    hashes: Vec<ContentHash>,
    locations: Vec<Location>,
    pub counts: Counts,
    truncated: Vec<u32>,
    rows_per_input: Vec<u64>,
    unreported: u64,
}

impl<'a> Tally<'a> {
    pub(super) fn new(options: &'a EmbedOptions<'a>, progress: &'a dyn Progress, on_bad_row: OnBadRow<'a>) -> Self {
        progress.start(Stage::Embed, options.total_rows);
        Self {
            options,
            progress,
            on_bad_row,
            records: if options.leave_out_synthetic {
                RecordTable::without_synthetic()
            } else {
                RecordTable::default()
            },
            texts: HashMap::new(),
            hashes: Vec::new(),
            locations: Vec::new(),
            counts: Counts::default(),
            truncated: Vec::new(),
            rows_per_input: vec![0; options.inputs.len()],
            unreported: 0,
        }
    }

    /// Adds a row that is no record.
    pub(super) fn add_bad(&mut self, row: BadRow) -> Result<()> {
        self.done(1);
        (self.on_bad_row)(&row)?;
        self.counts.bad_rows += 1;
        if self.counts.first_bad_rows.len() < LISTED_BAD_ROWS {
            self.counts.first_bad_rows.push(row);
        }
        let limit = self.options.max_bad_rows;
        if limit.is_exceeded_for_good(self.counts.bad_rows) { Err(self.too_many(limit.to_string())) } else { Ok(()) }
    }

    fn too_many(&self, allowed: String) -> Error {
        let Counts { rows, bad_rows, first_bad_rows, .. } = &self.counts;
        let first = first_bad_rows.first().map(ToString::to_string).unwrap_or_default();
        Error::TooManyBadRows { bad: *bad_rows, rows: rows + bad_rows, allowed, first }
    }

    /// Whether a record is left out; it is counted.
    pub(super) fn leaves_out(&mut self, record: &Record) -> bool {
        let left_out = !self.records.takes(record);
        self.counts.left_out += u64::from(left_out);
        left_out
    }

    /// Adds a record without text.
    pub(super) fn add_empty(&mut self, input: usize, record: &Record) {
        self.add(input, record, None);
        self.counts.empty += 1;
        self.done(1);
    }

    /// Adds a record. At the first sight of its text, gives the text's number, and the caller says later where its
    /// vector is ([`Tally::place`]) and that the row is done.
    pub(super) fn add_text(&mut self, input: usize, record: &Record, hash: ContentHash) -> Option<u32> {
        let next = self.hashes.len() as u32;
        let (text, first) = match self.texts.entry(hash) {
            Entry::Occupied(known) => (*known.get(), false),
            Entry::Vacant(new) => (*new.insert(next), true),
        };
        self.add(input, record, Some(text));
        if first {
            self.hashes.push(hash);
            self.locations.push(Location::default());
            Some(text)
        } else {
            self.done(1);
            None
        }
    }

    fn add(&mut self, input: usize, record: &Record, text: Option<u32>) {
        self.records.push(record, text);
        self.counts.rows += 1;
        if self.rows_per_input.len() <= input {
            self.rows_per_input.resize(input + 1, 0);
        }
        self.rows_per_input[input] += 1;
    }

    /// Counts a distinct text's tokens.
    pub(super) fn add_tokens(&mut self, text: u32, tokens: u32, truncated: u32) {
        if truncated > 0 {
            self.truncated.push(text);
        }
        *self.counts.tokens.get_or_insert(0) += u64::from(tokens);
        self.counts.truncated_texts += u64::from(truncated > 0);
        self.counts.truncated_tokens += u64::from(truncated);
    }

    /// Says where a distinct text's vector is.
    pub(super) fn place(&mut self, text: u32, location: Location) {
        self.locations[text as usize] = location;
    }

    /// Reports rows that need nothing more.
    pub(super) fn done(&mut self, rows: u64) {
        self.unreported += rows;
        if self.unreported >= REPORTED_ROWS {
            self.report();
        }
    }

    /// Reports what [`Tally::done`] has held back.
    pub(super) fn report(&mut self) {
        self.progress.advance(self.unreported, 0);
        self.unreported = 0;
    }

    /// Judges the bad rows, and puts the distinct texts in the order of their hashes.
    pub(super) fn finish(mut self, encoder: EncoderId, store: VectorStore) -> Result<EmbeddedCorpus> {
        self.report();
        self.progress.finish();
        self.judge()?;
        let Self { mut records, hashes, locations, mut counts, mut truncated, rows_per_input, texts, .. } = self;
        drop(texts);
        let mut order: Vec<u32> = (0..hashes.len() as u32).collect();
        order.sort_unstable_by_key(|&text| hashes[text as usize]);
        let mut new_index = vec![0; order.len()];
        for (new, &old) in order.iter().enumerate() {
            new_index[old as usize] = new as u32;
        }
        records.renumber_texts(&new_index);
        for text in &mut truncated {
            *text = new_index[*text as usize];
        }
        truncated.sort_unstable();
        drop(new_index);
        counts.distinct_texts = order.len() as u64;
        counts.exact_duplicates = counts.rows - counts.empty - counts.distinct_texts;
        let set_aside = store.cached.set_aside().to_vec();
        let locations = order.iter().map(|&text| locations[text as usize]).collect();
        Ok(EmbeddedCorpus {
            encoder,
            records,
            hashes: order.iter().map(|&text| hashes[text as usize]).collect(),
            vectors: store.into_matrix(locations)?,
            counts,
            truncated,
            rows_per_input,
            set_aside,
        })
    }

    /// Fails if too many rows were bad, or all of them.
    pub(super) fn judge(&self) -> Result<()> {
        let Counts { rows, bad_rows, .. } = self.counts;
        let limit = self.options.max_bad_rows;
        if limit.is_exceeded(bad_rows, rows + bad_rows) {
            Err(self.too_many(limit.to_string()))
        } else if rows == 0 && bad_rows > 0 {
            Err(self.too_many(format!("{limit}, but never all,")))
        } else {
            Ok(())
        }
    }
}
