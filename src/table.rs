//! Tables of rows, as Parquet, JSON lines or CSV.
//!
//! Rows are written as they come: memory holds one batch and one row group, whatever the number of rows.
//!
//! CSV is that of RFC 4180 with lines that end in LF, in UTF-8. A value that is not there is an empty cell, an empty text
//! a quoted one, a list or a structure is JSON in its cell. A text stands there as it is, so that ids find their records
//! again; where it begins with `=`, `+`, `-` or `@`, a spreadsheet that opens the file may take it for a formula, and those
//! are counted ([`TableWriter::formulas`]).

use std::borrow::Cow;
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
use serde_json::{Map, Value};

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
    /// Comma-separated values, under a line of names.
    Csv,
}

impl TableFormat {
    /// The format that the name of a file asks for: `.parquet`, `.jsonl`, `.ndjson` or `.csv`, in any case.
    ///
    /// # Errors
    /// [`Error::Setting`] for any other name; `setting` is the flag that named the file.
    pub fn of_path(path: &Path, setting: &'static str) -> Result<Self> {
        let extension = path.extension().map(|extension| extension.to_string_lossy().to_ascii_lowercase());
        match extension.as_deref() {
            Some("parquet") => Ok(Self::Parquet),
            Some("jsonl" | "ndjson") => Ok(Self::Jsonl),
            Some("csv") => Ok(Self::Csv),
            _ => Err(Error::Setting {
                setting,
                expected: "a file that ends in .parquet, .jsonl, .ndjson or .csv".to_owned(),
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
    Csv(CsvRows<W>),
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
            TableFormat::Csv => Target::Csv(CsvRows::new(writer, &R::columns())?),
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
            Target::Csv(rows) => rows.write(row),
        }
    }

    /// How many texts in cells of a CSV file a spreadsheet would take for a formula, so far; 0 in other formats.
    #[must_use]
    pub fn formulas(&self) -> u64 {
        match &self.0 {
            Target::Csv(rows) => rows.formulas,
            Target::Parquet(_) | Target::Jsonl(_) => 0,
        }
    }

    /// Writes what is still held, and the footer, and gives the writer back.
    ///
    /// # Errors
    /// If the writer fails.
    pub fn finish(self) -> Result<W> {
        match self.0 {
            Target::Parquet(rows) => rows.finish(),
            Target::Jsonl(writer) | Target::Csv(CsvRows { writer, .. }) => {
                Ok(writer.into_inner().map_err(std::io::IntoInnerError::into_error)?)
            }
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

struct CsvRows<W: Write> {
    writer: BufWriter<W>,
    formulas: u64,
}

impl<W: Write> CsvRows<W> {
    fn new(writer: W, columns: &[Field]) -> Result<Self> {
        let mut writer = BufWriter::new(writer);
        let names: Vec<_> = columns.iter().map(|column| csv_cell(column.name())).collect();
        writeln!(writer, "{}", names.join(","))?;
        Ok(Self { writer, formulas: 0 })
    }

    fn write(&mut self, row: &impl Serialize) -> Result<()> {
        // By way of JSON, a number has as few digits as it has there.
        let json = serde_json::to_vec(row).map_err(std::io::Error::from)?;
        let row: Map<String, Value> = serde_json::from_slice(&json).map_err(std::io::Error::from)?;
        for (i, value) in row.values().enumerate() {
            let separator = if i == 0 { "" } else { "," };
            match value {
                Value::Null => write!(self.writer, "{separator}")?,
                Value::String(text) => {
                    self.formulas += u64::from(is_formula(text));
                    write!(self.writer, "{separator}{}", csv_cell(text))?;
                }
                other => write!(self.writer, "{separator}{}", csv_cell(&other.to_string()))?,
            }
        }
        Ok(self.writer.write_all(b"\n")?)
    }
}

/// A cell as it stands in a file. An empty text is quoted, unlike a value that is not there.
fn csv_cell(text: &str) -> Cow<'_, str> {
    if text.is_empty() || text.contains([',', '"', '\n', '\r']) {
        return format!("\"{}\"", text.replace('"', "\"\"")).into();
    }
    text.into()
}

/// Whether a spreadsheet would compute a text instead of showing it. A signed number is only read as that number.
fn is_formula(text: &str) -> bool {
    text.trim_start().starts_with(['=', '+', '-', '@']) && text.trim().parse::<f64>().is_err()
}

fn arrow_error(error: ArrowError) -> Error {
    Error::of_parquet(ParquetError::from(error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_schema::DataType;

    #[test]
    fn format_follows_the_name() {
        for (name, format) in [
            ("a.parquet", TableFormat::Parquet),
            ("A.JSONL", TableFormat::Jsonl),
            ("b.ndjson", TableFormat::Jsonl),
            ("c.csv", TableFormat::Csv),
        ] {
            assert_eq!(TableFormat::of_path(Path::new(name), "rows").unwrap(), format);
        }
        for name in ["rows.tsv", "rows", ".parquet"] {
            assert!(TableFormat::of_path(Path::new(name), "rows").is_err(), "{name}");
        }
    }

    #[derive(Serialize)]
    struct Row<'a> {
        id: &'a str,
        near: Option<f32>,
        neighbors: Option<Near<'a>>,
    }

    #[derive(Serialize)]
    struct Near<'a> {
        ids: [&'a str; 2],
        distances: [f32; 2],
    }

    impl TableRow for Row<'_> {
        fn columns() -> Vec<Field> {
            ["id", "near", "neighbors"].map(|name| Field::new(name, DataType::Utf8, true)).to_vec()
        }

        fn text_bytes(&self) -> usize {
            self.id.len()
        }
    }

    #[test]
    fn csv_quotes_what_it_must_and_counts_formulas() {
        let mut writer = TableWriter::new::<Row<'_>>(Vec::new(), TableFormat::Csv).unwrap();
        let near = Near { ids: ["a,b", "=c"], distances: [0.1, 0.25] };
        let ids = ["plain", "", "a,b", "say \"hi\"\r\nthere", "=1+1", " @x", "-5", "+1e3", "--", "ü"];
        for (i, id) in ids.into_iter().enumerate() {
            writer.write(&Row { id, near: (i == 0).then_some(0.1), neighbors: None }).unwrap();
        }
        writer.write(&Row { id: "last", near: None, neighbors: Some(near) }).unwrap();
        assert_eq!(writer.formulas(), 3, "=1+1, @x and --, but neither numbers nor what stands within JSON");
        let text = String::from_utf8(writer.finish().unwrap()).unwrap();
        let expected = [
            "id,near,neighbors",
            "plain,0.1,",
            "\"\",,",
            "\"a,b\",,",
            "\"say \"\"hi\"\"\r\nthere\",,",
            "=1+1,,",
            " @x,,",
            "-5,,",
            "+1e3,,",
            "--,,",
            "ü,,",
            "last,,\"{\"\"ids\"\":[\"\"a,b\"\",\"\"=c\"\"],\"\"distances\"\":[0.1,0.25]}\"",
            "",
        ];
        assert_eq!(text, expected.join("\n"));
    }
}
