//! `semcov report --reference` and `semcov plan`, on corpora that bring their vectors.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;

use serde_json::{Value, json};

use crate::given::{run, semcov};

/// Topics on the axes of 8-space, this many rows of each; deterministic scatter around them.
fn rows(name: &str, counts: [usize; 6], mark: impl Fn(usize, usize) -> Value) -> String {
    let mut state = 7_u64 + name.len() as u64;
    let mut scatter = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f64 / f64::from(1_u32 << 24) - 0.5
    };
    let topics = ["weather rain", "music song", "travel flight", "money bank", "food recipe", "sport match"];
    let mut lines = String::new();
    for (topic, &count) in counts.iter().enumerate() {
        for i in 0..count {
            let vector: Vec<f64> = (0..8).map(|axis| f64::from(u8::from(axis == topic)) + 0.3 * scatter()).collect();
            let text = format!("{} number {i} of {name}", topics[topic]);
            let row = json!({
                "id": format!("{name}-{topic}-{i}"), "text": text, "source": format!("s{}", i % 2),
                "synthetic": mark(topic, i), "vector": vector,
            });
            writeln!(lines, "{row}").unwrap();
        }
    }
    lines
}

/// A folder with a reference of six even topics, and a corpus without the third and with little of the fourth.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: String| std::fs::write(folder.path().join(name), text).unwrap();
    write("reference.jsonl", rows("reference", [60; 6], |topic, i| json!(topic == 5 && i < 20)));
    write("corpus.jsonl", rows("corpus", [80, 80, 0, 16, 80, 40], |topic, i| json!(topic == 3 && i < 4)));
    folder
}

fn json_of(folder: &Path, command: &str) -> Value {
    serde_json::from_str(&run(folder, command)).unwrap()
}

/// The topics of the significant gaps, by the reference's rows in their leaves.
fn topics_in_gaps(folder: &Path, reference: &str) -> BTreeSet<(String, String)> {
    let report = json_of(
        folder,
        &format!("report corpus.jsonl --reference {reference} --leaves 8 --format json --rows rows.jsonl -q"),
    );
    let rows = std::fs::read_to_string(folder.join("rows.jsonl")).unwrap();
    let rows: Vec<Value> = rows.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(rows.iter().any(|row| row["corpus"] == "corpus") && rows.iter().any(|row| row["corpus"] == "reference"));
    let mut topics = BTreeSet::new();
    for gap in report["gaps"].as_array().unwrap().iter().filter(|gap| gap["significant"] == true) {
        let of_leaf = rows.iter().filter(|row| row["corpus"] == "reference" && row["leaf"] == gap["leaf"]);
        for row in of_leaf {
            topics.insert((row["id"].as_str().unwrap()[10..11].to_owned(), gap["kind"].as_str().unwrap().to_owned()));
        }
    }
    let coverage = &report["coverage"];
    let [low, score, high] = [&coverage["interval"]["low"], &coverage["score"], &coverage["interval"]["high"]];
    assert!(low.as_f64() <= score.as_f64() && score.as_f64() <= high.as_f64(), "{coverage}");
    assert!(score.as_f64().unwrap() < 0.95 && coverage["gap_mass"].as_f64().unwrap() > 0.2, "{coverage}");
    topics
}

/// Missing and thin topics are found beside a corpus, and beside a profile of it.
#[test]
fn finds_what_is_missing_and_what_is_thin() {
    let folder = folder();
    run(folder.path(), "profile fit reference.jsonl -o reference.semcov -q");
    run(folder.path(), "profile fit reference.jsonl -o examples.semcov --with-examples -q");
    let want = [("2", "missing"), ("3", "thin")].map(|(topic, kind)| (topic.to_owned(), kind.to_owned()));
    for reference in ["reference.jsonl", "reference.semcov", "examples.semcov"] {
        assert_eq!(topics_in_gaps(folder.path(), reference), BTreeSet::from(want.clone()), "{reference}");
    }
    let text = run(folder.path(), "report corpus.jsonl --reference examples.semcov --leaves 8 -q");
    assert!(text.contains("e.g. travel flight number"), "{text}");
    let compact = "profile fit reference.jsonl -o compact.semcov --compact --leaves 6 -q";
    run(folder.path(), compact);
    let text = run(folder.path(), "report corpus.jsonl --reference compact.semcov -q");
    assert!(text.contains("A compact profile has no sample") && text.contains("missing"), "{text}");
}

/// A column that is named for the corpus is recognised in the reference, and counted in a profile.
#[test]
fn licences_of_either() {
    let folder = folder();
    for (name, column) in [("corpus.jsonl", "terms"), ("reference.jsonl", "License")] {
        let path = folder.path().join(name);
        let lines = std::fs::read_to_string(&path).unwrap();
        let licensed = |(i, line): (usize, &str)| {
            let mut row: Value = serde_json::from_str(line).unwrap();
            row[column] = [json!("MIT"), json!("cc-by-4.0"), Value::Null][i % 3].clone();
            format!("{row}\n")
        };
        std::fs::write(&path, lines.lines().enumerate().map(licensed).collect::<String>()).unwrap();
    }
    let output = semcov(folder.path(), "report corpus.jsonl --licence terms --reference reference.jsonl");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    for (file, column) in [("corpus.jsonl", "terms"), ("reference.jsonl", "License")] {
        let line = said.lines().find(|line| line.starts_with(&format!("{file}: "))).unwrap();
        assert!(line.contains(&format!(", licence = {column},")), "{line}");
    }
    run(folder.path(), "profile fit corpus.jsonl --licence terms -o corpus.semcov -q");
    let profile = semcov::profile::Profile::read(&folder.path().join("corpus.semcov")).unwrap();
    let licences = &profile.observed.licences;
    // 4 of the 296 rows are marked synthetic, and left out: those of number 160 to 163.
    assert_eq!((licences["MIT"], licences["cc-by-4.0"], licences.len()), (99 - 1, 99 - 2, 2));
}

/// Neither the order of rows nor the number of threads changes a byte.
#[test]
fn same_bytes_in_any_order() {
    let folder = folder();
    let command = "report corpus.jsonl --reference reference.jsonl --format json -q";
    let first = run(folder.path(), command);
    for name in ["corpus.jsonl", "reference.jsonl"] {
        let text = std::fs::read_to_string(folder.path().join(name)).unwrap();
        let reversed: Vec<&str> = text.lines().rev().collect();
        std::fs::write(folder.path().join(name), reversed.join("\n")).unwrap();
    }
    assert!(first == run(folder.path(), &format!("{command} --threads 1")));
}

#[test]
fn synthetic_records_are_no_reference_and_no_seeds() {
    let folder = folder();
    let report = json_of(folder.path(), "report corpus.jsonl --reference reference.jsonl --format json -q");
    assert_eq!((&report["reference"]["synthetic"], &report["reference"]["rows"]), (&json!(20), &json!(340)));
    let plan = json_of(folder.path(), "plan corpus.jsonl --reference reference.jsonl --budget 60 --format json -q");
    assert_eq!(plan["synthetic_texts"], 4);
    for leaf in plan["leaves"].as_array().unwrap() {
        for seed in leaf["seeds"].as_array().unwrap() {
            let id = seed["id"].as_str().unwrap();
            assert!(!["corpus-3-0", "corpus-3-1", "corpus-3-2", "corpus-3-3"].contains(&id), "{id}");
        }
    }
    // 4 are synthetic already, and 73 of 296 + 69 texts are 20 %.
    let plan = json_of(folder.path(), "plan corpus.jsonl --reference reference.jsonl --budget 500 --format json -q");
    assert_eq!((&plan["asked_budget"], &plan["budget"]), (&json!(500), &json!(69)));
}

/// The plan as files: its lines, both vendors' requests, and weights.
#[test]
fn a_plan_with_its_requests_and_weights() {
    let folder = folder();
    let plan = "plan corpus.jsonl --reference reference.jsonl --leaves 7 --budget 60 -q";
    run(folder.path(), &format!("{plan} -o plan.jsonl --requests openai --model m --weights weights.jsonl"));
    run(folder.path(), &format!("{plan} --requests anthropic --model m --requests-output batch.json"));
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    let lines =
        |name: &str| -> Vec<Value> { read(name).lines().map(|line| serde_json::from_str(line).unwrap()).collect() };
    let plan = lines("plan.jsonl");
    let (header, leaves) = plan.split_first().unwrap();
    let needed: u64 = leaves.iter().map(|leaf| leaf["needed"].as_u64().unwrap()).sum();
    assert_eq!(needed, 60);
    let most = &leaves[0];
    assert!(most["collect_real_data_first"] == true && most["gap"] == "missing", "{most}");
    let searched = &most["search_for"][0]["text"];
    assert!(searched.as_str().unwrap().starts_with("travel flight"), "{searched}");

    let openai = lines("plan.requests.jsonl");
    let anthropic: Value = serde_json::from_str(&read("batch.json")).unwrap();
    let anthropic = anthropic["requests"].as_array().unwrap();
    let ids = |requests: &[Value]| -> BTreeSet<String> {
        requests.iter().map(|request| request["custom_id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(ids(&openai), ids(anthropic));
    assert_eq!(ids(&openai).len(), openai.len(), "ids are different");
    assert!(ids(&openai).iter().all(|id| id.ends_with(header["digest"].as_str().unwrap())));
    assert_eq!(header["estimate"]["requests"], openai.len());
    assert!(openai.iter().all(|request| request["body"]["model"] == "m"));

    let weights: Vec<f64> = lines("weights.jsonl").iter().map(|row| row["weight"].as_f64().unwrap()).collect();
    assert_eq!(weights.len(), 296);
    assert!((weights.iter().sum::<f64>() / 296.0 - 1.0).abs() < 1e-9);
}

#[test]
fn what_cannot_be_compared_is_refused() {
    let folder = folder();
    let other =
        "{\"id\":\"1\",\"text\":\"short\",\"vector\":[1,0]}\n{\"id\":\"2\",\"text\":\"shorter\",\"vector\":[0,1]}\n";
    std::fs::write(folder.path().join("other.jsonl"), other).unwrap();
    run(folder.path(), "profile fit other.jsonl -o other.semcov -q");
    let whole = std::fs::read(folder.path().join("other.semcov")).unwrap();
    std::fs::write(folder.path().join("cut.semcov"), &whole[..whole.len() - 9]).unwrap();
    for (reference, said) in [("other.jsonl", "dim 2"), ("other.semcov", "dim 2"), ("cut.semcov", "cut.semcov")] {
        let output = semcov(folder.path(), &format!("report corpus.jsonl --reference {reference}"));
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(2) && stderr.contains(said) && stderr.contains("help:"), "{stderr}");
    }
}
