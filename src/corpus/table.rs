//! What is kept of every record for the length of a run: a few small integers and its id, never its text.

use std::collections::HashMap;

use super::ContentHash;

/// A column of names (sources, labels, licences, groups), each stored once.
#[derive(Clone, Debug, Default)]
pub struct Categories {
    names: Vec<String>,
    codes: Vec<u32>,
    by_name: HashMap<String, u32>,
}

/// The code of a record that has no value in a [`Categories`] column.
const NONE: u32 = u32::MAX;

impl Categories {
    /// Adds the next record's value.
    pub fn push(&mut self, name: Option<&str>) {
        let code = name.map_or(NONE, |name| {
            if let Some(&code) = self.by_name.get(name) {
                return code;
            }
            let code = self.names.len() as u32;
            self.names.push(name.to_owned());
            self.by_name.insert(name.to_owned(), code);
            code
        });
        self.codes.push(code);
    }

    /// The name of record `row`, if it has one.
    #[must_use]
    pub fn get(&self, row: usize) -> Option<&str> {
        self.names.get(self.codes[row] as usize).map(String::as_str)
    }

    /// Whether no record has a value.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }
}

/// Every record of a corpus in the order read, as small integers.
#[derive(Clone, Debug, Default)]
pub struct RecordTable {
    id_bytes: String,
    id_ends: Vec<u64>,
    texts: Vec<u32>,
    /// Whether records marked synthetic are left out.
    without_synthetic: bool,
    /// Rows marked synthetic, ascending.
    synthetic: Vec<u32>,
    /// Sources of the records.
    pub sources: Categories,
    /// Labels of the records.
    pub labels: Categories,
    /// Licences of the records.
    pub licences: Categories,
    /// Groups of the records.
    pub groups: Categories,
}

impl RecordTable {
    /// An empty table that [takes](Self::takes) no record marked synthetic.
    #[must_use]
    pub fn without_synthetic() -> Self {
        Self { without_synthetic: true, ..Self::default() }
    }

    /// Whether a record belongs into the table.
    #[must_use]
    pub fn takes(&self, record: &super::Record) -> bool {
        !(self.without_synthetic && record.synthetic)
    }

    /// Adds the next record; `text` is the index of its distinct text, `None` for a record without text.
    pub fn push(&mut self, record: &super::Record, text: Option<u32>) {
        self.id_bytes.push_str(&record.id);
        self.id_ends.push(self.id_bytes.len() as u64);
        if record.synthetic {
            self.synthetic.push(self.texts.len() as u32);
        }
        self.texts.push(text.unwrap_or(NONE));
        self.sources.push(record.source.as_deref());
        self.labels.push(record.label.as_deref());
        self.licences.push(record.licence.as_deref());
        self.groups.push(record.group.as_deref());
    }

    /// Number of records.
    #[must_use]
    pub fn len(&self) -> usize {
        self.texts.len()
    }

    /// Whether there is no record.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }

    /// The id of record `row`.
    #[must_use]
    pub fn id(&self, row: usize) -> &str {
        let start = if row == 0 { 0 } else { self.id_ends[row - 1] };
        &self.id_bytes[start as usize..self.id_ends[row] as usize]
    }

    /// The index of the distinct text of record `row`: a row of the embedding matrix. `None` for a record without text.
    #[must_use]
    pub fn text(&self, row: usize) -> Option<u32> {
        Some(self.texts[row]).filter(|&text| text != NONE)
    }

    /// Whether record `row` is marked as generated.
    #[must_use]
    pub fn is_synthetic(&self, row: usize) -> bool {
        self.synthetic.binary_search(&(row as u32)).is_ok()
    }

    /// What stands for the group of record `row` where names are not kept: the first 8 bytes of the BLAKE3 digest of the
    /// group, big-endian, at least 1; 0 for a record without group.
    #[must_use]
    pub fn group_key(&self, row: usize) -> u64 {
        self.groups.get(row).map_or(0, |group| ContentHash::of_bytes(group.as_bytes()).prefix().max(1))
    }

    /// Renumbers the distinct texts: what was `i` becomes `new_index[i]`.
    pub fn renumber_texts(&mut self, new_index: &[u32]) {
        for text in self.texts.iter_mut().filter(|text| **text != NONE) {
            *text = new_index[*text as usize];
        }
    }
}

/// For every distinct text, how many records have it and which of them stands for it.
#[derive(Debug)]
pub(crate) struct TextTally {
    /// Records per text.
    pub(crate) rows: Vec<u64>,
    /// The record with the smallest id among those with the text; of equal ids the one of the smallest group key.
    pub(crate) kept: Vec<u32>,
    /// Whether a record with the text is not marked synthetic.
    pub(crate) real: Vec<bool>,
}

impl TextTally {
    pub(crate) fn new(records: &RecordTable, texts: usize) -> Self {
        let (mut rows, mut kept, mut real) = (vec![0_u64; texts], vec![u32::MAX; texts], vec![false; texts]);
        for row in 0..records.len() {
            let Some(text) = records.text(row).map(|text| text as usize) else { continue };
            rows[text] += 1;
            real[text] |= !records.is_synthetic(row);
            let before = |kept: usize| {
                let by_id = records.id(row).cmp(records.id(kept));
                by_id.then_with(|| records.group_key(row).cmp(&records.group_key(kept))).is_lt()
            };
            if kept[text] == u32::MAX || before(kept[text] as usize) {
                kept[text] = row as u32;
            }
        }
        Self { rows, kept, real }
    }
}
