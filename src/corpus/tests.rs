//! Every format through the public door: what is written is what is read.

use std::io::{self, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow_array::builder::{Float32Builder, Int64Builder, ListBuilder, StringBuilder, StructBuilder};
use arrow_array::{ArrayRef, BinaryArray, Float64Array, RecordBatch, StringArray, StringViewArray};
use arrow_cast::cast;
use arrow_schema::{DataType, Field, Fields};
use proptest::prelude::*;
use serde_json::json;
use tempfile::TempDir;

use super::*;
use crate::Error;

/// A folder with one file, and the path of that file.
pub(super) fn file(name: &str, content: impl AsRef<[u8]>) -> (TempDir, String) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join(name);
    fs_err::write(&path, content).unwrap();
    (folder, path.to_string_lossy().into_owned())
}

pub(super) fn open(path: &str, options: &CorpusOptions) -> crate::Result<Corpus> {
    Corpus::open_with_stdin(&[path.to_owned()], options, std::io::empty())
}

/// What was recognised, and the rows: texts, or `line: reason`.
fn read_with(name: &str, content: impl AsRef<[u8]>, options: &CorpusOptions) -> (String, Vec<String>) {
    let (_folder, path) = file(name, content);
    let corpus = open(&path, options).unwrap_or_else(|error| panic!("{error} ({:?})", error.help()));
    let rows = corpus.records().map(|row| match row.unwrap().record {
        Ok(record) => record.text,
        Err(bad) => format!("{}: {}", bad.line, bad.reason),
    });
    (corpus.inputs()[0].recognised().to_owned(), rows.collect())
}

fn read(name: &str, content: impl AsRef<[u8]>) -> (String, Vec<String>) {
    read_with(name, content, &CorpusOptions::default())
}

fn records(path: &str, options: &CorpusOptions) -> Vec<Record> {
    let corpus = open(path, options).unwrap();
    corpus.records().map(|row| row.unwrap().record.unwrap()).collect()
}

pub(super) fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

pub(super) fn zstd(content: &[u8]) -> Vec<u8> {
    zstd::encode_all(content, 1).unwrap()
}

pub(super) fn parquet(columns: Vec<(&str, ArrayRef)>) -> Vec<u8> {
    let batch = RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, a)| (n, a, true))).unwrap();
    let mut bytes = Vec::new();
    let mut writer = parquet::arrow::ArrowWriter::try_new(&mut bytes, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    bytes
}

#[test]
fn jsonl_with_everything_that_can_be_wrong() {
    let content =
        b"\xef\xbb\xbf{\"text\": \"a\", \"id\": 7}\r\n\n  \n{\"text\": \"b\"\n{\"text\": \"\xff\"}\n{\"txt\": \"c\"}\n\
        {\"text\": 1}\n{\"text\": null}\n42\n{\"text\": \"d\"} x\n{\"text\": \"\\ud83d\\ude00\"}";
    let (recognised, rows) = read("a.jsonl", content);
    assert_eq!(recognised, "JSONL, text = text, id = id");
    let expected = [
        "a",
        "4: invalid JSON: EOF while parsing an object at column 12",
        "5: invalid UTF-8 at byte 11",
        "6: column text is missing",
        "7: column text: expected a string, got the number 1",
        "",
        "9: unexpected JSON: invalid type: integer `42`, expected an object, a list or a string at column 2",
        "10: invalid JSON: trailing characters at column 15",
        "😀",
    ];
    assert_eq!(rows, expected);
}

#[test]
fn ids_come_from_the_id_column_or_the_place() {
    let (_folder, path) = file("a.jsonl", "{\"id\": \"x\", \"text\": \"a\"}\n\n{\"id\": null, \"text\": \"b\"}\n");
    let ids: Vec<String> = records(&path, &CorpusOptions::default()).into_iter().map(|record| record.id).collect();
    assert_eq!(ids, ["x".to_owned(), format!("{path}:3")]);
}

#[test]
fn roles_are_named_or_recognised() {
    let row = json!({"Question_ID": 3, "Text": "t", "category": "c", "origin": "o", "License-ID": "mit", "is_synthetic": "gpt", "meta": {"thread": 9}, "v": [1, 2.5]});
    let (_folder, path) = file("a.jsonl", row.to_string());
    let options = CorpusOptions {
        group_by: Some("meta.thread".to_owned()),
        vectors: Some("v".to_owned()),
        ..CorpusOptions::default()
    };
    let corpus = open(&path, &options).unwrap();
    let expected = "JSONL, text = Text, id = Question_ID, label = category, source = origin, licence = License-ID, group_by = meta.thread, synthetic = is_synthetic, vectors = v";
    assert_eq!(corpus.inputs()[0].recognised(), expected);
    let record = Record {
        id: "3".to_owned(),
        text: "t".to_owned(),
        source: Some("o".to_owned()),
        label: Some("c".to_owned()),
        licence: Some("mit".to_owned()),
        group: Some("9".to_owned()),
        synthetic: true,
        vector: Some(vec![1.0, 2.5]),
    };
    assert_eq!(records(&path, &options), [record]);
}

#[test]
fn the_usual_schemas() {
    let turns = json!([{"role": "system", "content": "s"}, {"role": "user", "content": "u"}, {"role": "assistant", "content": "a"}]);
    let cases = [
        (json!({"instruction": "i", "input": "x", "output": "o", "text": "all"}), "{instruction}\\n{input?}", "i\nx"),
        (
            json!({"instruction": "i", "instances": [{"input": "x", "output": "o"}]}),
            "{instruction}\\n{instances.0.input?}",
            "i\nx",
        ),
        (json!({"instruction": "i", "output": "o"}), "instruction", "i"),
        (json!({"prompt": "p", "messages": turns}), "messages.user", "u"),
        (json!({"prompt": turns, "chosen": turns}), "prompt.user", "u"),
        (
            json!({"conversations": [{"from": "human", "value": "h"}, {"from": "gpt", "value": "g"}]}),
            "conversations.user",
            "h",
        ),
        (json!({"turns": ["one", "two"]}), "turns", "one\ntwo"),
        (json!({"turns": [{"content": "one"}]}), "turns", "one"),
        (json!({"question": "q", "answer": "a"}), "question", "q"),
        (json!({"task_id": "t", "prompt": "p", "test": "x"}), "prompt", "p"),
        (json!({"id": 1, "ticket": "words", "split": "train", "n": 3}), "ticket", "words"),
        (json!("just a string"), "text", "just a string"),
        (json!(["weather", "what will the weather be"]), "1", "what will the weather be"),
    ];
    for (row, template, text) in cases {
        let (recognised, rows) = read("a.jsonl", format!("{row}\n{row}\n"));
        assert!(recognised.contains(&format!("text = {template}")), "{row}: {recognised}");
        assert_eq!(rows, [text, text], "{row}");
    }
}

#[test]
fn json_arrays_keep_going_past_bad_elements() {
    let (recognised, rows) =
        read("a", "[\n {\"text\": \"a]\\\"}\"},\n {\"text\" \"b\"}, 3 , {\"text\": \"c\"} {\"text\": \"d\"}, \"e\"\n]");
    assert_eq!(recognised, "JSON array, text = text");
    assert_eq!((rows[0].as_str(), rows[3].as_str(), rows[5].as_str()), ("a]\"}", "c", "e"));
    assert!(rows[1].starts_with("2: invalid JSON") && rows[2].starts_with("3: unexpected JSON"), "{rows:?}");
    assert!(rows[4].starts_with("5: invalid JSON: expected `,`"), "{rows:?}");
    let (_, rows) = read("a.json", "[{\"text\": \"a\"}, {\"text\": \"b");
    assert_eq!(rows, ["a", "2: the file ends within this row"]);
    let (_, rows) = read("a.json", "[{\"text\": \"a\"},");
    assert_eq!(rows, ["a", "2: the file ends before its last bracket is closed"]);
    assert_eq!(read("a.json", "[]").0, "JSON array, no rows");
}

#[test]
fn json_objects_of_lists() {
    let pairs = r#"{"version": {"a": [1]}, "train": [["play a song please", "music"], ["play another one now", "music"]],
        "test": [["will it rain", "weather"], ["is it sunny here", "weather"]]}"#;
    for content in [pairs.to_owned(), pairs.replace('\n', "").replace("\"version\": {\"a\": [1]},", "")] {
        let (recognised, rows) = read("a.json", &content);
        assert_eq!(recognised, "JSON object of lists, text = 0, label = 1");
        assert_eq!(rows, ["play a song please", "play another one now", "will it rain", "is it sunny here"]);
    }
    let options = CorpusOptions { source: Some("split".to_owned()), ..CorpusOptions::default() };
    let (_folder, path) = file("a.json", pairs);
    let sources: Vec<_> = records(&path, &options).into_iter().map(|record| record.source.unwrap()).collect();
    assert_eq!(sources, ["train", "train", "test", "test"]);
    let (recognised, rows) = read("a.json", r#"{"messages": [{"role": "user", "content": "u"}]}"#);
    assert_eq!((recognised.as_str(), rows[0].as_str()), ("JSONL, text = messages.user", "u"));
    let (_folder, path) = file("a.json", "{\n\"text\": \"a\"\n}");
    assert!(open(&path, &CorpusOptions::default()).unwrap_err().to_string().contains("object of lists"));
}

#[test]
fn delimited_dialects() {
    let (recognised, rows) = read("a.csv", "\u{feff}id;text\r\n1;\"a;\"\"b\"\"\nc\"\r\n2;d;e\r\n\r\n3;f\r\n");
    assert_eq!(recognised, "CSV (semicolons), text = text, id = id");
    assert_eq!(rows, ["a;\"b\"\nc", "4: expected 2 columns, got 3", "f"]);
    let (recognised, rows) =
        read("messages", "Label\tSMS\nham\t\"Quoted\" here\nspam\t\"open\nham\tplain\nham\tclosed\"\n");
    assert_eq!(recognised, "TSV, text = SMS, label = Label");
    assert_eq!(rows, ["\"Quoted\" here", "\"open", "plain", "closed\""]);
    let (recognised, rows) = read("a.tsv", "text\tn\n\"two\nlines\"\t1\nb\t2\n");
    assert_eq!((recognised.as_str(), rows[0].as_str()), ("TSV, text = text", "two\nlines"));
    let (recognised, rows) = read("a.csv", "music,\"play a song, please\"\nmusic,play another one\n");
    assert_eq!(recognised, "CSV without header, text = 1, label = 0");
    assert_eq!(rows.len(), 2);
    let (recognised, rows) = read("a.csv", "Ticket Text,Rating\n\"a rather long message, with a comma\",3\n");
    assert_eq!((recognised.as_str(), rows.len()), ("CSV, text = Ticket Text", 1));
    let (_, rows) = read("a.csv", b"text,n\n\xff,1\nok,2\n");
    assert_eq!(rows, ["2: column text: invalid UTF-8 at byte 1", "ok"]);
    let header = CorpusOptions { header: Some(false), ..CorpusOptions::default() };
    assert_eq!(read_with("a.csv", "text\nwords\n", &header).1, ["text", "words"]);
    assert_eq!(read("a.csv", "text,label\n").1.len(), 0);
    let vectors = CorpusOptions { vectors: Some("v".to_owned()), ..CorpusOptions::default() };
    let (_folder, path) = file("a.csv", "text,v\nx,\"[1, 2]\"\n");
    assert_eq!(records(&path, &vectors)[0].vector, Some(vec![1.0, 2.0]));
}

#[test]
fn prose_is_text_whatever_it_contains() {
    let prose = "Hello, world\n[sic] yes, no\n\n{braces}, too\n";
    let (recognised, rows) = read("notes.txt", prose);
    assert_eq!(recognised, "plain text, text = text");
    assert_eq!(rows, ["Hello, world", "[sic] yes, no", "{braces}, too"]);
    assert_eq!(read("-x", "[music] plays\n[silence]\n").0, "plain text, text = text");
    assert_eq!(read("empty.csv", "\n \n").0, "empty, no rows");
}

#[test]
fn content_decides_against_the_name() {
    assert_eq!(read("a.csv", "{\"text\": \"a, b\"}\n{\"text\": \"c\"}\n").0, "JSONL, text = text");
    assert_eq!(read("a.jsonl", "[{\"text\": \"a\"},\n{\"text\": \"c\"}]\n").0, "JSON array, text = text");
    assert_eq!(read("a.txt", "id,text\n1,a\n2,b\n").0, "CSV, text = text, id = id");
    assert_eq!(read("a.jsonl", gzip(b"{\"text\": \"a\"}")).0, "JSONL (gzip), text = text");
    let text: ArrayRef = Arc::new(StringArray::from(vec!["a"]));
    assert_eq!(read("a.jsonl", parquet(vec![("text", text.clone())])).0, "Parquet, text = text");
    assert_eq!(
        read("a", zstd(&parquet(vec![("text", text)]))),
        ("Parquet (zstd), text = text".to_owned(), vec!["a".to_owned()])
    );
}

#[test]
fn parquet_types() {
    let texts = StringArray::from(vec![Some("a"), None, Some("c")]);
    let dictionary = cast(&texts, &DataType::Dictionary(Box::new(DataType::Int8), Box::new(DataType::Utf8))).unwrap();
    for column in [dictionary, cast(&texts, &DataType::LargeUtf8).unwrap(), cast(&texts, &DataType::Utf8View).unwrap()]
    {
        assert_eq!(read("a.parquet", parquet(vec![("text", column)])).1, ["a", "", "c"]);
    }
    let fields =
        Fields::from(vec![Field::new("role", DataType::Utf8, true), Field::new("content", DataType::Utf8, true)]);
    let mut messages = ListBuilder::new(StructBuilder::from_fields(fields, 0));
    for (role, content) in [("user", "u"), ("assistant", "a")] {
        messages.values().field_builder::<StringBuilder>(0).unwrap().append_value(role);
        messages.values().field_builder::<StringBuilder>(1).unwrap().append_value(content);
        messages.values().append(true);
    }
    messages.append(true);
    let mut vectors = ListBuilder::new(Float32Builder::new());
    vectors.append_value([Some(0.5), Some(-1.0)]);
    let mut ids = Int64Builder::new();
    ids.append_value(5);
    let vectors: ArrayRef = Arc::new(vectors.finish());
    let halves = cast(&vectors, &DataType::new_fixed_size_list(DataType::Float16, 2, true)).unwrap();
    let doubles = cast(&vectors, &DataType::new_large_list(DataType::Float64, true)).unwrap();
    let messages: ArrayRef = Arc::new(messages.finish());
    let ids: ArrayRef = Arc::new(ids.finish());
    for vectors in [vectors, halves, doubles] {
        let bytes = parquet(vec![("messages", messages.clone()), ("v", vectors), ("id", ids.clone())]);
        let (_folder, path) = file("a.parquet", bytes);
        let options = CorpusOptions { vectors: Some("v".to_owned()), ..CorpusOptions::default() };
        let record = &records(&path, &options)[0];
        assert_eq!((record.id.as_str(), record.text.as_str()), ("5", "u"));
        assert_eq!(record.vector, Some(vec![0.5, -1.0]));
    }
}

#[test]
fn bytes_beside_the_text_do_no_harm() {
    let text: ArrayRef = Arc::new(StringArray::from(vec!["a"]));
    let image: ArrayRef = Arc::new(BinaryArray::from_vec(vec![b"\x89PNG\xff"]));
    let bytes = parquet(vec![("image", image), ("text", text)]);
    assert_eq!(read("a.parquet", &bytes).1, ["a"]);
    let options = CorpusOptions { text: Some(TextTemplate::column("image")), ..CorpusOptions::default() };
    assert_eq!(read_with("a.parquet", &bytes, &options).1, ["1: column image: invalid UTF-8 at byte 1"]);
}

#[test]
fn vectors_must_be_finite_numbers() {
    let rows = "{\"text\": \"a\", \"v\": [1, \"x\"]}\n{\"text\": \"a\", \"v\": []}\n{\"text\": \"a\", \"v\": [1e300]}\n\
        {\"text\": \"a\", \"v\": null}\n{\"text\": \"a\"}\n{\"text\": \"a\", \"v\": [1]}\n";
    let options = CorpusOptions { vectors: Some("v".to_owned()), ..CorpusOptions::default() };
    let (_, rows) = read_with("a.jsonl", rows, &options);
    assert!(rows[..3].iter().all(|row| row.contains("column v")), "{rows:?}");
    // Whether a row may come without a vector is for the caller to judge.
    assert_eq!(rows[3..], ["a", "a", "a"]);
}

#[test]
fn vectors_can_stand_without_a_text() {
    let options = CorpusOptions { vectors: Some("v".to_owned()), ..CorpusOptions::default() };
    let (recognised, rows) = read_with("a.jsonl", "{\"id\": \"one\", \"v\": [1, 2]}\n", &options);
    assert_eq!((recognised.as_str(), rows), ("JSONL, no text, id = id, vectors = v", vec![String::new()]));
}

#[test]
fn several_inputs_patterns_and_standard_input() {
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    for (name, text) in [("b.jsonl", "2"), ("a.jsonl", "1"), ("c[1].jsonl", "3")] {
        fs_err::write(path(name), json!({"text": text}).to_string()).unwrap();
    }
    let inputs = [path("?.jsonl"), "-".to_owned(), path("c[1].jsonl"), path("a.jsonl")];
    let stdin = gzip(b"piped\nin\n");
    let corpus = Corpus::open_with_stdin(&inputs, &CorpusOptions::default(), stdin.as_slice()).unwrap();
    let names: Vec<&str> = corpus.inputs().iter().map(Input::path).collect();
    assert_eq!(names, [&path("a.jsonl"), &path("b.jsonl"), "-", &path("c[1].jsonl")]);
    for _ in 0..2 {
        let rows: Vec<(usize, String, String)> = corpus
            .records()
            .map(|row| row.unwrap())
            .map(|row| row.record.map(|record| (row.input, record.text, record.id)).unwrap())
            .collect();
        let texts: Vec<(usize, &str)> = rows.iter().map(|(input, text, _)| (*input, text.as_str())).collect();
        assert_eq!(texts, [(0, "1"), (1, "2"), (2, "piped"), (2, "in"), (3, "3")]);
        assert_eq!(rows[3].2, "-:2");
    }
    let error = |input: String| open(&input, &CorpusOptions::default()).unwrap_err();
    assert!(error(path("*.csv")).to_string().contains("got none"));
    assert!(error(path("")).help().unwrap().contains('*'));
    assert!(error(path("missing.csv")).to_string().contains("missing.csv"));
    assert!(Corpus::open_with_stdin(&[], &CorpusOptions::default(), std::io::empty()).is_err());
}

#[test]
fn rows_can_be_read_on_another_thread() {
    let (_folder, path) = file("a.txt", "a\nb\n");
    let corpus = open(&path, &CorpusOptions::default()).unwrap();
    let records = corpus.records();
    assert_eq!(std::thread::scope(|scope| scope.spawn(|| records.count()).join().unwrap()), 2);
}

#[test]
fn errors_name_the_columns_and_the_next_step() {
    let fails = |content: &str, options: &CorpusOptions| {
        let (_folder, path) = file("a.jsonl", content);
        let error = open(&path, options).unwrap_err();
        (error.to_string(), error.help().unwrap().to_owned())
    };
    let text = |template: &str| CorpusOptions { text: Some(template.parse().unwrap()), ..CorpusOptions::default() };
    let two = "{\"left\": \"a\", \"right\": \"b\", \"n\": 1}";
    let (error, help) = fails(two, &CorpusOptions::default());
    assert!(error.ends_with("expected a column that is recognised as the text, got the columns left (string), right (string), n (number)"), "{error}");
    assert!(help.contains("--text left"), "{help}");
    let (error, help) = fails(two, &text("{left}\\n{rihgt}"));
    assert!(error.contains("expected a column \"rihgt\""), "{error}");
    assert_eq!(help, "did you mean `--text right`?");
    assert!(fails(two, &text("completely_different")).1.contains("one of these"));
    assert!(fails("nothing\nof\nthe kind", &CorpusOptions::default()).0.contains("line 1: invalid JSON"));
    for (binary, found) in [(&b"\xff\xfea\0b\0"[..], "UTF-16"), (b"BZh91AY\xff", "bzip2"), (b"\x01\0\x02", "binary")] {
        let (_folder, path) = file("a", binary);
        assert!(open(&path, &CorpusOptions::default()).unwrap_err().to_string().contains(found));
    }
}

#[test]
fn a_stream_cut_anywhere_gives_a_prefix_and_an_error() {
    let lines: Vec<String> =
        (0..3000).map(|i| json!({"text": format!("row {i} {}", i * 7919 % 1000)}).to_string()).collect();
    let content = lines.join("\n");
    for packed in [gzip(content.as_bytes()), zstd(content.as_bytes())] {
        for kept in (5..packed.len()).step_by(packed.len() / 40) {
            let (_folder, path) = file("a.jsonl", &packed[..kept]);
            for corpus in [open(&path, &CorpusOptions::default()), once(packed[..kept].to_vec())] {
                let Ok(corpus) = corpus else { continue };
                let rows: Vec<_> = corpus.records().collect();
                let (last, before) = rows.split_last().unwrap();
                for (i, row) in before.iter().enumerate() {
                    let text = &row.as_ref().unwrap().record.as_ref().unwrap().text;
                    assert!(text.starts_with(&format!("row {i} ")));
                }
                let error = last.as_ref().unwrap_err();
                assert!(matches!(error, Error::Corpus { got, .. } if got.contains("truncated")), "{kept}: {error}");
            }
        }
    }
}

#[test]
fn concatenated_members_are_one_stream() {
    let packed = [gzip(b"{\"text\": \"a\"}\n"), gzip(b"{\"text\": \"b\"}\n")].concat();
    assert_eq!(read("a.jsonl.gz", packed).1, ["a", "b"]);
    let packed = [zstd(b"{\"text\": \"a\"}\n"), zstd(b"{\"text\": \"b\"}\n")].concat();
    assert_eq!(read("a.jsonl.zst", packed).1, ["a", "b"]);
}

/// A producer: what it has written can be read, and reading on is an error, where a pipe would wait. It hands out a
/// few bytes at a time.
struct Producer {
    content: Vec<u8>,
    at: usize,
    written: Arc<AtomicUsize>,
    chunk: usize,
}

impl Read for Producer {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let written = self.written.load(Ordering::Relaxed);
        if self.at == written && written < self.content.len() {
            return Err(io::Error::other("waited for the producer"));
        }
        let read = (&self.content[self.at..written]).take(self.chunk as u64).read(buffer)?;
        self.at += read;
        Ok(read)
    }
}

/// What is piped in, opened once.
fn once(content: Vec<u8>) -> crate::Result<Corpus> {
    let written = Arc::new(AtomicUsize::new(content.len()));
    let stdin = Producer { content, at: 0, written, chunk: 3 };
    Corpus::open_once_with_stdin(&["-".to_owned()], &CorpusOptions::default(), stdin)
}

#[test]
fn what_is_read_once_is_read_alike() {
    let text: ArrayRef = Arc::new(StringArray::from_iter_values((0..700).map(|i| format!("text {i}"))));
    let jsonl: Vec<String> = (0..5000).map(|i| format!("{{\"id\": {i}, \"text\": \"row {i}\"}}\n")).collect();
    let objects: Vec<_> = (0..500).map(|i| json!({"text": format!("row {i}")})).collect();
    let contents = [
        jsonl.concat().into_bytes(),
        serde_json::to_vec_pretty(&objects).unwrap(),
        serde_json::to_vec(&objects).unwrap(),
        serde_json::to_vec_pretty(&json!({"train": objects, "test": ["a", "b"]})).unwrap(),
        "\u{feff}id,text\r\n1,\"a\r\nb\"\r\n2,\"open\r\n3,c".to_owned().into_bytes(),
        b"text\tn\n\"two\nlines\"\t1\nb\t2\n".repeat(60),
        [vec![b'\n'; 100], b"one\ntwo".to_vec()].concat(),
        parquet(vec![("text", text)]),
        b"\n \n".to_vec(),
        b"a".to_vec(),
        Vec::new(),
    ];
    for content in contents {
        for packed in [content.clone(), gzip(&content), zstd(&content)] {
            let all = Corpus::open_with_stdin(&["-".to_owned()], &CorpusOptions::default(), packed.as_slice()).unwrap();
            let once = once(packed).unwrap();
            assert_eq!(once.inputs()[0].recognised(), all.inputs()[0].recognised());
            let rows: Vec<Row> = once.records().map(Result::unwrap).collect();
            assert_eq!(rows, all.records().map(Result::unwrap).collect::<Vec<_>>());
        }
    }
}

#[test]
fn a_second_reading_is_an_error() {
    let corpus = once(b"{\"text\": \"a\"}\n".to_vec()).unwrap();
    assert_eq!(corpus.records().count(), 1);
    for _ in 0..2 {
        let mut rows = corpus.rows_with_originals();
        let error = rows.next().unwrap().unwrap_err();
        assert!(error.to_string().contains("second reading") && rows.next().is_none(), "{error}");
    }
    // Its beginning is gone as well.
    let corpus = once(b"a\nb\n".to_vec()).unwrap();
    drop(corpus.records().next());
    assert!(corpus.records().next().unwrap().is_err());
    // Files are still there, and so is Parquet that was piped in.
    let text: ArrayRef = Arc::new(StringArray::from(vec!["a"]));
    let (_folder, path) = file("a.jsonl", "{\"text\": \"a\"}\n");
    let corpus = Corpus::open_once_with_stdin(&[path], &CorpusOptions::default(), io::empty()).unwrap();
    for corpus in [corpus, once(zstd(&parquet(vec![("text", text)]))).unwrap()] {
        assert_eq!((corpus.records().count(), corpus.records().count()), (1, 1));
    }
}

#[test]
fn rows_come_as_they_come_in() {
    /// Packs a piece in such a way that it can be read at once.
    type Packer = Box<dyn FnMut(&str) -> Vec<u8>>;
    let lines: Vec<String> = (0..100).map(|i| format!("{{\"text\": \"row {i}\"}}\n")).collect();
    let table = |i: usize| if i == 0 { "text,n\n".to_owned() } else { format!("\"row\n{i}\",1\n") };
    let array = |i: usize| format!("{}\n{{\"text\": \"row {i}\"}}", if i == 0 { '[' } else { ',' });
    let plain = || -> Packer { Box::new(|line| line.as_bytes().to_vec()) };
    let gzip = || -> Packer {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        Box::new(move |line| {
            encoder.write_all(line.as_bytes()).unwrap();
            encoder.flush().unwrap();
            std::mem::take(encoder.get_mut())
        })
    };
    let zstd = || -> Packer {
        let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
        Box::new(move |line| {
            encoder.write_all(line.as_bytes()).unwrap();
            encoder.flush().unwrap();
            std::mem::take(encoder.get_mut())
        })
    };
    // The pieces after which 32 rows are there; all rows come then, and one with every piece that follows.
    let pieces: [(Vec<String>, usize); 3] =
        [(lines, 32), ((0..100).map(table).collect(), 33), ((0..100).map(array).collect(), 32)];
    for (pieces, needed) in pieces {
        for mut packer in [plain(), gzip(), zstd()] {
            let packed: Vec<Vec<u8>> = pieces.iter().map(|piece| packer(piece)).collect();
            let ends: Vec<usize> = packed
                .iter()
                .scan(0, |end, piece| {
                    *end += piece.len();
                    Some(*end)
                })
                .collect();
            let written = Arc::new(AtomicUsize::new(ends[needed - 1]));
            let content = packed.concat();
            let stdin = Producer { content, at: 0, written: Arc::clone(&written), chunk: usize::MAX };
            let corpus = Corpus::open_once_with_stdin(&["-".to_owned()], &CorpusOptions::default(), stdin).unwrap();
            let mut rows = corpus.records();
            for _ in 0..32 {
                rows.next().unwrap().unwrap().record.unwrap();
            }
            for (next, &end) in ends.iter().enumerate().skip(needed) {
                written.store(end, Ordering::Relaxed);
                let record = rows.next().unwrap().unwrap().record.unwrap();
                assert!(record.text.ends_with(&next.to_string()), "{}", record.text);
            }
        }
    }
}

#[test]
fn no_more_is_read_ahead_than_is_said() {
    struct Endless(Arc<AtomicUsize>, Vec<u8>);
    impl Read for Endless {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let at = self.0.load(Ordering::Relaxed);
            let read = (&self.1[at % self.1.len()..]).read(buffer)?;
            self.0.store(at + read, Ordering::Relaxed);
            Ok(read)
        }
    }
    // Short lines need no more than a buffer. Of a row that does not end, no more is held than a row may have.
    for (line, limit) in
        [(&b"{\"text\": \"a\"}\n"[..], 1 << 20), (b"a,b\n", 1 << 20), (b"words ", 66 << 20), (b"[[\"a\"],\n", 66 << 20)]
    {
        let read = Arc::new(AtomicUsize::new(0));
        let stdin = Endless(Arc::clone(&read), line.repeat(10_000));
        let opened = Corpus::open_once_with_stdin(&["-".to_owned()], &CorpusOptions::default(), stdin);
        assert!(read.load(Ordering::Relaxed) < limit, "{opened:?}");
    }
}

fn csv(rows: &[(String, String)]) -> String {
    let quoted = |field: &str| format!("\"{}\"", field.replace('"', "\"\""));
    let rows = rows.iter().map(|(id, text)| format!("{},{}\r\n", quoted(id), quoted(text)));
    std::iter::once("id,text\r\n".to_owned()).chain(rows).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_format_reads_back_what_was_written(
        texts in prop::collection::vec("([\"',;\\t\\r\\n|{}\\[\\]\\\\ ]|\\PC|[a-z]{1,8}){0,12}", 1..20),
    ) {
        let rows: Vec<(String, String)> = texts.iter().enumerate().map(|(i, text)| (format!("r{i}"), text.clone())).collect();
        let objects: Vec<_> = rows.iter().map(|(id, text)| json!({"id": id, "text": text})).collect();
        let jsonl: String = objects.iter().flat_map(|row| [row.to_string(), "\n".to_owned()]).collect();
        let ids: ArrayRef = Arc::new(StringArray::from_iter_values(rows.iter().map(|(id, _)| id)));
        let column: ArrayRef = Arc::new(StringViewArray::from_iter_values(&texts));
        let numbers: ArrayRef = Arc::new(Float64Array::from(vec![1.0; rows.len()]));
        let files = [
            ("a.jsonl", jsonl.clone().into_bytes()),
            ("a", jsonl.replace('\n', "\r\n").into_bytes()),
            ("a.jsonl.gz", gzip(jsonl.as_bytes())),
            ("a.zst", zstd(jsonl.as_bytes())),
            ("a.json", serde_json::to_vec(&objects).unwrap()),
            ("b", serde_json::to_vec_pretty(&objects).unwrap()),
            ("c.json", serde_json::to_vec_pretty(&json!({"train": objects})).unwrap()),
            ("a.csv", csv(&rows).into_bytes()),
            ("a.parquet", parquet(vec![("id", ids), ("n", numbers), ("text", column)])),
        ];
        let options = CorpusOptions { text: Some(TextTemplate::column("text")), ..CorpusOptions::default() };
        for (name, content) in files {
            let (_folder, path) = file(name, content);
            let read: Vec<(String, String)> = records(&path, &options).into_iter().map(|r| (r.id, r.text)).collect();
            prop_assert_eq!(&read, &rows, "{}", name);
        }
    }

    #[test]
    fn no_bytes_make_a_reader_panic(
        bytes in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..300),
            "[\\[\\]{}\",:;\\t\\n a1\\\\|]{0,200}".prop_map(String::into_bytes),
        ],
        format in prop::sample::select(Format::ALL.iter().map(|&(_, f)| Some(f)).chain([None]).collect::<Vec<_>>()),
        text in prop::sample::select(vec![None, Some("0"), Some("text")]),
    ) {
        let options = CorpusOptions { format, text: text.map(TextTemplate::column), ..CorpusOptions::default() };
        for content in [bytes.clone(), gzip(&bytes)] {
            let (_folder, path) = file("a", &content);
            let stdin = io::Cursor::new(content);
            let once = Corpus::open_once_with_stdin(&["-".to_owned()], &options, stdin);
            for corpus in [open(&path, &options), once].into_iter().flatten() {
                // An end must be reached, with at most one row a byte.
                prop_assert!(corpus.records().count() <= bytes.len() + 1);
            }
        }
    }

    #[test]
    fn no_damage_to_a_parquet_file_makes_the_reader_panic(at in 4_usize..2000, byte: u8, cut in 0_usize..2000) {
        let text: ArrayRef = Arc::new(StringArray::from_iter_values((0..50).map(|i| format!("text {i}"))));
        let mut bytes = parquet(vec![("text", text)]);
        let (at, cut) = (at % bytes.len(), bytes.len() - cut % bytes.len());
        bytes[at] = byte;
        for content in [&bytes[..], &bytes[..cut]] {
            let (_folder, path) = file("a.parquet", content);
            if let Ok(corpus) = open(&path, &CorpusOptions::default()) {
                prop_assert!(corpus.records().count() <= 51);
            }
        }
    }
}
