//! Parquet: rows of read batches, in a file with the schema, the metadata and the codec of the one they come from.
//!
//! The file's own schema is kept where Arrow's types are written the same way today; else (times of 96 bits, decimals
//! of other widths) the columns are written as Arrow writes their types. Row groups have their own bounds: memory holds
//! a batch and a row group.

use std::io::Write;
use std::sync::Arc;

use arrow_array::{RecordBatch, UInt32Array};
use arrow_schema::SchemaRef;
use arrow_select::take::take_arrays;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::arrow::{ARROW_SCHEMA_META_KEY, ArrowSchemaConverter, ArrowWriter};
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::schema::types::{ColumnDescriptor, SchemaDescriptor};

use crate::corpus::reader::Footer;
use crate::{Error, Result};

/// Rows of a row group.
const GROUP_ROWS: usize = 128 * 1024;
/// Bytes that a row group takes in memory.
const GROUP_BYTES: usize = 64 << 20;

pub(super) struct Parquet<W: Write + Send> {
    writer: ArrowWriter<W>,
    schema: SchemaRef,
    /// Rows of one batch that are not yet handed to the writer.
    pending: Option<(Arc<RecordBatch>, Vec<u32>)>,
}

impl<W: Write + Send> Parquet<W> {
    pub(super) fn new(writer: W, footer: Footer) -> Result<Self> {
        let Footer { schema, columns, metadata, codec } = footer;
        let as_it_was = written_alike(&columns, &schema);
        let metadata = metadata.map(|mut entries| {
            entries.retain(|entry| as_it_was || entry.key != ARROW_SCHEMA_META_KEY);
            entries
        });
        let properties = WriterProperties::builder()
            .set_compression(codec.unwrap_or(Compression::ZSTD(ZstdLevel::default())))
            .set_max_row_group_row_count(Some(GROUP_ROWS))
            .set_key_value_metadata(metadata)
            .build();
        let mut options = ArrowWriterOptions::new().with_properties(properties);
        if as_it_was {
            options = options.with_parquet_schema(columns).with_skip_arrow_metadata(true);
        }
        let writer =
            ArrowWriter::try_new_with_options(writer, Arc::clone(&schema), options).map_err(Error::of_parquet)?;
        Ok(Self { writer, schema, pending: None })
    }

    /// Adds a row of a batch; `false` if its columns are not those of this file.
    pub(super) fn write(&mut self, batch: &Arc<RecordBatch>, row: usize) -> Result<bool> {
        let row = row as u32;
        match &mut self.pending {
            Some((pending, rows)) if Arc::ptr_eq(pending, batch) => rows.push(row),
            _ => {
                if batch.schema_ref().fields() != self.schema.fields() {
                    return Ok(false);
                }
                self.write_pending()?;
                self.pending = Some((Arc::clone(batch), vec![row]));
            }
        }
        Ok(true)
    }

    fn write_pending(&mut self) -> Result<()> {
        let Some((batch, rows)) = self.pending.take() else { return Ok(()) };
        let columns = take_arrays(batch.columns(), &UInt32Array::from(rows), None);
        let rows = columns.and_then(|columns| RecordBatch::try_new(Arc::clone(&self.schema), columns));
        self.writer.write(&rows.map_err(ParquetError::from).map_err(Error::of_parquet)?).map_err(Error::of_parquet)?;
        if self.writer.memory_size() > GROUP_BYTES {
            self.writer.flush().map_err(Error::of_parquet)?;
        }
        Ok(())
    }

    pub(super) fn finish(mut self) -> Result<W> {
        self.write_pending()?;
        self.writer.into_inner().map_err(Error::of_parquet)
    }
}

/// Whether the columns of a file have the types that its rows, as read, are written in.
fn written_alike(file: &SchemaDescriptor, schema: &SchemaRef) -> bool {
    let Ok(written) = ArrowSchemaConverter::new().convert(schema) else { return false };
    let alike = |a: &ColumnDescriptor, b: &ColumnDescriptor| {
        let logical = a.logical_type_ref().zip(b.logical_type_ref()).is_none_or(|(a, b)| a == b);
        logical
            && a.physical_type() == b.physical_type()
            && a.converted_type() == b.converted_type()
            && (a.type_length(), a.type_precision(), a.type_scale())
                == (b.type_length(), b.type_precision(), b.type_scale())
            && (a.max_def_level(), a.max_rep_level()) == (b.max_def_level(), b.max_rep_level())
    };
    file.num_columns() == written.num_columns()
        && file.columns().iter().zip(written.columns()).all(|(a, b)| alike(a, b))
}
