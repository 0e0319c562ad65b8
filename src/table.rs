//! Tables of rows, as Parquet or JSON lines.
//!
//! Rows are written as they come: memory holds one batch and one row group, whatever the number of rows.

use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::Arc;

use arrow_json::ReaderBuilder;
use arrow_json::reader::Decoder;
use arrow_schema::{ArrowError, Field, Schema};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use serde::Serialize;

use crate::{Error, Result};

/// Rows handed to the Parquet writer at a time.
pub(crate) const BATCH_ROWS: usize = 8_192;
/// Bytes of names and texts handed to the Parquet writer at a time.
const BATCH_BYTES: usize = 8 << 20;
/// Rows of a Parquet row group.
const GROUP_ROWS: usize = 128 * 1024;
/// Bytes that a Parquet row group takes in memory.
const GROUP_BYTES: usize = 64 << 20;

/// A row of a table: its fields, in the order of the columns, are what it serializes as.
pub trait TableRow: Serialize {
    /// The columns, under the names and with the types of the fields.
    fn columns() -> Vec<Field>;

    /// About how many bytes of names and texts it holds.
    fn text_bytes(&self) -> usize;
}

/// A format of tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableFormat {
    /// Apache Parquet, compressed with Zstandard.
    Parquet,
    /// One JSON object a line.
    Jsonl,
}

impl TableFormat {
    /// The format that the name of a file asks for: `.parquet`, `.jsonl` or `.ndjson`, in any case.
    ///
    /// # Errors
    /// [`Error::Setting`] for any other name; `setting` is the flag that named the file.
    pub fn of_path(path: &Path, setting: &'static str) -> Result<Self> {
        let extension = path.extension().map(|extension| extension.to_string_lossy().to_ascii_lowercase());
        match extension.as_deref() {
            Some("parquet") => Ok(Self::Parquet),
            Some("jsonl" | "ndjson") => Ok(Self::Jsonl),
            _ => Err(Error::Setting {
                setting,
                expected: "a file that ends in .parquet, .jsonl or .ndjson".to_owned(),
                got: path.display().to_string(),
            }),
        }
    }
}

/// Writes rows of one kind to any writer. Nothing is complete before [`TableWriter::finish`].
pub struct TableWriter<W: Write + Send>(Target<W>);

enum Target<W: Write + Send> {
    Parquet(Box<ParquetRows<W>>),
    Jsonl(BufWriter<W>),
}

impl<W: Write + Send> TableWriter<W> {
    /// Starts a table of rows `R` in `writer`.
    ///
    /// # Errors
    /// If the header cannot be written.
    pub fn new<R: TableRow>(writer: W, format: TableFormat) -> Result<Self> {
        Ok(Self(match format {
            TableFormat::Parquet => Target::Parquet(Box::new(ParquetRows::new(writer, R::columns())?)),
            TableFormat::Jsonl => Target::Jsonl(BufWriter::new(writer)),
        }))
    }

    /// Adds a row of the kind that the table was started for.
    ///
    /// # Errors
    /// If the writer fails.
    pub fn write<R: TableRow>(&mut self, row: &R) -> Result<()> {
        match &mut self.0 {
            Target::Parquet(rows) => rows.write(row),
            Target::Jsonl(writer) => {
                serde_json::to_writer(&mut *writer, row).map_err(std::io::Error::from)?;
                Ok(writer.write_all(b"\n")?)
            }
        }
    }

    /// Writes what is still held, and the footer, and gives the writer back.
    ///
    /// # Errors
    /// If the writer fails.
    pub fn finish(self) -> Result<W> {
        match self.0 {
            Target::Parquet(rows) => rows.finish(),
            Target::Jsonl(writer) => Ok(writer.into_inner().map_err(std::io::IntoInnerError::into_error)?),
        }
    }
}

struct ParquetRows<W: Write + Send> {
    writer: ArrowWriter<W>,
    /// The rows not yet handed to the writer.
    batch: Decoder,
    rows: usize,
    bytes: usize,
}

impl<W: Write + Send> ParquetRows<W> {
    fn new(writer: W, columns: Vec<Field>) -> Result<Self> {
        let schema = Arc::new(Schema::new(columns));
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_max_row_group_row_count(Some(GROUP_ROWS))
            .build();
        let batch =
            ReaderBuilder::new(schema.clone()).with_batch_size(BATCH_ROWS).build_decoder().map_err(arrow_error)?;
        let writer = ArrowWriter::try_new(writer, schema, Some(properties)).map_err(Error::of_parquet)?;
        Ok(Self { writer, batch, rows: 0, bytes: 0 })
    }

    fn write(&mut self, row: &impl TableRow) -> Result<()> {
        self.batch.serialize(&[row]).map_err(arrow_error)?;
        self.rows += 1;
        self.bytes += row.text_bytes();
        if self.rows >= BATCH_ROWS || self.bytes >= BATCH_BYTES { self.flush_batch() } else { Ok(()) }
    }

    fn flush_batch(&mut self) -> Result<()> {
        (self.rows, self.bytes) = (0, 0);
        if let Some(batch) = self.batch.flush().map_err(arrow_error)? {
            self.writer.write(&batch).map_err(Error::of_parquet)?;
        }
        if self.writer.memory_size() > GROUP_BYTES {
            self.writer.flush().map_err(Error::of_parquet)?;
        }
        Ok(())
    }

    fn finish(mut self) -> Result<W> {
        self.flush_batch()?;
        self.writer.into_inner().map_err(Error::of_parquet)
    }
}

fn arrow_error(error: ArrowError) -> Error {
    Error::of_parquet(ParquetError::from(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn format_follows_the_name() {
        for (name, format) in
            [("a.parquet", TableFormat::Parquet), ("A.JSONL", TableFormat::Jsonl), ("b.ndjson", TableFormat::Jsonl)]
        {
            assert_eq!(TableFormat::of_path(Path::new(name), "rows").unwrap(), format);
        }
        for name in ["rows.csv", "rows", ".parquet"] {
            assert!(TableFormat::of_path(Path::new(name), "rows").is_err(), "{name}");
        }
    }
}
