//! What a user may say about a corpus; everything left out is recognised from the files.

use std::fmt;
use std::str::FromStr;

use super::TextTemplate;
use crate::Error;

/// How to read a corpus. `CorpusOptions::default()` recognises everything.
///
/// Columns are named exactly, or in any case where that is unambiguous; `a.b` and `turns.0.content` reach into nested
/// values.
#[derive(Clone, Debug, Default)]
pub struct CorpusOptions {
    /// A column, or a template over several.
    pub text: Option<TextTemplate>,
    /// The column of ids.
    pub id: Option<String>,
    /// The column that says where a record came from.
    pub source: Option<String>,
    /// The column of labels.
    pub label: Option<String>,
    /// The column of licences.
    pub licence: Option<String>,
    /// The column of what a record belongs to; never recognised, only named.
    pub group_by: Option<String>,
    /// The column that marks generated records: by anything but null, false, 0, no, none, human and real.
    pub synthetic: Option<String>,
    /// A column of vectors: lists of finite numbers, of one length, which the caller checks.
    pub vectors: Option<String>,
    /// The format of every input; compression is always recognised.
    pub format: Option<Format>,
    /// Whether the first row of CSV and TSV names the columns. Without a header columns are named `0`, `1`, ….
    pub header: Option<bool>,
}

impl CorpusOptions {
    /// The columns that are named for anything but the text.
    pub(super) fn columns(&self) -> [Option<&String>; 7] {
        let Self { id, source, label, licence, group_by, synthetic, vectors, .. } = self;
        [id, source, label, licence, group_by, synthetic, vectors].map(Option::as_ref)
    }
}

/// How rows stand in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One JSON value a line.
    Jsonl,
    /// An array of rows, or an object of such arrays.
    Json,
    /// Comma-separated values; semicolons and vertical bars are recognised.
    Csv,
    /// Tab-separated values.
    Tsv,
    /// Apache Parquet.
    Parquet,
    /// One record a line.
    Text,
}

impl Format {
    /// Every format, under the name that [`Format::from_str`] takes.
    pub const ALL: [(&'static str, Self); 6] = [
        ("jsonl", Self::Jsonl),
        ("json", Self::Json),
        ("csv", Self::Csv),
        ("tsv", Self::Tsv),
        ("parquet", Self::Parquet),
        ("text", Self::Text),
    ];
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Jsonl => "JSONL",
            Self::Json => "JSON",
            Self::Csv => "CSV",
            Self::Tsv => "TSV",
            Self::Parquet => "Parquet",
            Self::Text => "plain text",
        })
    }
}

impl FromStr for Format {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        let found = Self::ALL.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|&(_, format)| format).ok_or_else(|| Error::Setting {
            setting: "input-format",
            expected: format!("one of {}", Self::ALL.map(|(known, _)| known).join(", ")),
            got: format!("{name:?}"),
        })
    }
}
