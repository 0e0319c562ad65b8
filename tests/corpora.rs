//! Every file of the shared corpora reads without a flag, row for row.
//!
//! The folder is named by `SEMCOV_DATA` (default `../shared/data`); where it is absent the test says so and passes.
#![expect(clippy::print_stderr, reason = "a skipped test says so")]

use std::path::{Path, PathBuf};

use semcov::corpus::{Compression, CopyWriter, Corpus, CorpusOptions};

/// File, records, and what is recognised.
const FILES: [(&str, usize, &str); 17] = [
    ("arena-hard/question.jsonl", 500, "JSONL, text = turns, id = question_id, label = category"),
    ("clinc150/data_full.json", 23_700, "JSON object of lists, text = 0, label = 1"),
    ("clinc150/domains.json", 150, "JSON object of lists, text = text"),
    ("gsm8k/test.jsonl", 1_319, "JSONL, text = question"),
    ("gsm8k/train.jsonl", 7_473, "JSONL, text = question"),
    ("gsm8k-alpaca/gsm_8k_train.json", 7_473, "JSON array, text = {instruction}\\n{input?}"),
    ("humaneval/HumanEval.jsonl", 164, "JSONL, text = prompt, id = task_id"),
    ("llm-decontaminator/pairs.jsonl", 1_774, "JSONL, text = original"),
    ("mt-bench/mt_bench_question.jsonl", 80, "JSONL, text = turns, id = question_id, label = category"),
    ("self-instruct/seed_tasks.jsonl", 175, "JSONL, text = {instruction}\\n{instances.0.input?}, id = id"),
    (
        "self-instruct/user_oriented_instructions.jsonl",
        252,
        "JSONL, text = {instruction}\\n{instances.0.input?}, id = id",
    ),
    ("sharegpt/dummy_conversation.json", 500, "JSON array, text = conversations.user, id = id"),
    ("sms-spam/SMSSpamCollection", 5_574, "TSV, text = SMS, label = Label"),
    ("snips/snips.jsonl", 14_484, "JSONL, text = text, label = label"),
    ("toolformer/toolformer-dedupe-only-dataset.json", 7_673, "JSON array, text = {instruction}\\n{input?}"),
    ("toolformer/toolformer-similarity-0.8-dataset.json", 4_709, "JSON array, text = {instruction}\\n{input?}"),
    ("snips/UPSTREAM_LICENSE", 96, "plain text, text = text"),
];

fn data() -> Option<PathBuf> {
    let folder = std::env::var_os("SEMCOV_DATA").map_or_else(|| Path::new("../shared/data").to_owned(), PathBuf::from);
    let present = folder.is_dir();
    if !present {
        eprintln!("skipped: {} is absent; name the folder of the shared corpora with SEMCOV_DATA", folder.display());
    }
    present.then_some(folder)
}

#[test]
fn every_file_reads_without_a_flag() {
    let Some(folder) = data() else { return };
    for (name, rows, recognised) in FILES {
        let path = folder.join(name).to_string_lossy().into_owned();
        let corpus = Corpus::open(&[path], &CorpusOptions::default()).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(corpus.inputs()[0].recognised(), recognised, "{name}");
        let mut read = 0;
        let mut empty = 0;
        for row in corpus.records() {
            let record = row.unwrap().record.unwrap_or_else(|bad| panic!("{bad}"));
            empty += usize::from(record.text.trim().is_empty());
            read += 1;
        }
        assert_eq!((read, empty), (rows, 0), "{name}");
    }
}

#[test]
fn one_flag_chooses_another_column() {
    let Some(folder) = data() else { return };
    let path = folder.join("arena-hard/question.jsonl").to_string_lossy().into_owned();
    let options = CorpusOptions { label: Some("cluster".to_owned()), ..CorpusOptions::default() };
    let corpus = Corpus::open(&[path], &options).unwrap();
    let labels: std::collections::BTreeSet<_> =
        corpus.records().map(|row| row.unwrap().record.unwrap().label.unwrap()).collect();
    assert_eq!(labels.len(), 250);
}

#[test]
fn every_file_is_copied_as_it_stands() {
    let Some(folder) = data() else { return };
    for (name, rows, recognised) in FILES {
        let path = folder.join(name).to_string_lossy().into_owned();
        let corpus = Corpus::open_once(std::slice::from_ref(&path), &CorpusOptions::default()).unwrap();
        let mut copy = CopyWriter::new(Vec::new(), &corpus, Compression::None).unwrap();
        for row in corpus.rows_with_originals() {
            copy.write(&row.unwrap().1.unwrap()).unwrap();
        }
        let copy = copy.finish().unwrap();
        if recognised.starts_with("JSON ") {
            let stdin = std::io::Cursor::new(copy);
            let copy = Corpus::open_with_stdin(&["-".to_owned()], &CorpusOptions::default(), stdin).unwrap();
            assert_eq!((copy.inputs()[0].recognised(), copy.records().count()), (recognised, rows), "{name}");
        } else {
            let lines = |text: &[u8]| -> Vec<u8> {
                let lines = text.split_inclusive(|&byte| byte == b'\n');
                lines.filter(|line| !line.trim_ascii().is_empty()).flatten().copied().collect()
            };
            assert!(lines(&copy) == lines(&std::fs::read(&path).unwrap()), "{name}");
        }
    }
}
