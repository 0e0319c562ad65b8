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
mod text;

pub(super) use columns::{Cell, Columns};
pub(super) use detect::{Layout, detect};
pub(super) use source::{Compression, Source};

use crate::Result;

/// A longer row is a bad row; it is skipped without being held.
const MAX_ROW_BYTES: usize = 64 << 20;

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
}

/// Starts reading a source whose layout is known. `columns` says what will be asked for.
pub(super) fn open(source: &Source, layout: &Layout, columns: &Columns) -> Result<Box<dyn RowReader>> {
    Ok(match layout {
        Layout::Empty => Box::new(text::Text::new(std::io::empty(), MAX_ROW_BYTES)),
        Layout::Jsonl => Box::new(jsonl::Jsonl::new(source.reader()?, MAX_ROW_BYTES)),
        Layout::JsonArray | Layout::JsonLists => Box::new(json::Json::new(source.reader()?, MAX_ROW_BYTES)),
        Layout::Delimited(dialect) => {
            Box::new(delimited::Delimited::new(source.reader()?, dialect.clone(), MAX_ROW_BYTES))
        }
        Layout::Text => Box::new(text::Text::new(source.reader()?, MAX_ROW_BYTES)),
        Layout::Parquet => Box::new(parquet::Parquet::open(source, columns)?),
    })
}
