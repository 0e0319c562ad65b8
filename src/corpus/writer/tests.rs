//! What is copied is what stood there.

use std::io::{self, Read, Write};
use std::sync::Arc;

use arrow_array::builder::{Int32Builder, ListBuilder, MapBuilder, StringBuilder};
use arrow_array::types::Int8Type;
use arrow_array::{
    ArrayRef, BooleanArray, Date32Array, Decimal128Array, DictionaryArray, RecordBatch, StringArray, StringViewArray,
    StructArray, TimestampMicrosecondArray, UInt16Array, UInt32Array,
};
use arrow_schema::{DataType, Field, Schema};
use arrow_select::concat::concat_batches;
use arrow_select::take::take_record_batch;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::Compression as Codec;
use parquet::data_type::{ByteArray, ByteArrayType, Int96, Int96Type};
use parquet::file::metadata::{KeyValue, ParquetMetaData, RowGroupMetaData};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::corpus::original::Content;
use crate::corpus::tests::{file, gzip, open, zstd};
use crate::corpus::{BadRow, Compression, CopyWriter, Corpus, CorpusOptions, Format, Record, Row};
use crate::{Error, Result};

/// Text is not looked for: any column will do.
fn options() -> CorpusOptions {
    CorpusOptions { text: Some("{text?}".parse().unwrap()), ..CorpusOptions::default() }
}

/// Copies the rows of a corpus into two files by their number, and counts those without an original.
fn route(corpus: &Corpus, compression: Compression, keep: impl Fn(usize) -> bool) -> Result<([Vec<u8>; 2], usize)> {
    let mut writers =
        [CopyWriter::new(Vec::new(), corpus, compression)?, CopyWriter::new(Vec::new(), corpus, compression)?];
    let mut lost = 0;
    for (number, row) in corpus.rows_with_originals().enumerate() {
        match row?.1 {
            Some(original) => writers[usize::from(!keep(number))].write(&original)?,
            None => lost += 1,
        }
    }
    let [kept, flagged] = writers;
    Ok(([kept.finish()?, flagged.finish()?], lost))
}

fn copy(name: &str, content: impl AsRef<[u8]>) -> Vec<u8> {
    let (_folder, path) = file(name, content);
    route(&open(&path, &options()).unwrap(), Compression::None, |_| true).unwrap().0[0].clone()
}

fn decompressed(bytes: &[u8], compression: Compression) -> Vec<u8> {
    let mut content = Vec::new();
    match compression {
        Compression::None => content.extend_from_slice(bytes),
        Compression::Gzip => drop(flate2::read::MultiGzDecoder::new(bytes).read_to_end(&mut content).unwrap()),
        Compression::Zstd => content = zstd::decode_all(bytes).unwrap(),
    }
    content
}

/// Rows without their place.
fn rows(corpus: &Corpus) -> Vec<Result<Record, String>> {
    let rows = corpus.records().map(|row| row.unwrap().record.map_err(|bad: BadRow| bad.reason));
    rows.map(|row| row.map(|record| Record { id: String::new(), ..record })).collect()
}

#[test]
fn lines_are_copied_byte_for_byte() {
    for (name, content) in [
        ("a.jsonl", "{\"text\": \"a\",  \"n\":1.0 }\n{\"text\": \"\\u00e9\"}\r\n{\"text\": 1}\n{broken\n[1, \"b\"]"),
        ("a.jsonl", "\u{feff}{\"text\": \"a\"}\r\n{\"text\": \"b\"}"),
        ("a.txt", "one\r\n  two \nthree"),
        ("a.csv", "\u{feff}\"id\",text\r\n1,\"a \"\"quoted\"\"\r\n\r\nfield\"\r\n2, spaces \r\n3,\"open\r\n4,b"),
        ("a.csv", "id;text\n1;\"a;b\"\n2;c;d\n"),
        ("a.csv", "id,text"),
        ("a.csv", "id,text\r\n"),
        ("a.tsv", "text\tn\n\"two\nlines\"\t1\nb\t2\n"),
        ("a.tsv", "id\ttext\n1\t\"open\n2\tplain\n"),
        ("a.csv", "music,\"play a song, please\"\nmusic,play another one\n"),
        ("a.csv", ""),
        ("a.jsonl", "\u{feff}"),
    ] {
        for (suffix, packed) in
            [("", content.as_bytes().to_vec()), (".gz", gzip(content.as_bytes())), (".zst", zstd(content.as_bytes()))]
        {
            assert_eq!(String::from_utf8(copy(&format!("{name}{suffix}"), packed)).unwrap(), content, "{name}");
        }
    }
}

#[test]
fn blank_lines_are_not_copied() {
    assert_eq!(copy("a.jsonl", "\n{\"text\": 1}\n\n \n{\"text\": 2}\n\n"), b"{\"text\": 1}\n{\"text\": 2}\n");
    assert_eq!(copy("a.csv", "\r\ntext,n\r\n\r\na,1\r\n\r\nb,2\r\n"), b"text,n\r\na,1\r\nb,2\r\n");
}

#[test]
fn several_files_go_into_one() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, content: &[u8]| {
        let path = folder.path().join(name);
        fs_err::write(&path, content).unwrap();
        path.to_string_lossy().into_owned()
    };
    let copied = |paths: &[String]| -> Result<String> {
        let corpus = Corpus::open_with_stdin(paths, &options(), io::empty())?;
        let ([kept, flagged], lost) = route(&corpus, Compression::None, |_| true)?;
        assert_eq!(lost, 0);
        let name = if paths[0].contains("json") { "none.json" } else { "none.csv" };
        let none = Corpus::open_with_stdin(&[write(name, &flagged)], &options(), io::empty()).unwrap();
        assert_eq!(none.records().count(), 0);
        Ok(String::from_utf8(kept).unwrap())
    };
    let empty = write("empty.csv", b"\n \n");
    // A header is written once, a last line ended as the lines of its file are.
    let crlf = write("1.csv", b"\xef\xbb\xbfid,text\r\n1,a\r\n2,b");
    let lf = write("2.csv", b"\"id\",text\n3,c");
    let only_header = write("3.csv", b"id,text");
    let expected = "\u{feff}id,text\r\n1,a\r\n2,b\r\n3,c";
    assert_eq!(copied(&[empty.clone(), crlf.clone(), lf.clone()]).unwrap(), expected);
    assert_eq!(copied(&[only_header, lf.clone(), empty.clone()]).unwrap(), "id,text\n3,c");
    let lines = write("1.jsonl", b"{\"text\": \"a\"}");
    assert_eq!(copied(&[lines.clone(), empty.clone()]).unwrap(), "{\"text\": \"a\"}");
    let array = write("1.json", b"[{\"text\":\"a\"} ,\n {\"text\" :\"b\"}]");
    let other = write("2.json", b"[\"c\"]");
    assert_eq!(copied(&[array.clone(), other]).unwrap(), "[\n{\"text\":\"a\"},\n{\"text\" :\"b\"},\n\"c\"\n]\n");
    assert_eq!(copied(&[empty]).unwrap(), "");

    let refused = |paths: &[&String]| {
        let paths: Vec<String> = paths.iter().map(|&path| path.clone()).collect();
        let error = copied(&paths).unwrap_err().to_string();
        assert!(paths.iter().all(|path| error.contains(path.as_str())), "{error}");
        error
    };
    assert!(refused(&[&lines, &crlf]).contains("expected JSONL"));
    assert!(refused(&[&lines, &array]).contains("got JSON array"));
    assert!(refused(&[&crlf, &write("4.csv", b"id,text,n\n1,a,b\n")]).contains(r#"["id", "text", "n"]"#));
    assert!(refused(&[&crlf, &write("5.csv", b"id;text\n1;a\n")]).contains("semicolons"));
    let quoted = write("1.tsv", b"id\ttext\n1\t\"two\nlines\"\n");
    assert!(refused(&[&write("2.tsv", b"id\ttext\n1\ta\n"), &quoted]).contains("got TSV with quotes"));
    let lists = write("l.json", b"{\"train\": [\"a\"]}");
    refused(&[&lists, &array]);
    refused(&[&lists, &write("m.json", b"{\"train\": [\"b\"]}")]);
}

#[test]
fn json_keeps_rows_lists_and_their_order() {
    assert_eq!(copy("a.json", "[]"), b"[]\n");
    let pretty = "\u{feff}[\n  {\n    \"text\": \"a]\",\n    \"n\": 1.0\n  }, 3 , {\"text\" \"b\"}\n]";
    let rows = "{\n    \"text\": \"a]\",\n    \"n\": 1.0\n  },\n3,\n{\"text\" \"b\"}";
    assert_eq!(String::from_utf8(copy("a.json", pretty)).unwrap(), format!("\u{feff}[\n{rows}\n]\n"));

    let lists = r#"{"first": [],
        "version": {"a": [1]}, "tr\"ain": [["a","x"], ["b" , "y"]], "none": [], "test": [["c", "z"]], "last": [ ]}"#;
    let (_folder, path) = file("a.json", lists);
    let corpus = open(&path, &CorpusOptions::default()).unwrap();
    let ([kept, flagged], lost) = route(&corpus, Compression::None, |row| row == 1).unwrap();
    let expected = r#"{
"first": [],
"tr\"ain": [
["b" , "y"]
],
"none": [],
"test": [],
"last": []
}
"#;
    assert_eq!((String::from_utf8(kept).unwrap().as_str(), lost), (expected, 0));
    let flagged: Value = serde_json::from_slice(&flagged).unwrap();
    let expected = json!({"first": [], "tr\"ain": [["a", "x"]], "none": [], "test": [["c", "z"]], "last": []});
    assert_eq!(flagged.to_string(), expected.to_string());
}

#[test]
fn what_is_no_row_has_no_original() {
    for (content, lost) in
        [("[{\"text\": \"a\"}, {\"text\": \"b", 1), ("[{\"text\": \"a\"},", 1), ("[{\"text\": \"a\"},, 2]", 1)]
    {
        let (_folder, path) = file("a.json", content);
        let ([kept, _], found) = route(&open(&path, &options()).unwrap(), Compression::None, |_| true).unwrap();
        assert_eq!(found, lost, "{content}");
        assert!(serde_json::from_slice::<Vec<Value>>(&kept).is_ok(), "{content}");
    }
    let long = format!("{{\"text\": \"{}\"}}\nb\n", "x".repeat(64 << 20));
    let (_folder, path) = file("a.jsonl", long);
    let corpus = open(&path, &options()).unwrap();
    assert_eq!(route(&corpus, Compression::None, |_| true).unwrap(), ([b"b\n".to_vec(), Vec::new()], 1));
}

#[test]
fn copies_are_written_on_any_thread() {
    fn sends<T: Send>() {}
    sends::<CopyWriter<fs_err::File>>();
    sends::<crate::corpus::Original>();
    sends::<crate::corpus::RowsWithOriginals<'_>>();
}

#[test]
fn what_is_written_can_be_handed_on() {
    let (_folder, path) = file("a.txt", "a\nb\n");
    let corpus = open(&path, &options()).unwrap();
    for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
        let pipe = tempfile::NamedTempFile::new().unwrap();
        let mut writer = CopyWriter::new(pipe.reopen().unwrap(), &corpus, compression).unwrap();
        let row = corpus.rows_with_originals().next().unwrap().unwrap().1.unwrap();
        writer.write(&row).unwrap();
        assert_eq!(fs_err::read(pipe.path()).unwrap(), b"");
        writer.flush().unwrap();
        let now = fs_err::read(pipe.path()).unwrap();
        let mut line = [0; 2];
        match compression {
            Compression::None => line.copy_from_slice(&now),
            Compression::Gzip => flate2::read::GzDecoder::new(&now[..]).read_exact(&mut line).unwrap(),
            Compression::Zstd => zstd::Decoder::new(&now[..]).unwrap().read_exact(&mut line).unwrap(),
        }
        assert_eq!(&line, b"a\n");
        writer.finish().unwrap();
    }
}

#[test]
fn a_row_of_another_corpus_is_refused() {
    let (_one, lines) = file("a.jsonl", "{\"text\": \"a\"}\n");
    let (_two, array) = file("b.json", "[{\"text\": \"a\"}]");
    let (lines, array) = (open(&lines, &options()).unwrap(), open(&array, &options()).unwrap());
    let mut writer = CopyWriter::new(Vec::new(), &lines, Compression::None).unwrap();
    let row = array.rows_with_originals().next().unwrap().unwrap().1.unwrap();
    assert!(matches!(writer.write(&row), Err(Error::Corpus { .. })));
}

#[test]
fn originals_do_not_change_the_rows_and_know_their_size() {
    let lines: Vec<String> = (0..100).map(|i| format!("{{\"text\": \"{}\"}}\n", "x".repeat(i * 10))).collect();
    let (_folder, path) = file("a.jsonl", lines.concat());
    let corpus = open(&path, &options()).unwrap();
    let (rows, originals): (Vec<Row>, Vec<_>) = corpus.rows_with_originals().map(Result::unwrap).unzip();
    assert_eq!(rows, corpus.records().map(Result::unwrap).collect::<Vec<_>>());
    for (i, original) in originals.iter().enumerate() {
        let bytes = original.as_ref().unwrap().bytes();
        assert!((i * 10..i * 10 + 150).contains(&bytes), "{bytes}");
    }
}

/// Rows of every type that matters, as two row groups.
fn table(rows: usize) -> (RecordBatch, Vec<u8>) {
    let texts: Vec<Option<String>> =
        (0..rows).map(|i| (i % 7 != 3).then(|| format!("text {i} {}", "x".repeat(i % 50)))).collect();
    let mut tags = ListBuilder::new(StringBuilder::new());
    let mut scores = MapBuilder::new(None, StringBuilder::new(), Int32Builder::new());
    for i in 0..rows {
        for tag in 0..i % 4 {
            tags.values().append_option((tag != 2).then(|| format!("tag {tag}")));
            scores.keys().append_value(format!("key {tag}"));
            scores.values().append_value(i as i32);
        }
        tags.append(i % 5 != 1);
        scores.append(true).unwrap();
    }
    let dictionary: DictionaryArray<Int8Type> =
        (0..rows).map(|i| ["red", "green", "blue"].get(i % 4).copied()).collect();
    let numbers: Vec<i64> = (0..rows as i64).map(|i| i * 1_000_003).collect();
    let nested = StructArray::from(vec![
        (Arc::new(Field::new("flag", DataType::Boolean, true)), {
            let flags = (0..rows).map(|i| (i % 3 != 0).then_some(i.is_multiple_of(2)));
            Arc::new(flags.collect::<BooleanArray>()) as ArrayRef
        }),
        (Arc::new(Field::new("day", DataType::Date32, false)), {
            Arc::new(Date32Array::from_iter_values(0..rows as i32)) as ArrayRef
        }),
    ]);
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("text", Arc::new(StringArray::from(texts.clone()))),
        ("view", Arc::new(StringViewArray::from_iter(texts))),
        ("tags", Arc::new(tags.finish())),
        ("scores", Arc::new(scores.finish())),
        ("colour", Arc::new(dictionary)),
        ("at", Arc::new(TimestampMicrosecondArray::from(numbers.clone()).with_timezone("Europe/Berlin"))),
        (
            "price",
            Arc::new(
                Decimal128Array::from_iter_values(numbers.iter().map(|&n| i128::from(n)))
                    .with_precision_and_scale(30, 4)
                    .unwrap(),
            ),
        ),
        ("nested", Arc::new(nested)),
        ("small", Arc::new(UInt16Array::from_iter_values((0..rows).map(|i| i as u16)))),
    ];
    let fields: Vec<Field> = columns
        .iter()
        .map(|(name, array)| {
            let field = Field::new(*name, array.data_type().clone(), true);
            field.with_metadata([("comment".to_owned(), format!("about {name}"))].into())
        })
        .collect();
    let schema = Schema::new(fields).with_metadata([("of".to_owned(), "the schema".to_owned())].into());
    let arrays = columns.into_iter().map(|(_, array)| array).collect();
    let batch = RecordBatch::try_new(Arc::new(schema), arrays).unwrap();
    let of_pandas = vec![
        KeyValue::new("pandas".to_owned(), "{\"index_columns\": []}".to_owned()),
        KeyValue::new("huggingface".to_owned(), "{\"info\": {}}".to_owned()),
    ];
    let properties = WriterProperties::builder()
        .set_compression(Codec::SNAPPY)
        .set_max_row_group_row_count(Some(rows.div_ceil(2).max(1)))
        .set_key_value_metadata(Some(of_pandas))
        .build();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    (batch, writer.into_inner().unwrap())
}

/// The rows of a Parquet file in one batch, and its footer.
fn parsed(bytes: &[u8]) -> (RecordBatch, Arc<ParquetMetaData>) {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
    let (schema, metadata) = (Arc::clone(builder.schema()), Arc::clone(builder.metadata()));
    let batches: Vec<RecordBatch> = builder.build().unwrap().map(Result::unwrap).collect();
    (concat_batches(&schema, &batches).unwrap(), metadata)
}

#[test]
fn parquet_reads_back_equal() {
    for rows in [0, 1, 700, 3000] {
        let (batch, bytes) = table(rows);
        let (_folder, path) = file("a.parquet", &bytes);
        // The text alone is a column of the records; the copy has them all.
        let corpus = open(&path, &options()).unwrap();
        let keep = |row: usize| row.is_multiple_of(3) || (1000..2000).contains(&row);
        let (parts, lost) = route(&corpus, Compression::None, keep).unwrap();
        assert_eq!(lost, 0);
        let before = parsed(&bytes).1;
        for (part, kept) in parts.iter().zip([true, false]) {
            let (read, footer) = parsed(part);
            let wanted =
                UInt32Array::from_iter_values((0..rows).filter(|&row| keep(row) == kept).map(|row| row as u32));
            let expected = take_record_batch(&batch, &wanted).unwrap();
            assert_eq!(read.columns(), expected.columns());
            assert_eq!(read.schema(), parsed(&bytes).0.schema());
            assert_eq!(read.schema().field(0).metadata()["comment"], "about text");
            let (file, other) = (footer.file_metadata(), before.file_metadata());
            assert_eq!(file.key_value_metadata(), other.key_value_metadata());
            assert_eq!(file.schema(), other.schema());
            for column in footer.row_groups().iter().flat_map(RowGroupMetaData::columns) {
                assert_eq!(column.compression(), Codec::SNAPPY);
            }
        }
    }
}

#[test]
fn parquet_rows_share_their_batch() {
    let (_folder, path) = file("a.parquet", table(3000).1);
    let corpus = open(&path, &options()).unwrap();
    let window: Vec<usize> = corpus.rows_with_originals().map(|row| row.unwrap().1.unwrap().bytes()).collect();
    let sum: usize = window.iter().sum();
    // Each row has some 150 bytes in its columns.
    assert!((3000 * 150..3000 * 1000).contains(&sum), "{sum}");
}

#[test]
fn parquet_of_large_rows_is_read_in_small_batches() {
    let images: ArrayRef =
        Arc::new(StringArray::from_iter_values((0..130_u8).map(|i| char::from(b' ' + i).to_string().repeat(2 << 20))));
    let batch = RecordBatch::try_from_iter([("text", images)]).unwrap();
    let plain = WriterProperties::builder().set_dictionary_enabled(false).build();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(plain)).unwrap();
    writer.write(&batch).unwrap();
    let (_folder, path) = file("a.parquet", writer.into_inner().unwrap());
    let corpus = open(&path, &options()).unwrap();
    let mut writer = CopyWriter::new(Vec::new(), &corpus, Compression::Zstd).unwrap();
    for row in corpus.rows_with_originals() {
        let original = row.unwrap().1.unwrap();
        let Content::Row { batch, .. } = original.content() else { panic!("{original:?}") };
        assert!(batch.num_rows() <= 64, "{}", batch.num_rows());
        writer.write(&original).unwrap();
    }
    let (read, footer) = parsed(&decompressed(&writer.finish().unwrap(), Compression::Zstd));
    assert_eq!(read, batch);
    // 130 MiB: more than a row group is to hold.
    assert!(footer.num_row_groups() > 1);
}

#[test]
fn parquet_of_types_that_are_written_otherwise_today() {
    let schema = "message m { required int96 at; optional binary price (DECIMAL(9, 2)); optional binary text (UTF8); }";
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, Arc::default()).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let mut at = Int96::new();
    at.set_data(1_000_000_000, 0, 2_440_589);
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<Int96Type>().write_batch(&[at, at], None, None).unwrap();
    column.close().unwrap();
    for values in [[vec![1, 2], vec![3]], [b"one".to_vec(), b"two".to_vec()]] {
        let mut column = group.next_column().unwrap().unwrap();
        column.typed::<ByteArrayType>().write_batch(&values.map(ByteArray::from), Some(&[1, 1]), None).unwrap();
        column.close().unwrap();
    }
    group.close().unwrap();
    let bytes = writer.into_inner().unwrap();
    let (_folder, path) = file("a.parquet", &bytes);
    let (parts, lost) = route(&open(&path, &options()).unwrap(), Compression::None, |row| row == 0).unwrap();
    assert_eq!(lost, 0);
    let before = parsed(&bytes).0;
    for (row, part) in parts.iter().enumerate() {
        assert_eq!(parsed(part).0, before.slice(row, 1));
    }
}

#[test]
fn parquet_files_go_into_one_if_their_fields_agree() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        fs_err::write(&path, bytes).unwrap();
        path.to_string_lossy().into_owned()
    };
    let (batch, bytes) = table(10);
    let paths = [write("1.parquet", &bytes), write("2.parquet", &table(700).1)];
    let corpus = Corpus::open_with_stdin(&paths, &options(), io::empty()).unwrap();
    let ([kept, _], _) = route(&corpus, Compression::None, |_| true).unwrap();
    assert_eq!(parsed(&kept).0, concat_batches(&parsed(&bytes).0.schema(), [&batch, &table(700).0]).unwrap());

    let one: ArrayRef = Arc::new(StringArray::from(vec!["a"]));
    let one = RecordBatch::try_from_iter([("text", one)]).unwrap();
    let mut writer = ArrowWriter::try_new(Vec::new(), one.schema(), None).unwrap();
    writer.write(&one).unwrap();
    let paths = [paths[0].clone(), write("3.parquet", &writer.into_inner().unwrap())];
    let corpus = Corpus::open_with_stdin(&paths, &options(), io::empty()).unwrap();
    let error = CopyWriter::new(Vec::new(), &corpus, Compression::None).err().unwrap().to_string();
    assert!(paths.iter().all(|path| error.contains(path.as_str())), "{error}");
}

/// A field of a table, quoted where it has to be or where it is not.
fn field() -> impl Strategy<Value = String> {
    let bare = "[a-z 0-9é']{0,8}";
    let quoted = "\"([a-z ,;]|\"\"|\r\n|\n){0,10}\"";
    prop_oneof![bare, quoted]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn kept_and_flagged_share_out_the_rows(
        lines in prop::collection::vec((field(), field(), prop::sample::select(vec!["\n", "\r\n"])), 0..20),
        mark: bool,
        end: bool,
        keep in prop::collection::vec(any::<bool>(), 32),
    ) {
        let mark = if mark { "\u{feff}" } else { "" };
        let joined = |header: &str, line: &dyn Fn(&(String, String, &str)) -> String| {
            let mut text = format!("{mark}{header}");
            for fields in &lines {
                text.push_str(&line(fields));
            }
            if !end {
                text.truncate(text.trim_end_matches(['\r', '\n']).len());
            }
            text
        };
        let object = |a: &str, b: &str| json!({"text": a, "n": [b]}).to_string();
        let objects: Vec<String> = lines.iter().map(|(a, b, _)| object(a, b)).collect();
        let lists = format!("{{\"a\": [{}], \"b\": [\"x\"]}}", objects.join(" ,"));
        let files = [
            ("a.csv", joined("text,n\r\n", &|(a, b, end)| format!("{a},{b}{end}")), true),
            ("a.tsv", joined("text\tn\n", &|(a, b, end)| format!("{a}\t{b}{end}")), true),
            ("a.jsonl", joined("", &|(a, b, end)| format!("{}{end}", object(a, b))), true),
            ("a.json", format!("{mark}[{}]", objects.join(", ")), false),
            ("b.json", format!("{mark}{lists}"), false),
        ];
        for (name, content, exact) in files {
            for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
                let packed = match compression {
                    Compression::None => content.as_bytes().to_vec(),
                    Compression::Gzip => gzip(content.as_bytes()),
                    Compression::Zstd => zstd(content.as_bytes()),
                };
                let (_folder, path) = file(name, packed);
                let corpus = open(&path, &options()).unwrap();
                let all = rows(&corpus);
                if exact {
                    let ([whole, none], lost) = route(&corpus, compression, |_| true).unwrap();
                    let whole = decompressed(&whole, compression);
                    prop_assert_eq!(lost, 0);
                    let lines = |text: &[u8]| -> Vec<Vec<u8>> {
                        let lines = text.split_inclusive(|&byte| byte == b'\n');
                        lines.filter(|line| !line.trim_ascii().is_empty()).map(<[u8]>::to_vec).collect()
                    };
                    if name == "a.csv" && content.contains("\n\n") || content.contains("\n\r\n") {
                        // Blank lines may stand between rows.
                        prop_assert_eq!(lines(&whole), lines(content.as_bytes()), "{}", name);
                    } else {
                        prop_assert_eq!(whole, content.as_bytes(), "{}", name);
                    }
                    prop_assert!(content.as_bytes().starts_with(&decompressed(&none, compression)));
                }
                // Read again, the two files have all rows, in their order.
                let (parts, lost) = route(&corpus, compression, |row| keep[row % 32]).unwrap();
                prop_assert_eq!(lost, 0);
                let mut parts = parts.into_iter().enumerate().map(|(at, part)| {
                    let text = decompressed(&part, compression);
                    let expected: Vec<_> =
                        all.iter().enumerate().filter(|(row, _)| keep[row % 32] == (at == 0)).map(|(_, row)| row.clone()).collect();
                    (text, expected)
                });
                let ((kept, of_kept), (flagged, of_flagged)) = (parts.next().unwrap(), parts.next().unwrap());
                for (text, expected) in [(kept, of_kept), (flagged, of_flagged)] {
                    if !expected.is_empty() {
                        let (_folder, path) = file(name, &text);
                        prop_assert_eq!(rows(&open(&path, &options()).unwrap()), expected, "{}: {:?}", name, String::from_utf8_lossy(&text));
                    }
                }
            }
        }
    }

    #[test]
    fn no_damage_to_a_parquet_file_makes_a_copy_panic(at: usize, byte: u8, cut in 0_usize..200) {
        let mut bytes = table(20).1;
        let (at, end) = (4 + at % (bytes.len() - 4), bytes.len() - cut);
        bytes[at] = byte;
        for content in [&bytes[..], &bytes[..end]] {
            let (_folder, path) = file("a.parquet", content);
            if let Ok(corpus) = open(&path, &options())
                && let Ok((_, lost)) = route(&corpus, Compression::None, |_| true)
            {
                prop_assert_eq!(lost, 0);
            }
        }
    }

    #[test]
    fn no_bytes_make_a_copy_panic(
        bytes in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..300),
            "[\\[\\]{}\",:;\\t\\n a1\\\\|]{0,200}".prop_map(String::into_bytes),
        ],
        format in prop::sample::select(Format::ALL.iter().map(|&(_, f)| Some(f)).chain([None]).collect::<Vec<_>>()),
    ) {
        let (_folder, path) = file("a", &bytes);
        if let Ok(corpus) = open(&path, &CorpusOptions { format, ..options() }) {
            let ([kept, _], lost) = route(&corpus, Compression::None, |_| true).unwrap();
            if !matches!(bytes.trim_ascii_start().first(), Some(b'[' | b'{')) && lost == 0 {
                let full = |text: &[u8]| -> Vec<u8> { text.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect() };
                prop_assert_eq!(full(&kept), full(&bytes));
            }
        }
    }
}
