//! Vectors as Apache Parquet: `id` and `vector`, a list of 32-bit floats, as embedding-atlas and others read them.

use std::io::Write;
use std::sync::Arc;

use arrow_array::builder::{Float32Builder, ListBuilder, StringBuilder};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;

use crate::{Error, Result};

/// Rows handed to the file at a time, and rows of a row group: 12 MiB and 96 MiB of 384 components.
const BATCH_ROWS: usize = 8 * 1024;
const GROUP_ROWS: usize = 64 * 1024;

/// Writes a row per record, in bounded memory.
pub struct ParquetVectorWriter<W: Write + Send> {
    writer: ArrowWriter<W>,
    schema: SchemaRef,
    ids: StringBuilder,
    vectors: ListBuilder<Float32Builder>,
    rows: usize,
}

impl<W: Write + Send> ParquetVectorWriter<W> {
    /// Begins a file.
    ///
    /// # Errors
    /// If `out` cannot be written.
    pub fn new(out: W) -> Result<Self> {
        let component = Arc::new(Field::new_list_field(DataType::Float32, true));
        let schema = Arc::new(Schema::new(vec![
            Field::new("id", DataType::Utf8, false),
            Field::new("vector", DataType::List(component), true),
        ]));
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_dictionary_enabled(false)
            .set_max_row_group_row_count(Some(GROUP_ROWS))
            .build();
        let writer = ArrowWriter::try_new(out, schema.clone(), Some(properties)).map_err(Error::of_parquet)?;
        let vectors = ListBuilder::new(Float32Builder::new());
        Ok(Self { writer, schema, ids: StringBuilder::new(), vectors, rows: 0 })
    }

    /// Adds a record; one without text has no vector.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn push(&mut self, id: &str, vector: Option<&[f32]>) -> Result<()> {
        self.ids.append_value(id);
        self.vectors.values().append_slice(vector.unwrap_or_default());
        self.vectors.append(vector.is_some());
        self.rows += 1;
        if self.rows == BATCH_ROWS { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<()> {
        self.rows = 0;
        let columns: Vec<ArrayRef> = vec![Arc::new(self.ids.finish()), Arc::new(self.vectors.finish())];
        let batch = RecordBatch::try_new(self.schema.clone(), columns)
            .map_err(ParquetError::from)
            .map_err(Error::of_parquet)?;
        self.writer.write(&batch).map_err(Error::of_parquet)
    }

    /// Writes what is still held, and the footer, and gives the writer back.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn finish(mut self) -> Result<W> {
        self.flush()?;
        self.writer.into_inner().map_err(Error::of_parquet)
    }
}
