//! `semcov screen`, on corpora that bring their vectors.

use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::given::{self, command, read, run, semcov, write};

fn refused(folder: &Path, line: &str) -> String {
    let output = semcov(folder, line);
    assert_eq!(output.status.code(), Some(2), "{line}: {}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8(output.stderr).unwrap()
}

fn screening(folder: &Path, line: &str) -> Value {
    serde_json::from_str(&run(folder, &format!("screen {line} --format json -q"))).unwrap()
}

/// Lines of the app, and of a vendor's sixth topic; interleaved, so that no file is in order of topics.
fn rows(name: &str, counts: &[usize]) -> Vec<String> {
    let rows = given::rows(name, counts, |topic| if topic == 5 { "vendor" } else { "app" });
    let n = rows.len();
    (0..n).map(|i| rows[i * 7919 % n].to_string() + "\n").collect()
}

/// A reference of five topics; a drop with 12 rows of a sixth one.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "reference.jsonl", &rows("reference", &[80; 5]).concat());
    write(folder.path(), "drop.jsonl", &rows("drop", &[30, 30, 30, 30, 31, 12]).concat());
    folder
}

fn reason_counts(scores: &str) -> [usize; 3] {
    let of = |reason: &str| scores.lines().filter(|line| line.contains(&format!("\"reason\":{reason}"))).count();
    [of("\"outlier\""), of("\"no_text\""), of("null")]
}

#[test]
fn rows_go_where_they_belong_byte_for_byte() {
    let folder = folder();
    let folder = folder.path();
    let found = screening(
        folder,
        "drop.jsonl --against reference.jsonl -o kept.jsonl --flagged flagged.jsonl --scores scores.jsonl",
    );
    let [drop, kept, flagged] = ["drop.jsonl", "kept.jsonl", "flagged.jsonl"].map(|name| read(folder, name));
    let mut both: Vec<&str> = kept.lines().chain(flagged.lines()).collect();
    let mut all: Vec<&str> = drop.lines().collect();
    both.sort_unstable();
    all.sort_unstable();
    assert_eq!(both, all, "nothing is lost, doubled or changed");
    assert!(flagged.lines().filter(|line| line.contains("drop-5-")).count() == 12, "{flagged}");
    assert_eq!(found["flagged"]["rows"], flagged.lines().count());
    assert_eq!(reason_counts(&read(folder, "scores.jsonl")), [flagged.lines().count(), 0, kept.lines().count()]);
    // The vendor's rows are one new topic, the shift is new content, and both are said.
    let topic = &found["groups"][0];
    assert_eq!((&topic["kind"], &topic["texts"]), (&json!("new-topic"), &json!(12)), "{topic}");
    assert!(topic["name"].as_str().unwrap().contains("router"), "{topic}");
    assert_eq!(found["shift"]["new_content"], true, "{}", found["shift"]);
    assert_eq!(found["sources"][0], json!({"name": "vendor", "rows": 12, "flagged": 12}));
}

#[test]
fn a_profile_says_what_its_corpus_says() {
    let folder = folder();
    let folder = folder.path();
    run(folder, "profile fit reference.jsonl -o reference.semcov");
    run(folder, "screen drop.jsonl --against reference.jsonl --scores a.jsonl -q");
    run(folder, "screen drop.jsonl --against reference.semcov --scores b.jsonl -q");
    assert_eq!(read(folder, "a.jsonl"), read(folder, "b.jsonl"));
    // What was fitted once is in the cache, and says the same again.
    for scores in ["c.jsonl", "d.jsonl"] {
        run(folder, &format!("screen drop.jsonl --against reference.jsonl --scores {scores} --cache cache -q"));
        assert_eq!(read(folder, "a.jsonl"), read(folder, scores));
    }
    assert_eq!(std::fs::read_dir(folder.join("cache/profiles")).unwrap().count(), 1);
    write(folder, "reference.jsonl", &rows("reference", &[70; 5]).concat());
    run(folder, "screen drop.jsonl --against reference.jsonl --scores e.jsonl --cache cache -q");
    assert_ne!(read(folder, "a.jsonl"), read(folder, "e.jsonl"), "another content, another profile");
}

#[test]
fn every_score_finds_the_new_topic() {
    let folder = folder();
    let folder = folder.path();
    run(folder, "profile fit reference.jsonl -o reference.semcov");
    run(folder, "profile fit reference.jsonl --compact -o compact.semcov");
    for (reference, score) in [
        ("reference", "ensemble"),
        ("reference", "local"),
        ("reference", "knn"),
        ("reference", "centroid"),
        ("reference", "z"),
        ("reference", "rmd"),
        ("compact", "z"),
        ("compact", "centroid"),
    ] {
        let line = format!("drop.jsonl --against {reference}.semcov --score {score} --flagged flagged.jsonl");
        let found = screening(folder, &line);
        let flagged = read(folder, "flagged.jsonl");
        let vendor = flagged.lines().filter(|line| line.contains("drop-5-")).count();
        assert!(vendor >= 11 && flagged.lines().count() <= 12 + 30, "{score}: {vendor} of {}", flagged.lines().count());
        assert_eq!(found["settings"]["score"], score);
    }
    // Of a compact profile, z is the default; what needs texts is refused, with the way out.
    assert_eq!(screening(folder, "drop.jsonl --against compact.semcov")["settings"]["score"], "z");
    let message = refused(folder, "screen drop.jsonl --against compact.semcov --score local");
    assert!(message.contains("a compact profile keeps none") && message.contains("--score z"), "{message}");
    assert!(refused(folder, "screen drop.jsonl --against reference.semcov --score lof").contains("expected one of"));
    let message = refused(folder, "screen drop.jsonl --against reference.semcov --score z --per-leaf");
    assert!(message.contains("per-leaf: expected a score by neighbours"), "{message}");
}

#[test]
fn standard_input_to_standard_output() {
    let folder = folder();
    let folder = folder.path();
    run(folder, "screen drop.jsonl --against reference.jsonl -o kept.jsonl --flagged flagged.jsonl -q");
    let piped = |line: &str, input: &str| {
        let mut child = command(folder, line).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap()
    };
    let drop = read(folder, "drop.jsonl");
    assert_eq!(piped("screen - --against reference.jsonl -o - -q", &drop), read(folder, "kept.jsonl"));
    assert_eq!(piped("screen - --against reference.jsonl --flagged - -q", &drop), read(folder, "flagged.jsonl"));
    // By rate, the input is read twice.
    let by_rate = piped("screen - --against reference.jsonl --fdr 0.2 --flagged - -q", &drop);
    assert!(by_rate.lines().filter(|line| line.contains("drop-5-")).count() >= 11, "{by_rate}");
    assert!(piped("screen - --against reference.jsonl -o - -q", "").is_empty());
}

#[test]
fn false_discovery_rates_and_small_references() {
    let folder = folder();
    let folder = folder.path();
    let found = screening(folder, "drop.jsonl --against reference.jsonl --fdr 0.1");
    let flagged = found["flagged"]["rows"].as_u64().unwrap();
    assert!((11..=15).contains(&flagged) && found["settings"]["threshold"].as_f64().unwrap() < 0.05, "{found}");

    // Of ten texts not even the farthest row can be flagged at .05; at .2 it can.
    write(folder, "ten.jsonl", &rows("reference", &[2; 5]).concat());
    let found = screening(folder, "drop.jsonl --against ten.jsonl");
    assert_eq!(found["warnings"][0], json!({"kind": "underpowered", "texts": 10, "needed": 19}), "{found}");
    assert_eq!(found["flagged"]["rows"], 0);
    assert_ne!(screening(folder, "drop.jsonl --against ten.jsonl --alpha 0.2")["flagged"]["rows"], 0);
    let found = screening(folder, "drop.jsonl --against ten.jsonl --fdr 0.01");
    assert!(
        found["warnings"].as_array().unwrap().iter().any(|warning| warning["kind"] == "fdr_underpowered"),
        "{found}"
    );
    let shown = run(folder, "screen drop.jsonl --against ten.jsonl -q");
    assert!(shown.contains("Underpowered: with 10 reference texts"), "{shown}");
}

#[test]
fn conditions_decide_on_the_exit_code() {
    let folder = folder();
    let folder = folder.path();
    write(folder, "good.jsonl", &rows("good", &[30; 5]).concat());
    for (drop, conditions, code, says) in [
        ("drop", "shift", 1, "failed: shift: the drop has shifted"),
        ("drop", "new-content,new-topic", 1, "failed: new-topic: there is a new topic"),
        ("drop", "flagged>5%", 1, "failed: flagged>5%: "),
        ("drop", "flagged>100,duplicates>90%,language,underpowered", 0, ""),
        ("good", "shift,new-topic,flagged>15%", 0, ""),
        ("reference", "duplicates>50%", 1, "failed: duplicates>50%"),
        ("drop", "shifts", 2, "expected shift, new-content"),
    ] {
        let line = format!("screen {drop}.jsonl --against reference.jsonl --fail-on {conditions} -q");
        let output = semcov(folder, &line);
        let message = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{line}: {message}");
        assert!(message.contains(says) && (code != 0 || message.is_empty()), "{line}: {message}");
    }
    // The rows are written all the same: who looks into a failure needs them.
    write(folder, "semcov.toml", "[screen]\nfail-on = \"shift\"\nalpha = 0.1\n");
    let output = semcov(folder, "screen drop.jsonl --against reference.jsonl --flagged flagged.jsonl -q");
    assert_eq!(output.status.code(), Some(1));
    assert!(read(folder, "flagged.jsonl").lines().count() >= 12);
}

#[test]
fn decisions_are_heeded_remembered_and_merged() {
    let folder = folder();
    let folder = folder.path();
    run(folder, "profile fit reference.jsonl -o reference.semcov");
    run(folder, "screen drop.jsonl --against reference.semcov --review queue.jsonl -q");
    let queue = read(folder, "queue.jsonl");
    let first: Value = serde_json::from_str(queue.lines().next().unwrap()).unwrap();
    assert_eq!((&first["kind"], &first["group"], &first["verdict"]), (&json!("new-topic"), &json!(1), &Value::Null));
    // An unmarked queue decides nothing.
    let line = "screen drop.jsonl --against reference.semcov --scores scores.jsonl --decisions queue.jsonl -q";
    run(folder, line);
    assert_eq!(reason_counts(&read(folder, "scores.jsonl"))[0], queue.lines().count());

    let decided = |verdict: &str| {
        let mut lines: Vec<String> = queue.lines().map(str::to_owned).collect();
        lines[0] = lines[0].replace("\"verdict\":null", &format!("\"verdict\":\"{verdict}\""));
        lines.join("\n")
    };
    write(folder, "accepted.jsonl", &decided("accept group"));
    let found = screening(
        folder,
        "drop.jsonl --against reference.semcov --decisions accepted.jsonl --flagged flagged.jsonl --merge-accepted merged.semcov",
    );
    assert_eq!(found["flagged"]["decided"], 12);
    assert!(!read(folder, "flagged.jsonl").contains("drop-5-"));
    let merged: Value = serde_json::from_str(&run(folder, "profile show merged.semcov --format json")).unwrap();
    assert_eq!(merged["rows"], 400 + 12);
    // Another drop of the new topic is then at home.
    write(folder, "next.jsonl", &rows("next", &[20, 20, 20, 20, 20, 10]).concat());
    for (reference, least, most) in [("reference", 9, 10), ("merged", 0, 5)] {
        run(folder, &format!("screen next.jsonl --against {reference}.semcov --flagged flagged.jsonl -q"));
        let of_topic = read(folder, "flagged.jsonl").lines().filter(|line| line.contains("next-5-")).count();
        assert!((least..=most).contains(&of_topic), "{reference}: {of_topic}");
    }

    write(folder, "rejected.jsonl", &decided("reject"));
    run(folder, "screen drop.jsonl --against merged.semcov --decisions rejected.jsonl --scores scores.jsonl -q");
    let rejected: Vec<String> =
        read(folder, "scores.jsonl").lines().filter(|line| line.contains("\"rejected\"")).map(str::to_owned).collect();
    assert_eq!(rejected.len(), 1);
    assert!(rejected[0].contains(&format!("\"id\":{}", first["id"])), "{rejected:?}");

    write(folder, "wrong.jsonl", &decided("perhaps"));
    let message = refused(folder, "screen drop.jsonl --against reference.semcov --decisions wrong.jsonl");
    assert!(message.contains("wrong.jsonl:1: expected `accept`"), "{message}");
}

#[test]
fn odd_input_is_answered() {
    let folder = folder();
    let folder = folder.path();
    // An empty drop; a drop that is the reference.
    write(folder, "empty.jsonl", "");
    let found = screening(folder, "empty.jsonl --against reference.jsonl -o kept.jsonl");
    assert_eq!((&found["warnings"][0]["kind"], &found["shift"]), (&json!("empty_drop"), &Value::Null));
    assert_eq!(read(folder, "kept.jsonl"), "");
    let found = screening(folder, "reference.jsonl --against reference.jsonl");
    assert_eq!((&found["repeated"]["exact"], &found["flagged"]["rows"]), (&json!(400), &json!(0)), "{found}");
    assert!(found["warnings"].as_array().unwrap().contains(&json!({"kind": "nothing_new"})), "{found}");
    assert_eq!(found["shift"]["shifted"], false, "{}", found["shift"]);

    // A reference of one repeated row; one of nothing but marked rows.
    let one = rows("reference", &[1])[0].clone();
    write(folder, "one.jsonl", &one.repeat(30));
    let found = screening(folder, "drop.jsonl --against one.jsonl");
    assert_eq!(found["warnings"][0], json!({"kind": "underpowered", "texts": 1, "needed": 19}), "{found}");
    write(folder, "marked.jsonl", &one.replace("\"source\"", "\"synthetic\": true, \"source\""));
    let message = refused(folder, "screen drop.jsonl --against marked.jsonl");
    assert!(message.contains("marked synthetic") || message.contains("at least one"), "{message}");

    // Vectors of another length; another kind of encoder.
    write(folder, "short.jsonl", "{\"id\": \"a\", \"text\": \"t\", \"vector\": [1.0, 2.0]}\n");
    let message = refused(folder, "screen short.jsonl --against reference.jsonl");
    assert!(message.contains("expected a vector of 12 components, got 2"), "{message}");

    // A row without text is flagged, a bad row fails the run unless it is allowed, and is then in neither file.
    let bad = "{\"id\": \"bad\", \n";
    let blank = "{\"id\": \"blank\", \"text\": \" \"}\n";
    write(folder, "mixed.jsonl", &[&read(folder, "drop.jsonl"), blank, bad].concat());
    let message = refused(folder, "screen mixed.jsonl --against reference.jsonl -o none.jsonl");
    assert!(message.contains("mixed.jsonl:165") && !folder.join("none.jsonl").exists(), "{message}");
    let line = "mixed.jsonl --against reference.jsonl --max-bad-rows 1 --bad-rows bad.jsonl --flagged flagged.jsonl -o kept.jsonl";
    let found = screening(folder, line);
    assert_eq!((&found["rows"]["bad_rows"], &found["rows"]["empty"]), (&json!(1), &json!(1)));
    assert!(read(folder, "flagged.jsonl").contains("\"blank\"") && read(folder, "bad.jsonl").contains(":165"));
    assert!(!read(folder, "flagged.jsonl").contains("\"bad\"") && !read(folder, "kept.jsonl").contains("\"bad\""));

    let message = refused(folder, "screen drop.jsonl --against reference.jsonl -o a.jsonl --flagged a.jsonl");
    assert!(message.contains("a.jsonl: expected a file of its own"), "{message}");
    let message = refused(folder, "screen drop.jsonl --against reference.jsonl -o a.jsonl --flagged ./a.jsonl");
    assert!(message.contains("./a.jsonl: expected a file of its own"), "{message}");
    let message = refused(folder, "screen drop.jsonl --against reference.jsonl -o ./drop.jsonl");
    assert!(message.contains("./drop.jsonl: expected a file to write, got one that is read"), "{message}");
    run(folder, "profile fit reference.jsonl --compact -o compact.semcov");
    let message = refused(folder, "screen drop.jsonl --against compact.semcov --fail-on duplicates>3");
    assert!(message.contains("duplicates>3: expected a profile with a sample"), "{message}");
    assert!(
        refused(folder, "screen drop.jsonl --against reference.jsonl --alpha 0").contains("alpha: expected a share")
    );
    assert!(refused(folder, "screen drop.jsonl").contains("--against"));
}

#[test]
fn a_page_of_its_own() {
    let folder = folder();
    let folder = folder.path();
    run(folder, "screen drop.jsonl --against reference.jsonl --html a.html -q");
    let page = read(folder, "a.html");
    assert!(page.starts_with("<!doctype html>") && page.contains("data-mode=\"screening\""));
    for text in ["router", "new topic", "vendor", "drop-5-3", "id=\"map-plot\"", "id=\"chart-score\""] {
        assert!(page.contains(text), "{text}");
    }
    assert!(!page.contains("number 7 of reference"), "a profile that keeps no texts shows none");
    // The same rows in another order, at one thread, to standard output.
    let lines = read(folder, "drop.jsonl");
    write(folder, "drop.jsonl", &lines.lines().rev().fold(String::new(), |all, line| all + line + "\n"));
    let out = run(folder, "screen drop.jsonl --against reference.jsonl --html - --threads 1 -q");
    assert!(out == page, "the page is the same");
    run(folder, "profile fit reference.jsonl --compact -o compact.semcov");
    run(folder, "screen drop.jsonl --against compact.semcov --html b.html -q");
    let page = read(folder, "b.html");
    assert!(page.contains("the reference keeps no sample of texts") && !page.contains("id=\"map-plot\""));
    let message = refused(folder, "screen drop.jsonl --against reference.jsonl --html drop.jsonl");
    assert!(message.contains("expected a file to write, got one that is read"), "{message}");
}

/// With the encoder inside the binary.
#[cfg(feature = "embedded-model")]
#[test]
fn another_language_and_long_texts_are_said() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let write_rows = |name: &str, texts: &[String]| {
        let rows =
            texts.iter().enumerate().map(|(i, text)| json!({"id": i.to_string(), "text": text}).to_string() + "\n");
        write(folder, name, &rows.collect::<String>());
    };
    let all = |heads: &[&str], tails: &[&str]| -> Vec<String> {
        heads.iter().flat_map(|head| tails.iter().map(move |tail| format!("{head} {tail}"))).collect()
    };
    let german = all(
        &["wo ist", "bitte kündigen sie", "ich finde nicht", "wie bezahle ich"],
        &["meine bestellung", "die rechnung vom letzten monat", "mein passwort", "die blaue lampe"],
    );
    write_rows("german.jsonl", &german);
    write_rows("long.jsonl", &["reset my password, please. ", "where is my order? "].map(|text| text.repeat(100)));
    let line = |drop: &str| {
        let english = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/support.jsonl");
        let line = format!("screen {drop}.jsonl --against {} --format json -q", english.display());
        let output = command(folder, &line).env_remove("SEMCOV_VECTORS").output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice::<Value>(&output.stdout).unwrap()["warnings"].clone()
    };
    let other = json!([{"kind": "other_language", "drop": "German", "reference": "English"}]);
    assert_eq!(line("german"), other);
    assert_eq!(line("long"), json!([{"kind": "truncated", "rows": 2, "max_tokens": 256}]));
}

#[test]
fn formats_stay_what_they_are() {
    let folder = folder();
    let folder = folder.path();
    let drop: Vec<Value> = read(folder, "drop.jsonl").lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    // How every format is copied is tested with the corpus; here: an array, a compressed file, scores as Parquet.
    write(folder, "drop.json", &serde_json::to_string(&drop).unwrap());
    run(
        folder,
        "screen drop.json --against reference.jsonl -o kept.json --flagged flagged.json.gz --scores s.parquet -q",
    );
    let kept: Vec<Value> = serde_json::from_str(&read(folder, "kept.json")).unwrap();
    let scores = std::fs::read(folder.join("s.parquet")).unwrap();
    assert!(scores.starts_with(b"PAR1") && scores.ends_with(b"PAR1"));
    assert!(kept.len() > 120 && kept.iter().all(|row| drop.contains(row)));
    let found = screening(folder, "flagged.json.gz --against reference.jsonl");
    assert_eq!(found["rows"]["rows"].as_u64().unwrap() as usize, drop.len() - kept.len());
    let message = refused(folder, "screen drop.json drop.jsonl --against reference.jsonl -o kept.json");
    assert!(message.contains("drop.json") && message.contains("drop.jsonl"), "{message}");
}
