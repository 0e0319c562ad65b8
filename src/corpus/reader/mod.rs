//! One reader per format: bytes to rows, with the line each row stands on.
//!
//! Every reader holds one row (or one Parquet batch) at a time, and gives of each row only the [`Columns`] asked for.

mod columns;
mod delimited;
mod detect;
mod json;
mod jsonl;
mod lines;
mod parquet;
mod source;
mod stream;
mod text;

pub(super) use columns::{Cell, Columns};
pub(super) use delimited::Dialect;
pub(super) use detect::{Layout, detect, is_parquet};
pub(super) use json::ListKeys;
pub(super) use parquet::Footer;
pub(super) use source::Source;

use super::original::Original;
use crate::Result;

/// A longer row is a bad row; it is skipped without being held.
const MAX_ROW_BYTES: usize = 64 << 20;

/// What a source is read for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// To recognise what it holds: the first rows.
    Recognise,
    /// The rows.
    Rows,
    /// The rows and their originals.
    Originals,
}

/// One row of a file, or why it cannot be read.
#[derive(Debug)]
pub(super) struct RawRow {
    /// Line (text formats) or row (JSON array, Parquet), from 1.
    pub(super) line: u64,
    /// A cell per column; columns beyond the end are absent.
    pub(super) cells: Result<Vec<Cell>, String>,
}

/// Reads rows one after the other.
pub(super) trait RowReader: Send {
    /// The next row, `None` after the last; an error ends the reading.
    fn next_row(&mut self, columns: &mut Columns) -> Result<Option<RawRow>>;

    /// The row that was given last, as it stands in the file. `None` of a bad row that was not held, or that is only
    /// the place where something else was met; and of a Parquet file that is not read for its originals.
    fn original(&self) -> Option<Original>;

    /// The header, as it stands in the file; known once a row was asked for.
    fn header(&self) -> &[u8] {
        &[]
    }
}

/// Starts reading a source whose layout is known. `columns` says what will be asked for.
pub(super) fn open(
    source: &Source,
    layout: &Layout,
    columns: &Columns,
    purpose: Purpose,
) -> Result<Box<dyn RowReader>> {
    let bytes = || source.reader(purpose);
    Ok(match layout {
        Layout::Empty => Box::new(text::Text::new(std::io::empty(), MAX_ROW_BYTES)),
        Layout::Jsonl => Box::new(jsonl::Jsonl::new(bytes()?, MAX_ROW_BYTES)),
        Layout::JsonArray => Box::new(json::Json::new(bytes()?, None, MAX_ROW_BYTES)),
        Layout::JsonLists(keys) => Box::new(json::Json::new(bytes()?, Some(keys.clone()), MAX_ROW_BYTES)),
        Layout::Delimited(dialect) => Box::new(delimited::Delimited::new(bytes()?, dialect.clone(), MAX_ROW_BYTES)),
        Layout::Text => Box::new(text::Text::new(bytes()?, MAX_ROW_BYTES)),
        Layout::Parquet => Box::new(parquet::Parquet::open(source, columns, purpose)?),
    })
}
