use std::fmt;

use super::{ContentHash, normalize};

/// One example of the corpus.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Record {
    /// From the id column, or else `FILE:LINE` (text formats) or `FILE:ROW` (JSON array, Parquet).
    pub id: String,
    /// Made from the record's columns by a [`super::TextTemplate`]; as read, not normalized.
    pub text: String,
    /// Where the record came from, if the corpus says so.
    pub source: Option<String>,
    /// Its label, if the corpus says so.
    pub label: Option<String>,
    /// The name of its licence, if the corpus says so; see [`is_known_licence`](super::is_known_licence).
    pub licence: Option<String>,
    /// What it belongs to (a conversation, a document), if the user named such a column.
    pub group: Option<String>,
    /// Whether it is marked as generated.
    pub synthetic: bool,
    /// Its vector, if the corpus brings vectors; not normalized.
    pub vector: Option<Vec<f32>>,
}

impl Record {
    /// The identity of its text in normal form; with its vector, where it brings one.
    #[must_use]
    pub fn content_hash(&self) -> ContentHash {
        let text = normalize(&self.text);
        match &self.vector {
            Some(vector) => ContentHash::of_pair(&text, vector),
            None => ContentHash::of_normalized(&text),
        }
    }
}

/// A row that could not be read as a record. It is counted and listed, and never silently dropped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadRow {
    /// The file, as the user named it.
    pub file: String,
    /// Line (text formats) or row (JSON array, Parquet), from 1.
    pub line: u64,
    /// What was expected and what was found, as a lower-case fragment.
    pub reason: String,
}

impl fmt::Display for BadRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.reason)
    }
}
