//! `semcov report` on the example corpus, on the encoder inside the binary.
#![cfg(feature = "embedded-model")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::LazyLock;
use std::time::Duration;

use serde_json::Value;

const EXAMPLE: &str = "examples/support.jsonl";

/// A folder with the example's vectors already in the cache `cache`, and the report of that first run.
static FIRST: LazyLock<(tempfile::TempDir, String)> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    let output = run(&["report", EXAMPLE, "--format", "json", "--cache", &path(folder.path(), "cache")]);
    assert!(stderr(&output).contains("embedded 582 texts"), "{}", stderr(&output));
    let report = stdout(&output);
    (folder, report)
});

fn semcov(arguments: &[&str]) -> Command {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("semcov"));
    command
        .args(arguments)
        .env_remove("SEMCOV_CACHE")
        .env("SEMCOV_PRECISION", "f32")
        .env("HF_HUB_OFFLINE", "1")
        .stdin(Stdio::null());
    command
}

/// Runs to success.
fn run(arguments: &[&str]) -> Output {
    let output = semcov(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", stderr(&output));
    output
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn path(folder: &Path, name: &str) -> String {
    folder.join(name).to_str().unwrap().to_owned()
}

fn cached() -> String {
    path(FIRST.0.path(), "cache")
}

fn report() -> Value {
    serde_json::from_str(&FIRST.1).unwrap()
}

fn write(path: &str, lines: &[String]) {
    std::fs::write(path, lines.concat()).unwrap();
}

/// The lines of the example, each with its line break.
fn example() -> Vec<String> {
    std::fs::read_to_string(EXAMPLE).unwrap().lines().map(|line| format!("{line}\n")).collect()
}

#[test]
fn finds_what_was_planted() {
    let report = report();
    let corpus = &report["corpus"];
    let counts = ["rows", "bad_rows", "empty", "distinct_texts", "exact_duplicates"].map(|name| corpus[name].as_u64());
    assert_eq!(counts, [609, 0, 2, 582, 25].map(Some));
    assert_eq!(report["encoder"]["id"], "all-MiniLM-L6-v2");

    let groups = report["duplicate_groups"].as_array().unwrap();
    assert_eq!(groups.len(), 10);
    assert_eq!((&groups[0]["kept"]["id"], &groups[0]["rows"]), (&Value::from("sup-0036"), &Value::from(6)));

    let outliers: Vec<_> = report["outliers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|outlier| outlier["record"]["id"].as_str().unwrap())
        .collect();
    let strangers = ["0030", "0159", "0232", "0234", "0251", "0348", "0385"].map(|id| format!("sup-{id}"));
    for stranger in &strangers {
        assert!(outliers[..10].contains(&stranger.as_str()), "{stranger} is not among {outliers:?}");
    }

    // The planted gap: the region that holds the privacy rows is among those that need more.
    let holds_privacy = |region: &&Value| {
        region["labels"]
            .as_array()
            .unwrap()
            .iter()
            .any(|label| label["name"] == "privacy" && label["rows"].as_u64() >= Some(4))
    };
    let region = report["regions"].as_array().unwrap().iter().find(holds_privacy).expect("privacy rows stay together");
    let needs = report["needs_augmentation"].as_array().unwrap();
    assert!(needs.iter().any(|need| need["region"] == region["id"]), "{} needs nothing", region["name"]);

    let sources: BTreeMap<_, _> = report["sources"]
        .as_array()
        .unwrap()
        .iter()
        .map(|source| (source["name"].as_str().unwrap(), source["rows"].as_u64().unwrap()))
        .collect();
    assert_eq!(sources.values().sum::<u64>(), 607);
    assert_eq!(sources["phone-transcript"], 68);
}

#[test]
fn a_second_run_embeds_nothing_and_prints_the_same() {
    let first = &FIRST.1;
    let output = run(&["report", EXAMPLE, "--format", "json", "--cache", &cached()]);
    assert!(stderr(&output).contains("all 582 texts were in the vector store"), "{}", stderr(&output));
    assert_eq!(&stdout(&output), first);
}

#[test]
fn new_rows_alone_are_embedded() {
    let folder = tempfile::tempdir().unwrap();
    let corpus = path(folder.path(), "more.jsonl");
    let new = (0..6).map(|i| format!("{{\"id\": \"new-{i}\", \"text\": \"a new message, number {i}\"}}\n"));
    write(&corpus, &example().into_iter().chain(new).collect::<Vec<_>>());
    let output = run(&["report", &corpus, "--cache", &cached()]);
    let said = stderr(&output);
    assert!(said.contains("embedded 6 texts") && said.contains("582 more were in the vector store"), "{said}");
}

/// Rows in the order of their ids, with the ids of their neighbours rather than the places where these stand.
fn rows_by_id(lines: &str) -> Vec<Value> {
    let mut rows: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let ids: Vec<Value> = rows.iter().map(|row| row["id"].clone()).collect();
    for row in &mut rows {
        for neighbor in row.pointer_mut("/neighbors/ids").and_then(Value::as_array_mut).into_iter().flatten() {
            *neighbor = ids[neighbor.as_u64().unwrap() as usize].clone();
        }
    }
    rows.sort_by_key(|row| row["id"].as_str().unwrap().to_owned());
    rows
}

#[test]
fn the_order_of_rows_and_the_number_of_threads_change_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let rows_of = |corpus: &str, threads: &str| {
        let rows = path(folder.path(), &format!("rows-{threads}.jsonl"));
        let output = run(&[
            "report",
            corpus,
            "--cache",
            "none",
            "--format",
            "json",
            "--threads",
            threads,
            "--rows",
            &rows,
            "--seed",
            "7",
        ]);
        (stdout(&output), rows_by_id(&std::fs::read_to_string(rows).unwrap()))
    };
    let corpus = path(folder.path(), "corpus.jsonl");
    let mut lines: Vec<String> = example().into_iter().take(150).collect();
    write(&corpus, &lines);
    let one = rows_of(&corpus, "1");
    lines.reverse();
    lines.rotate_left(40);
    write(&corpus, &lines);
    let three = rows_of(&corpus, "3");
    assert_eq!(one.1.len(), 150);
    assert!(one.1.iter().any(|row| row["neighbors"]["ids"].as_array().is_some_and(|ids| !ids.is_empty())));
    assert_eq!(one, three);
}

#[test]
fn a_killed_run_goes_on_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let (corpus, cache) = (path(folder.path(), "long.jsonl"), path(folder.path(), "cache"));
    // Long enough that it cannot finish before it is killed.
    let text = |i: usize| format!("{{\"text\": \"{}{i}\"}}\n", "words of a long row ".repeat(60));
    write(&corpus, &(0..4000).map(text).collect::<Vec<_>>());
    let mut child = semcov(&["report", &corpus, "--cache", &cache, "-q"]).stdout(Stdio::null()).spawn().unwrap();
    std::thread::sleep(Duration::from_secs(3));
    child.kill().unwrap();
    child.wait().unwrap();
    // The store opens, and the rows that are asked for now are embedded into it.
    let short = path(folder.path(), "short.jsonl");
    write(&short, &(0..30).map(text).collect::<Vec<_>>());
    run(&["report", &short, "--cache", &cache]);
    let again = run(&["report", &short, "--cache", &cache]);
    assert!(stderr(&again).contains("all 30 texts were in the vector store"), "{}", stderr(&again));
}

#[test]
fn every_format_of_the_same_rows_gives_the_same_regions() {
    let regions = |report: &str| serde_json::from_str::<Value>(report).unwrap()["regions"].clone();
    let folder = tempfile::tempdir().unwrap();
    let array = path(folder.path(), "support.json");
    let lines: Vec<String> = example().iter().map(|line| line.trim_end().to_owned()).collect();
    std::fs::write(&array, format!("[{}]", lines.join(",\n"))).unwrap();
    let compressed = path(folder.path(), "support.jsonl.zst");
    std::fs::write(&compressed, zstd::encode_all(std::fs::File::open(EXAMPLE).unwrap(), 3).unwrap()).unwrap();
    for corpus in [array, compressed] {
        let output = run(&["report", &corpus, "--format", "json", "--cache", &cached()]);
        assert_eq!(regions(&stdout(&output)), regions(&FIRST.1), "{corpus}");
    }
    let piped = semcov(&["report", "-", "--format", "json", "--cache", &cached()])
        .stdin(std::fs::File::open(EXAMPLE).unwrap())
        .output()
        .unwrap();
    assert_eq!(regions(&stdout(&piped)), regions(&FIRST.1), "standard input");
}

#[test]
fn bad_rows_are_listed_and_limited() {
    let folder = tempfile::tempdir().unwrap();
    let (corpus, list) = (path(folder.path(), "bad.jsonl"), path(folder.path(), "list.jsonl"));
    let mut lines = example();
    lines.truncate(40);
    lines.insert(3, "{\"text\": \"cut off\n".to_owned());
    lines.insert(9, "{\"id\": \"no-text\"}\n".to_owned());
    write(&corpus, &lines);

    let output = semcov(&["report", &corpus, "--bad-rows", &list, "--cache", &cached()]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = stderr(&output);
    assert!(said.contains("2 of 42 rows could not be read and 1% are allowed"), "{said}");
    assert!(said.contains("bad.jsonl:4") && said.contains("--max-bad-rows"), "{said}");
    let listed: Vec<Value> =
        std::fs::read_to_string(&list).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(listed.iter().map(|bad| bad["line"].as_u64().unwrap()).collect::<Vec<_>>(), [4, 10]);

    let output = run(&["report", &corpus, "--max-bad-rows", "2", "--format", "json", "--cache", &cached()]);
    let report: Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!((&report["corpus"]["rows"], &report["corpus"]["bad_rows"]), (&Value::from(40), &Value::from(2)));
}

#[test]
fn vectors_that_were_written_are_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let clean = path(folder.path(), "clean.jsonl");
    let lines: Vec<String> =
        example().into_iter().filter(|line| !line.contains("sup-0032") && !line.contains("sup-0557")).collect();
    write(&clean, &lines);
    let json = |arguments: &[&str]| -> Value { serde_json::from_str(&stdout(&run(arguments))).unwrap() };
    let embedded = json(&["report", &clean, "--format", "json", "--cache", &cached()]);
    let npy = path(folder.path(), "vectors.npy");
    run(&["embed", &clean, "-o", &npy, "--cache", &cached()]);
    let given = json(&["report", &clean, "--vectors", &npy, "--format", "json"]);
    assert_eq!(given["encoder"]["id"], "vectors:vectors.npy");
    let sizes = |report: &Value| -> u64 {
        report["regions"].as_array().unwrap().iter().map(|region| region["rows"].as_u64().unwrap()).sum()
    };
    assert_eq!((sizes(&given), sizes(&embedded)), (607, 607));
    let similarity = |report: &Value| report["diversity"]["mean_similarity"].as_f64().unwrap();
    assert!((similarity(&given) - similarity(&embedded)).abs() < 1e-4, "vectors are rounded to f16 twice");

    let parquet = path(folder.path(), "vectors.parquet");
    run(&["embed", &clean, "-o", &parquet, "--cache", &cached()]);
    let given = json(&["report", &parquet, "--vectors", "vector", "--format", "json"]);
    assert_eq!(sizes(&given), 607);
    assert_eq!(given["encoder"]["dim"], 384);
}

#[test]
fn rows_with_texts_are_a_corpus() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["rows.csv", "rows.parquet", "rows.jsonl"] {
        let rows = path(folder.path(), name);
        run(&["report", EXAMPLE, "--rows", &rows, "--rows-text", "--cache", &cached()]);
        let output = run(&["report", &rows, "--text", "text", "--format", "json", "--cache", &cached()]);
        let read: Value = serde_json::from_str(&stdout(&output)).unwrap();
        for count in ["rows", "empty", "distinct_texts", "exact_duplicates"] {
            assert_eq!(read["corpus"][count], report()["corpus"][count], "{name}: {count}");
        }
        assert_eq!(read["outliers"][0]["record"], report()["outliers"][0]["record"], "{name}: ids and texts");
    }
}

#[test]
fn a_closed_pipe_is_a_quiet_success() {
    let mut child = semcov(&["report", EXAMPLE, "--format", "json", "--cache", &cached()])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(!stderr(&output).contains("error"), "{}", stderr(&output));
}

#[test]
fn every_output_is_written_whole() {
    let folder = tempfile::tempdir().unwrap();
    let names = ["report.html", "report.json", "report.md", "rows.parquet"];
    let files = names.map(|name| path(folder.path(), name));
    let [html, json, markdown, rows] = &files;
    run(&["report", EXAMPLE, "-o", html, "--json", json, "--markdown", markdown, "--rows", rows, "--cache", &cached()]);
    let mut found: Vec<PathBuf> =
        std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.sort();
    assert_eq!(found, files.map(PathBuf::from), "nothing but the outputs");
    let read: Value =
        serde_json::from_str(&std::fs::read_to_string(folder.path().join("report.json")).unwrap()).unwrap();
    assert_eq!(read, report());
}

/// Vectors are made in the precision of the profile that they are compared with.
#[test]
fn auto_follows_the_profile() {
    let folder = tempfile::tempdir().unwrap();
    let profile = path(folder.path(), "support.semcov");
    let cache = path(folder.path(), "cache");
    let in_bf16 = ["profile", "fit", EXAMPLE, "-o", &profile, "--cache", &cache, "--precision", "bf16"];
    assert!(stderr(&run(&in_bf16)).contains("on cpu, in bf16"));
    let commands: [&[&str]; 3] =
        [&["gate", EXAMPLE, "--baseline"], &["screen", EXAMPLE, "--against"], &["report", EXAMPLE, "--reference"]];
    for command in commands {
        let mut arguments = command.to_vec();
        arguments.extend([profile.as_str(), "--cache", &cache, "--pending", "none"]);
        let arguments = &arguments[..arguments.len() - if command[0] == "gate" { 0 } else { 2 }];
        let run_with = |precision| semcov(arguments).env("SEMCOV_PRECISION", precision).output().unwrap();
        assert!(stderr(&run_with("auto")).contains("on cpu, in bf16"), "{}", stderr(&run_with("auto")));
        assert!(stderr(&run_with("f32")).contains("on cpu, in f32"));
    }
    let refused = semcov(&["report", EXAMPLE, "--precision", "f16"]).output().unwrap();
    assert!(stderr(&refused).contains("expected auto, f32, bf16 or int8, got f16"), "{}", stderr(&refused));
}
