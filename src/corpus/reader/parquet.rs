//! Parquet, a batch of rows at a time: of the wanted columns only, unless the rows are to be copied.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Float16Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type,
    UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_cast::cast;
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_schema::{ArrowError, DataType, SchemaRef};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use parquet::basic::Compression;
use parquet::file::metadata::{ColumnChunkMetaData, KeyValue, ParquetMetaData, RowGroupMetaData};
use parquet::schema::types::SchemaDescriptor;
use serde_json::{Map, Number, Value};

use super::columns::{Cell, Columns, put};
use super::lines::utf8;
use super::source::Source;
use super::{Purpose, RawRow, RowReader};
use crate::corpus::original::{Content, Original};
use crate::{Error, Result};

/// Rows held at a time: with 4,096-dimensional vectors, 8 MiB.
const BATCH_ROWS: usize = 512;
/// Bytes of a batch of all columns, which may hold images: rows of more have a batch each.
const BATCH_BYTES: u64 = 64 << 20;

pub(super) struct Parquet {
    name: String,
    reader: ParquetRecordBatchReader,
    /// The batch at hand: its columns by name, its number of rows, and the next of them.
    batch: Vec<(String, ArrayRef)>,
    batch_rows: usize,
    at: usize,
    rows: u64,
    /// Whether batches have all columns, for the rows' originals.
    originals: bool,
    /// The batch at hand with all its columns, and its bytes per row.
    original: Option<(Arc<RecordBatch>, usize)>,
}

impl Parquet {
    pub(super) fn open(source: &Source, columns: &Columns, purpose: Purpose) -> Result<Self> {
        let originals = purpose == Purpose::Originals;
        let file = source.whole(purpose)?.into_parts().0;
        let reader = guarded(|| {
            let builder = ParquetRecordBatchReaderBuilder::try_new(file)?;
            let roots = builder.schema().fields().iter().enumerate();
            let roots: Vec<usize> =
                roots.filter(|(_, field)| originals || columns.wants(field.name())).map(|(i, _)| i).collect();
            let mask = ProjectionMask::roots(builder.parquet_schema(), roots);
            let rows = if originals { whole_rows(builder.metadata()) } else { BATCH_ROWS };
            Ok(builder.with_projection(mask).with_batch_size(rows).build()?)
        });
        let reader = reader.map_err(|problem| damaged(&source.name, 0, &problem))?;
        let name = source.name.clone();
        Ok(Self { name, reader, batch: Vec::new(), batch_rows: 0, at: 0, rows: 0, originals, original: None })
    }

    /// Reads batches until one has rows; `false` at the end.
    fn fill(&mut self, wanted: &Columns) -> Result<bool, String> {
        while self.at >= self.batch_rows {
            let Some(batch) = guarded(|| self.reader.next().transpose())? else { return Ok(false) };
            let columns = batch.schema_ref().fields().iter().zip(batch.columns());
            let columns = columns.filter(|(field, _)| wanted.wants(field.name())).map(|(field, array)| {
                // Dictionaries are resolved a batch at a time.
                let array = match array.data_type() {
                    DataType::Dictionary(_, values) => cast(array, values)?,
                    _ => ArrayRef::clone(array),
                };
                Ok((field.name().clone(), array))
            });
            self.batch = guarded(|| columns.collect())?;
            (self.batch_rows, self.at) = (batch.num_rows(), 0);
            if self.originals {
                let bytes = batch.get_array_memory_size().div_ceil(batch.num_rows().max(1));
                self.original = Some((Arc::new(batch), bytes));
            }
        }
        Ok(true)
    }
}

/// Rows of a batch of all columns that is not too large, as far as the file says.
fn whole_rows(metadata: &ParquetMetaData) -> usize {
    let bytes = |group: &RowGroupMetaData| {
        group.total_byte_size().max(0).unsigned_abs() / group.num_rows().max(1).unsigned_abs()
    };
    let largest = metadata.row_groups().iter().map(bytes).max().unwrap_or(0).max(1);
    (BATCH_BYTES / largest).clamp(1, BATCH_ROWS as u64) as usize
}

/// What a copy of a file keeps beside its rows.
pub(in crate::corpus) struct Footer {
    /// As the rows are read, with the schema's own metadata.
    pub(in crate::corpus) schema: SchemaRef,
    /// As they stand in the file.
    pub(in crate::corpus) columns: SchemaDescriptor,
    /// Of pandas, Hugging Face, Arrow, ….
    pub(in crate::corpus) metadata: Option<Vec<KeyValue>>,
    /// Of the first column of the first rows.
    pub(in crate::corpus) codec: Option<Compression>,
}

impl Footer {
    /// Reads the end of a Parquet file.
    pub(in crate::corpus) fn read(source: &Source) -> Result<Self> {
        let file = source.whole(Purpose::Recognise)?.into_parts().0;
        let footer = guarded(|| {
            let builder = ParquetRecordBatchReaderBuilder::try_new(file)?;
            let metadata = builder.metadata();
            let first = metadata.row_groups().first().and_then(|group| group.columns().first());
            Ok(Self {
                schema: Arc::clone(builder.schema()),
                columns: builder.parquet_schema().clone(),
                metadata: metadata.file_metadata().key_value_metadata().cloned(),
                codec: first.map(ColumnChunkMetaData::compression),
            })
        });
        footer.map_err(|problem| damaged(&source.name, 0, &problem))
    }
}

impl RowReader for Parquet {
    fn next_row(&mut self, columns: &mut Columns) -> Result<Option<RawRow>> {
        match self.fill(columns) {
            Ok(true) => {}
            Ok(false) => return Ok(None),
            Err(problem) => return Err(damaged(&self.name, self.rows, &problem)),
        }
        let mut cells = Vec::new();
        let mut bad = None;
        for (name, array) in &self.batch {
            if let Some(number) = columns.number(name) {
                match cell(array, self.at) {
                    Ok(cell) => put(&mut cells, number, cell),
                    // Bytes (of an image) do no harm where only names and types are looked at.
                    Err(_) if columns.are_all() => {}
                    Err(reason) => bad = bad.or(Some(format!("column {name}: {reason}"))),
                }
            }
        }
        self.at += 1;
        self.rows += 1;
        Ok(Some(RawRow { line: self.rows, cells: bad.map_or(Ok(cells), Err) }))
    }

    fn original(&self) -> Option<Original> {
        let (batch, bytes) = self.original.as_ref()?;
        let row = self.at.checked_sub(1)?;
        Some(Original::new(Content::Row { batch: Arc::clone(batch), row, bytes: *bytes }))
    }
}

/// Runs code of the Parquet library, in which a damaged file can still end in a panic.
fn guarded<T>(read: impl FnOnce() -> Result<T, ArrowError>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(read)) {
        Ok(result) => result.map_err(|error| error.to_string()),
        Err(_) => Err("the Parquet decoder gave up".to_owned()),
    }
}

fn damaged(name: &str, rows: u64, problem: &str) -> Error {
    Error::Corpus {
        place: name.to_owned(),
        expected: "a complete Parquet file".to_owned(),
        got: format!("a damaged one, readable up to row {rows} ({problem})"),
        help: "download or write the file again".to_owned(),
    }
}

fn cell(array: &ArrayRef, row: usize) -> Result<Cell, String> {
    if !array.is_null(row)
        && let Some(items) = list_items(array, row)
        && matches!(items.data_type(), DataType::Float16 | DataType::Float32 | DataType::Float64)
        && items.null_count() == 0
    {
        let floats = match items.data_type() {
            DataType::Float16 => items.as_primitive::<Float16Type>().values().iter().map(|x| x.to_f32()).collect(),
            DataType::Float32 => items.as_primitive::<Float32Type>().values().to_vec(),
            _ => items.as_primitive::<Float64Type>().values().iter().map(|&x| x as f32).collect(),
        };
        return Ok(Cell::Floats(floats));
    }
    value(array, row).map(Cell::Json)
}

fn list_items(array: &ArrayRef, row: usize) -> Option<ArrayRef> {
    match array.data_type() {
        DataType::List(_) => Some(array.as_list::<i32>().value(row)),
        DataType::LargeList(_) => Some(array.as_list::<i64>().value(row)),
        DataType::FixedSizeList(..) => Some(array.as_fixed_size_list().value(row)),
        _ => None,
    }
}

/// A value as JSON; types that JSON lacks (times, decimals) as they are printed.
fn value(array: &ArrayRef, row: usize) -> Result<Value, String> {
    if array.is_null(row) {
        return Ok(Value::Null);
    }
    if let Some(items) = list_items(array, row) {
        return Ok(Value::Array((0..items.len()).map(|item| value(&items, item)).collect::<Result<_, _>>()?));
    }
    // A number that JSON lacks (NaN) is no value.
    let float = |x: f64| Number::from_f64(x).map_or(Value::Null, Value::Number);
    Ok(match array.data_type() {
        DataType::Null => Value::Null,
        DataType::Utf8 => Value::from(array.as_string::<i32>().value(row)),
        DataType::LargeUtf8 => Value::from(array.as_string::<i64>().value(row)),
        DataType::Utf8View => Value::from(array.as_string_view().value(row)),
        DataType::Binary => Value::from(utf8(array.as_binary::<i32>().value(row))?),
        DataType::LargeBinary => Value::from(utf8(array.as_binary::<i64>().value(row))?),
        DataType::Boolean => Value::from(array.as_boolean().value(row)),
        DataType::Int8 => Value::from(array.as_primitive::<Int8Type>().value(row)),
        DataType::Int16 => Value::from(array.as_primitive::<Int16Type>().value(row)),
        DataType::Int32 => Value::from(array.as_primitive::<Int32Type>().value(row)),
        DataType::Int64 => Value::from(array.as_primitive::<Int64Type>().value(row)),
        DataType::UInt8 => Value::from(array.as_primitive::<UInt8Type>().value(row)),
        DataType::UInt16 => Value::from(array.as_primitive::<UInt16Type>().value(row)),
        DataType::UInt32 => Value::from(array.as_primitive::<UInt32Type>().value(row)),
        DataType::UInt64 => Value::from(array.as_primitive::<UInt64Type>().value(row)),
        DataType::Float16 => float(array.as_primitive::<Float16Type>().value(row).to_f64()),
        DataType::Float32 => float(f64::from(array.as_primitive::<Float32Type>().value(row))),
        DataType::Float64 => float(array.as_primitive::<Float64Type>().value(row)),
        DataType::Dictionary(_, values) => {
            value(&cast(&array.slice(row, 1), values).map_err(|error| error.to_string())?, 0)?
        }
        DataType::Struct(fields) => {
            let columns = fields.iter().zip(array.as_struct().columns());
            let members = columns.map(|(field, column)| Ok((field.name().clone(), value(column, row)?)));
            Value::Object(members.collect::<Result<Map<_, _>, String>>()?)
        }
        _ => {
            let formatter = ArrayFormatter::try_new(array.as_ref(), &FormatOptions::default());
            let printed = formatter.and_then(|formatter| formatter.value(row).try_to_string());
            Value::from(printed.map_err(|error| error.to_string())?)
        }
    })
}
