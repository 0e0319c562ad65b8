//! What was found about every record, one row each, as Parquet or JSON lines.
//!
//! Rows are written as they come: memory holds one batch and one row group, whatever the number of rows. The Parquet
//! file has the columns `x` and `y` that embedding-atlas takes as a projection.

use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::Arc;

use arrow_array::builder::{BooleanBuilder, Float32Builder, Float64Builder, StringBuilder, UInt32Builder};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// Rows handed to the Parquet writer at a time.
const BATCH_ROWS: usize = 8_192;
/// Bytes of ids handed to the Parquet writer at a time.
const BATCH_BYTES: usize = 8 << 20;
/// Rows of a Parquet row group.
const GROUP_ROWS: usize = 128 * 1024;
/// Bytes that a Parquet row group takes in memory.
const GROUP_BYTES: usize = 64 << 20;

/// What was found about one record. A record without text has its id and nothing else.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RowRecord<'a> {
    /// Which of the two it stands in: `corpus` or `reference`.
    pub corpus: &'a str,
    /// The record's id.
    pub id: &'a str,
    /// Its leaf in the codebook.
    pub leaf: Option<u32>,
    /// Its region in the codebook.
    pub region: Option<u32>,
    /// Cosine similarity to its leaf's centroid, -1 to 1.
    pub similarity: Option<f64>,
    /// Outlier score: higher is further from the rest of the corpus.
    pub score: Option<f64>,
    /// Share of the reference sample that scores at least as high, 0 to 1.
    pub p_value: Option<f64>,
    /// Of a reference record: whether a corpus text lies among its nearest; `None` of corpus records, and of reference
    /// records beyond the sample.
    pub covered: Option<bool>,
    /// Id of the record whose text this one repeats: the first of them in the order of ids. `None` for that record
    /// itself, and for a text that occurs once.
    pub duplicate_of: Option<&'a str>,
    /// Horizontal coordinate on the map.
    pub x: Option<f32>,
    /// Vertical coordinate on the map.
    pub y: Option<f32>,
}

/// A format of the rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowFormat {
    /// Apache Parquet, compressed with Zstandard.
    Parquet,
    /// One JSON object a line.
    Jsonl,
}

impl RowFormat {
    /// The format that the name of a file asks for: `.parquet`, `.jsonl` or `.ndjson`, in any case.
    ///
    /// # Errors
    /// For any other name.
    pub fn of_path(path: &Path) -> Result<Self> {
        let extension = path.extension().map(|extension| extension.to_string_lossy().to_ascii_lowercase());
        match extension.as_deref() {
            Some("parquet") => Ok(Self::Parquet),
            Some("jsonl" | "ndjson") => Ok(Self::Jsonl),
            _ => Err(Error::Setting {
                setting: "rows",
                expected: "a file that ends in .parquet, .jsonl or .ndjson".to_owned(),
                got: path.display().to_string(),
            }),
        }
    }
}

/// Writes rows to any writer. Nothing is complete before [`RowWriter::finish`].
pub struct RowWriter<W: Write + Send>(Format<W>);

enum Format<W: Write + Send> {
    Parquet(Box<ParquetRows<W>>),
    Jsonl(BufWriter<W>),
}

impl<W: Write + Send> RowWriter<W> {
    /// Starts a file in `writer`.
    ///
    /// # Errors
    /// If the header cannot be written.
    pub fn new(writer: W, format: RowFormat) -> Result<Self> {
        Ok(Self(match format {
            RowFormat::Parquet => Format::Parquet(Box::new(ParquetRows::new(writer)?)),
            RowFormat::Jsonl => Format::Jsonl(BufWriter::new(writer)),
        }))
    }

    /// Adds a row.
    ///
    /// # Errors
    /// If the writer fails.
    pub fn write(&mut self, row: &RowRecord<'_>) -> Result<()> {
        match &mut self.0 {
            Format::Parquet(rows) => rows.write(row),
            Format::Jsonl(writer) => {
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
            Format::Parquet(rows) => rows.finish(),
            Format::Jsonl(writer) => Ok(writer.into_inner().map_err(std::io::IntoInnerError::into_error)?),
        }
    }
}

struct ParquetRows<W: Write + Send> {
    writer: ArrowWriter<W>,
    schema: SchemaRef,
    batch: Columns,
}

/// The columns of the rows not yet handed to the Parquet writer.
#[derive(Default)]
struct Columns {
    rows: usize,
    bytes: usize,
    corpus: StringBuilder,
    id: StringBuilder,
    leaf: UInt32Builder,
    region: UInt32Builder,
    similarity: Float64Builder,
    score: Float64Builder,
    p_value: Float64Builder,
    covered: BooleanBuilder,
    duplicate_of: StringBuilder,
    x: Float32Builder,
    y: Float32Builder,
}

impl<W: Write + Send> ParquetRows<W> {
    fn new(writer: W) -> Result<Self> {
        let schema = Arc::new(Schema::new(vec![
            Field::new("corpus", DataType::Utf8, false),
            Field::new("id", DataType::Utf8, false),
            Field::new("leaf", DataType::UInt32, true),
            Field::new("region", DataType::UInt32, true),
            Field::new("similarity", DataType::Float64, true),
            Field::new("score", DataType::Float64, true),
            Field::new("p_value", DataType::Float64, true),
            Field::new("covered", DataType::Boolean, true),
            Field::new("duplicate_of", DataType::Utf8, true),
            Field::new("x", DataType::Float32, true),
            Field::new("y", DataType::Float32, true),
        ]));
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_max_row_group_row_count(Some(GROUP_ROWS))
            .build();
        let writer = ArrowWriter::try_new(writer, schema.clone(), Some(properties)).map_err(io_error)?;
        Ok(Self { writer, schema, batch: Columns::default() })
    }

    fn write(&mut self, row: &RowRecord<'_>) -> Result<()> {
        let RowRecord { corpus, id, leaf, region, similarity, score, p_value, covered, duplicate_of, x, y } = *row;
        let batch = &mut self.batch;
        batch.rows += 1;
        batch.bytes += id.len() + duplicate_of.map_or(0, str::len);
        batch.corpus.append_value(corpus);
        batch.id.append_value(id);
        batch.leaf.append_option(leaf);
        batch.region.append_option(region);
        batch.similarity.append_option(similarity);
        batch.score.append_option(score);
        batch.p_value.append_option(p_value);
        batch.covered.append_option(covered);
        batch.duplicate_of.append_option(duplicate_of);
        batch.x.append_option(x);
        batch.y.append_option(y);
        if batch.rows >= BATCH_ROWS || batch.bytes >= BATCH_BYTES {
            self.flush_batch()?;
        }
        Ok(())
    }

    fn flush_batch(&mut self) -> Result<()> {
        let mut batch = std::mem::take(&mut self.batch);
        let columns: Vec<ArrayRef> = vec![
            Arc::new(batch.corpus.finish()),
            Arc::new(batch.id.finish()),
            Arc::new(batch.leaf.finish()),
            Arc::new(batch.region.finish()),
            Arc::new(batch.similarity.finish()),
            Arc::new(batch.score.finish()),
            Arc::new(batch.p_value.finish()),
            Arc::new(batch.covered.finish()),
            Arc::new(batch.duplicate_of.finish()),
            Arc::new(batch.x.finish()),
            Arc::new(batch.y.finish()),
        ];
        let batch = RecordBatch::try_new(self.schema.clone(), columns).map_err(ParquetError::from).map_err(io_error)?;
        self.writer.write(&batch).map_err(io_error)?;
        if self.writer.memory_size() > GROUP_BYTES {
            self.writer.flush().map_err(io_error)?;
        }
        Ok(())
    }

    fn finish(mut self) -> Result<W> {
        if self.batch.rows > 0 {
            self.flush_batch()?;
        }
        self.writer.into_inner().map_err(io_error)
    }
}

/// The writer's own error where that is what failed, so that a closed pipe can be told from a full disk.
fn io_error(error: ParquetError) -> Error {
    let error = match error {
        ParquetError::External(source) => match source.downcast::<std::io::Error>() {
            Ok(error) => *error,
            Err(source) => std::io::Error::other(source),
        },
        other => std::io::Error::other(other),
    };
    error.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::cast::AsArray as _;
    use arrow_array::types::{Float32Type, Float64Type, UInt32Type};
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

    /// Row `i` of a made-up run: every fifth record has no text, every third of the others repeats the one before.
    fn row<'a>(i: u32, id: &'a str, before: &'a str) -> RowRecord<'a> {
        let corpus = if i.is_multiple_of(7) { "reference" } else { "corpus" };
        if i.is_multiple_of(5) {
            return RowRecord { corpus, id, ..RowRecord::default() };
        }
        RowRecord {
            corpus,
            id,
            leaf: Some(i % 64),
            region: Some(i % 8),
            similarity: Some(f64::from(i % 100) / 99.0),
            score: Some(f64::from(i) * 0.37 - 2.0),
            p_value: Some(1.0 / f64::from(i + 1)),
            covered: (i.is_multiple_of(7)).then_some(i.is_multiple_of(2)),
            duplicate_of: i.is_multiple_of(3).then_some(before),
            x: Some(i as f32 * 0.5),
            y: Some(-(i as f32)),
        }
    }

    fn id(i: u32) -> String {
        if i == 7 { "</script>\u{1b}[31m\n\"quoted\" 文字".to_owned() } else { format!("row-{i}") }
    }

    fn write<W: Write + Send>(writer: &mut RowWriter<W>, n: u32) {
        for i in 0..n {
            writer.write(&row(i, &id(i), &id(i.wrapping_sub(1)))).unwrap();
        }
    }

    #[test]
    fn parquet_reads_back() {
        let n = 3 * BATCH_ROWS as u32 + 17;
        let mut writer = RowWriter::new(tempfile::tempfile().unwrap(), RowFormat::Parquet).unwrap();
        write(&mut writer, n);
        let file = writer.finish().unwrap();
        let mut i = 0;
        for batch in ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap() {
            let batch = batch.unwrap();
            let column = |name: &str| batch.column_by_name(name).unwrap();
            for k in 0..batch.num_rows() {
                fn at<T: arrow_array::types::ArrowPrimitiveType>(column: &ArrayRef, k: usize) -> Option<T::Native> {
                    column.is_valid(k).then(|| column.as_primitive::<T>().value(k))
                }
                let duplicate_of = column("duplicate_of");
                let covered = column("covered");
                let read = RowRecord {
                    corpus: column("corpus").as_string::<i32>().value(k),
                    id: column("id").as_string::<i32>().value(k),
                    leaf: at::<UInt32Type>(column("leaf"), k),
                    region: at::<UInt32Type>(column("region"), k),
                    similarity: at::<Float64Type>(column("similarity"), k),
                    score: at::<Float64Type>(column("score"), k),
                    p_value: at::<Float64Type>(column("p_value"), k),
                    covered: covered.is_valid(k).then(|| covered.as_boolean().value(k)),
                    duplicate_of: duplicate_of.is_valid(k).then(|| duplicate_of.as_string::<i32>().value(k)),
                    x: at::<Float32Type>(column("x"), k),
                    y: at::<Float32Type>(column("y"), k),
                };
                assert_eq!(read, row(i, &id(i), &id(i.wrapping_sub(1))));
                i += 1;
            }
        }
        assert_eq!(i, n);
    }

    #[test]
    fn json_lines_read_back() {
        let mut writer = RowWriter::new(Vec::new(), RowFormat::Jsonl).unwrap();
        write(&mut writer, 20);
        let text = String::from_utf8(writer.finish().unwrap()).unwrap();
        assert_eq!(text.lines().count(), 20);
        for (i, line) in (0..).zip(text.lines()) {
            let read: serde_json::Value = serde_json::from_str(line).unwrap();
            assert_eq!(read, serde_json::to_value(row(i, &id(i), &id(i.wrapping_sub(1)))).unwrap());
        }
        assert!(text.starts_with(
            r#"{"corpus":"reference","id":"row-0","leaf":null,"region":null,"similarity":null,"score":null,"p_value":null,"covered":null,"duplicate_of":null,"x":null,"y":null}"#
        ));
    }

    #[test]
    fn row_groups_are_bounded_in_rows_and_bytes() {
        // Incompressible ids of 64 kB: a row group is full long before it has its rows.
        let mut state = 1_u64;
        let mut writer = RowWriter::new(tempfile::tempfile().unwrap(), RowFormat::Parquet).unwrap();
        for _ in 0..1_500 {
            let id: String = (0..65_536)
                .map(|_| {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    char::from(b' ' + (state >> 33) as u8 % 95)
                })
                .collect();
            writer.write(&RowRecord { id: &id, ..RowRecord::default() }).unwrap();
        }
        let file = writer.finish().unwrap();
        let groups = ParquetRecordBatchReaderBuilder::try_new(file).unwrap().metadata().num_row_groups();
        assert!(groups >= 2, "{groups}");
    }

    #[test]
    fn format_follows_the_name() {
        for (name, format) in
            [("a.parquet", RowFormat::Parquet), ("A.JSONL", RowFormat::Jsonl), ("b.ndjson", RowFormat::Jsonl)]
        {
            assert_eq!(RowFormat::of_path(Path::new(name)).unwrap(), format);
        }
        for name in ["rows.csv", "rows", ".parquet"] {
            assert!(RowFormat::of_path(Path::new(name)).is_err(), "{name}");
        }
    }
}
