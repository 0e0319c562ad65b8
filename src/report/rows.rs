//! What was found about every record, one row each.
//!
//! The Parquet file has the columns `x`, `y` and `neighbors` that embedding-atlas takes as a projection.

use arrow_schema::{DataType, Field};
use serde::{Deserialize, Serialize};

use crate::table::TableRow;

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
    /// The nearest other texts on the map, nearest first.
    pub neighbors: Option<RowNeighbors>,
}

/// Neighbours in the form that embedding-atlas reads.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RowNeighbors {
    /// Rows of the table, from 0, of the records that stand for the texts.
    pub ids: Vec<i64>,
    /// Cosine distances, 0 to 2.
    pub distances: Vec<f32>,
}

impl TableRow for RowRecord<'_> {
    fn columns() -> Vec<Field> {
        vec![
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
            Field::new_struct(
                "neighbors",
                vec![list("ids", DataType::Int64), list("distances", DataType::Float32)],
                true,
            ),
        ]
    }

    fn text_bytes(&self) -> usize {
        self.id.len() + self.duplicate_of.map_or(0, str::len)
    }
}

fn list(name: &str, of: DataType) -> Field {
    Field::new_list(name, Field::new_list_field(of, false), false)
}

/// What was found about one record, and its text.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RowWithText<'a> {
    /// What was found.
    #[serde(flatten, borrow)]
    pub row: RowRecord<'a>,
    /// The whole text as it was read. Of a profile's records: in normal form, cut, `None` where the profile has none.
    pub text: Option<String>,
}

impl TableRow for RowWithText<'_> {
    fn columns() -> Vec<Field> {
        let mut columns = RowRecord::columns();
        columns.push(Field::new("text", DataType::Utf8, true));
        columns
    }

    fn text_bytes(&self) -> usize {
        self.row.text_bytes() + self.text.as_ref().map_or(0, String::len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::{BATCH_ROWS, TableFormat, TableWriter};
    use arrow_array::Array as _;
    use arrow_array::ArrayRef;
    use arrow_array::cast::AsArray as _;
    use arrow_array::types::{Float32Type, Float64Type, Int64Type, UInt32Type};
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
            neighbors: (!i.is_multiple_of(4)).then(|| RowNeighbors {
                ids: (0..i64::from(i % 4)).collect(),
                distances: (0..i % 4).map(|at| at as f32 / 8.0).collect(),
            }),
        }
    }

    fn id(i: u32) -> String {
        if i == 7 { "</script>\u{1b}[31m\n\"quoted\" 文字".to_owned() } else { format!("row-{i}") }
    }

    fn write<W: std::io::Write + Send>(writer: &mut TableWriter<W>, n: u32) {
        for i in 0..n {
            writer.write(&row(i, &id(i), &id(i.wrapping_sub(1)))).unwrap();
        }
    }

    #[test]
    fn parquet_reads_back() {
        let n = 3 * BATCH_ROWS as u32 + 17;
        let mut writer =
            TableWriter::new::<RowRecord<'_>>(tempfile::tempfile().unwrap(), TableFormat::Parquet).unwrap();
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
                    neighbors: column("neighbors").is_valid(k).then(|| {
                        let lists = column("neighbors").as_struct();
                        let [ids, distances] = [0, 1].map(|field| lists.column(field).as_list::<i32>().value(k));
                        RowNeighbors {
                            ids: ids.as_primitive::<Int64Type>().values().to_vec(),
                            distances: distances.as_primitive::<Float32Type>().values().to_vec(),
                        }
                    }),
                };
                assert_eq!(read, row(i, &id(i), &id(i.wrapping_sub(1))));
                i += 1;
            }
        }
        assert_eq!(i, n);
    }

    #[test]
    fn json_lines_read_back() {
        let mut writer = TableWriter::new::<RowRecord<'_>>(Vec::new(), TableFormat::Jsonl).unwrap();
        write(&mut writer, 20);
        let text = String::from_utf8(writer.finish().unwrap()).unwrap();
        assert_eq!(text.lines().count(), 20);
        for (i, line) in (0..).zip(text.lines()) {
            let read: serde_json::Value = serde_json::from_str(line).unwrap();
            assert_eq!(read, serde_json::to_value(row(i, &id(i), &id(i.wrapping_sub(1)))).unwrap());
        }
        assert!(text.starts_with(
            r#"{"corpus":"reference","id":"row-0","leaf":null,"region":null,"similarity":null,"score":null,"p_value":null,"covered":null,"duplicate_of":null,"x":null,"y":null,"neighbors":null}"#
        ));
    }

    #[test]
    fn row_groups_are_bounded_in_rows_and_bytes() {
        // Incompressible ids of 64 kB: a row group is full long before it has its rows.
        let mut state = 1_u64;
        let mut writer =
            TableWriter::new::<RowRecord<'_>>(tempfile::tempfile().unwrap(), TableFormat::Parquet).unwrap();
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
}
