//! `semcov gate` and `semcov baseline`, on corpora that bring their vectors.

use std::path::Path;

use serde_json::{Value, json};

use crate::given::{self, TOPICS, command, lines, read, semcov, write};

/// Standard output and error of a run that ends with an exit code.
fn exits(folder: &Path, line: &str, code: i32) -> [String; 2] {
    let output = semcov(folder, line);
    let [out, err] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    assert_eq!(output.status.code(), Some(code), "{line}: {out}{err}");
    [out, err]
}

fn verdict(folder: &Path, line: &str, code: i32) -> Value {
    serde_json::from_str(&exits(folder, &format!("gate {line} --format json -q"), code)[0]).unwrap()
}

/// The outcome of a rule.
fn outcome<'a>(verdict: &'a Value, rule: &str) -> &'a Value {
    let rules = verdict["rules"].as_array().unwrap();
    rules.iter().find(|found| found["id"] == rule).map_or(&Value::Null, |found| &found["outcome"])
}

fn findings<'a>(verdict: &'a Value, rule: &str) -> &'a Vec<Value> {
    let rules = verdict["rules"].as_array().unwrap();
    rules.iter().find(|found| found["id"] == rule).unwrap()["findings"].as_array().unwrap()
}

/// Every second topic comes of the app, the others of the web.
fn rows(name: &str, counts: &[usize]) -> Vec<Value> {
    given::rows(name, counts, |topic| ["app", "web"][topic % 2])
}

/// A corpus of five topics, and its baseline.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "corpus.jsonl", &lines(&rows("corpus", &[160; 5])));
    exits(folder.path(), "profile fit corpus.jsonl -o baseline.semcov", 0);
    folder
}

fn about(row: &Value, topic: usize) -> bool {
    row["text"].as_str().unwrap().starts_with(TOPICS[topic])
}

#[test]
fn what_did_not_change_passes() {
    let folder = folder();
    let folder = folder.path();
    let found = verdict(folder, "corpus.jsonl --baseline baseline.semcov", 0);
    assert_eq!(found["outcome"], "pass");
    assert_eq!(found["changes"], json!({"added": 0, "removed": 0, "kept": 800, "judged_share": 1.0}));
    let judged = found["sensitivity"]["judged_share"].as_f64().unwrap();
    assert!((0.8..=1.0).contains(&judged), "{}", found["sensitivity"]);
    let [_, err] = exits(folder, "gate corpus.jsonl --baseline absent.semcov", 2);
    assert!(err.contains("semcov profile fit CORPUS -o absent.semcov"), "{err}");
    let [_, err] = exits(folder, "gate corpus.jsonl", 2);
    assert!(err.contains("expected a baseline") && err.contains("--baseline"), "{err}");
}

#[test]
fn a_lost_topic_fails_in_words() {
    let folder = folder();
    let folder = folder.path();
    let kept: Vec<Value> = rows("corpus", &[160; 5]).into_iter().filter(|row| !about(row, 3)).collect();
    write(folder, "less.jsonl", &lines(&kept));
    let found = verdict(folder, "less.jsonl --baseline baseline.semcov", 1);
    assert_eq!((&found["outcome"], outcome(&found, "region-loss")), (&json!("fail"), &json!("fail")));
    for finding in findings(&found, "region-loss") {
        assert!(finding["subject"]["name"].as_str().unwrap().contains("money"), "{finding}");
        assert!(finding["examples"][0]["id"].as_str().unwrap().starts_with("corpus-3-"), "{finding}");
        assert_eq!(finding["texts"]["current"], 0, "{finding}");
    }
    // A fresh draw of the other four topics lacks it as well.
    write(folder, "fresh.jsonl", &lines(&rows("fresh", &[160, 160, 160, 0, 160])));
    assert_eq!(outcome(&verdict(folder, "fresh.jsonl --baseline baseline.semcov", 1), "region-loss"), "fail");

    // Every format, none of which shows a text.
    let line = "gate less.jsonl --baseline baseline.semcov --summary s.md --json v.json --junit j.xml --sarif s.sarif \
                --gitlab g.json --github";
    let [table, err] = exits(folder, line, 1);
    let [junit, sarif, gitlab] = ["j.xml", "s.sarif", "g.json"].map(|name| read(folder, name));
    assert!(table.starts_with("FAIL") && table.contains("money"), "{table}");
    assert!(table.lines().all(|line| line.chars().count() <= 80), "{table}");
    let annotations = err.lines().filter(|line| line.starts_with("::"));
    assert!((1..=10).contains(&annotations.clone().count()), "{err}");
    assert!(annotations.clone().next().unwrap().starts_with("::error file=baseline.semcov"), "{err}");
    assert!(err.contains("failed: ") && !err.contains("FAIL"), "{err}");
    assert!(junit.contains("<failure"), "{junit}");
    assert_eq!(serde_json::from_str::<Value>(&sarif).unwrap()["version"], "2.1.0");
    let fingerprints = |gitlab: &str| -> Vec<Value> {
        let issues: Value = serde_json::from_str(gitlab).unwrap();
        issues.as_array().unwrap().iter().map(|issue| issue["fingerprint"].clone()).collect()
    };
    for text in [&table, &err, &junit, &sarif, &gitlab, &read(folder, "s.md"), &read(folder, "v.json")] {
        assert!(!text.contains("number 7 of corpus"), "{text}");
    }
    // Another figure, the same fingerprints.
    write(folder, "less.jsonl", &lines(&kept[..kept.len() - 1]));
    exits(folder, "gate less.jsonl --baseline baseline.semcov --gitlab again.json -q", 1);
    assert_eq!(fingerprints(&gitlab), fingerprints(&read(folder, "again.json")));
}

#[test]
fn growth_elsewhere_and_copies_are_no_loss() {
    let folder = folder();
    let folder = folder.path();
    let mut more = rows("corpus", &[160; 5]);
    more.extend(rows("more", &[900, 0, 0, 0, 0]));
    write(folder, "more.jsonl", &lines(&more));
    let found = verdict(folder, "more.jsonl --baseline baseline.semcov", 0);
    assert_eq!(outcome(&found, "region-loss"), "pass");
    // The others' shares fell, which is said and no more.
    assert_eq!(outcome(&found, "dilution"), "warn");
    // Three of every row, the vectors a little off: nothing is lost, and nothing came.
    let tripled: Vec<Value> = rows("corpus", &[160; 5])
        .iter()
        .flat_map(|row| {
            let copy = |i: usize| {
                let mut row = row.clone();
                row["id"] = json!(format!("{}-{i}", row["id"].as_str().unwrap()));
                row["text"] = json!(format!("{} again{i}", row["text"].as_str().unwrap()));
                let first = row["vector"][i].as_f64().unwrap();
                row["vector"][i] = json!(first + 0.05);
                row
            };
            [row.clone(), copy(1), copy(2)]
        })
        .collect();
    write(folder, "tripled.jsonl", &lines(&tripled));
    let found = verdict(folder, "tripled.jsonl --baseline baseline.semcov", 0);
    assert_eq!(outcome(&found, "added-duplicates"), "warn");
}

#[test]
fn new_rows_are_judged_too() {
    let folder = folder();
    let folder = folder.path();
    let mut more = rows("corpus", &[160; 5]);
    more.extend(rows("new", &[5, 5, 0, 0, 0, 15]));
    write(folder, "more.jsonl", &lines(&more));
    let found = verdict(folder, "more.jsonl --baseline baseline.semcov", 1);
    assert_eq!(outcome(&found, "added-outliers"), "fail", "{}", found["added"]);
    let topic = &found["added"]["groups"][0];
    assert_eq!((&topic["kind"], &topic["texts"]), (&json!("new-topic"), &json!(15)), "{topic}");
    assert!(topic["examples"][0]["text"].is_null());
    let found = verdict(folder, "more.jsonl --baseline baseline.semcov --show-text", 1);
    assert!(found["added"]["groups"][0]["examples"][0]["text"].as_str().unwrap().starts_with("router reset"));
    // They stand where the annotation points.
    let [_, err] = exits(folder, "gate more.jsonl --baseline baseline.semcov --github", 1);
    let annotation = err.lines().find(|line| line.contains("unlike the baseline")).unwrap();
    assert!(annotation.starts_with("::error file=more.jsonl,line=8"), "{annotation}");
    // An id that two rows have stands nowhere.
    write(folder, "more.jsonl", &format!("{0}{0}", lines(&more)));
    let [_, err] = exits(folder, "gate more.jsonl --baseline baseline.semcov --github", 1);
    let annotation = err.lines().find(|line| line.contains("unlike the baseline")).unwrap();
    assert!(annotation.starts_with("::error file=baseline.semcov,line=1,"), "{annotation}");
}

/// What is gone stands nowhere, though another row has its place in the file, which is its id.
#[test]
fn a_page_shows_texts_only_if_asked_to() {
    let folder = folder();
    let folder = folder.path();
    exits(folder, "profile fit corpus.jsonl --with-examples -o baseline.semcov", 0);
    let kept: Vec<Value> = rows("corpus", &[160; 5]).into_iter().filter(|row| !about(row, 3)).collect();
    let new = rows("new", &[3, 0, 0, 0, 0, 15]);
    write(folder, "less.jsonl", &lines(&[&kept[..], &new[..]].concat()));
    exits(folder, "gate less.jsonl --baseline baseline.semcov --html a.html -q", 1);
    let page = read(folder, "a.html");
    assert!(page.starts_with("<!doctype html>") && page.contains("data-mode=\"verdict\""));
    for text in ["fail", "region-loss", "money", "corpus-3-", "new-5-", "id=\"map-plot\""] {
        assert!(page.contains(text), "{text}");
    }
    assert!(!page.contains("of corpus</bdi>") && !page.contains("of new</bdi>"));
    exits(folder, "gate less.jsonl --baseline baseline.semcov --html b.html --show-text -q", 1);
    let shown = read(folder, "b.html");
    assert!(shown.contains("of corpus</bdi>") && shown.contains("of new</bdi>"));
    assert!(packed(&shown, "texts").contains("money") && !packed(&page, "texts").contains("money"));
    let [out, _] = exits(folder, "gate less.jsonl --baseline baseline.semcov --html - -q", 1);
    assert!(out == page, "the page is the same, and nothing else is printed");
    exits(folder, "profile fit corpus.jsonl --compact -o baseline.semcov", 0);
    exits(folder, "gate less.jsonl --baseline baseline.semcov --html c.html -q", 1);
    assert!(read(folder, "c.html").contains("the baseline keeps no sample of texts"));
    let [_, err] = exits(folder, "gate less.jsonl --baseline baseline.semcov --html less.jsonl", 2);
    assert!(err.contains("expected a file to write, got one that is read"), "{err}");
}

/// What an element of a page holds as gzip in base64.
fn packed(page: &str, id: &str) -> String {
    use base64::Engine as _;
    use std::io::Read as _;
    let (_, rest) = page.split_once(&format!("id=\"{id}\">")).unwrap();
    let (data, _) = rest.split_once("</script>").unwrap();
    let bytes = base64::engine::general_purpose::STANDARD.decode(data).unwrap();
    let mut text = String::new();
    flate2::read::GzDecoder::new(&bytes[..]).read_to_string(&mut text).unwrap();
    text
}

#[test]
fn annotations_point_at_no_other_row() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut all = rows("corpus", &[160; 5]);
    for row in &mut all {
        row.as_object_mut().unwrap().remove("id");
    }
    write(folder, "corpus.jsonl", &lines(&all));
    exits(folder, "profile fit corpus.jsonl -o baseline.semcov", 0);
    all.retain(|row| !about(row, 1));
    write(folder, "corpus.jsonl", &format!("{}not JSON\n", lines(&all)));
    exits(folder, "gate corpus.jsonl --baseline baseline.semcov --gitlab g.json -q", 1);
    let issues: Vec<Value> = serde_json::from_str(&read(folder, "g.json")).unwrap();
    let (of_rows, others): (Vec<_>, Vec<_>) =
        issues.iter().partition(|issue| issue["location"]["path"] == "corpus.jsonl");
    assert!(others.iter().any(|issue| issue["description"].as_str().unwrap().contains("gone: corpus.jsonl:")));
    assert_eq!(of_rows.len(), 1, "{issues:#?}");
    assert_eq!(of_rows[0]["location"]["lines"]["begin"], 641);
    let said = of_rows[0]["description"].as_str().unwrap();
    assert!(said.starts_with("Row corpus.jsonl:641 could not be read: "), "{said}");
}

#[test]
fn every_output_has_a_file_of_its_own() {
    let folder = folder();
    let folder = folder.path();
    let before = std::fs::read(folder.join("baseline.semcov")).unwrap();
    for (outputs, said) in [
        ("--json - --summary -", "-: expected a file of its own"),
        ("--json v.json --sarif ./v.json", "v.json: expected a file of its own"),
        ("--junit baseline.semcov", "baseline.semcov: expected a file to write"),
        ("--pending baseline.semcov", "baseline.semcov: expected a file to write"),
        ("--gitlab corpus.jsonl", "corpus.jsonl: expected a file to write"),
        ("--evaluation absent.jsonl --summary absent.jsonl", "absent.jsonl: expected a file to write"),
    ] {
        let [_, err] = exits(folder, &format!("gate corpus.jsonl --baseline baseline.semcov {outputs}"), 2);
        assert!(err.contains(said), "{outputs}: {err}");
    }
    assert_eq!(std::fs::read(folder.join("baseline.semcov")).unwrap(), before);
    exits(folder, "gate corpus.jsonl --baseline baseline.semcov --json - -q --pending none", 0);
}

#[test]
fn rules_of_rows() {
    let folder = folder();
    let folder = folder.path();
    let mut changed = rows("corpus", &[160; 5]);
    for (i, row) in changed.iter_mut().enumerate() {
        row["license"] = json!(if i < 40 { "unknown" } else { "CC-BY-4.0" });
    }
    let mut generated = rows("generated", &[50, 50]);
    for row in &mut generated {
        row["synthetic"] = json!(true);
    }
    changed.extend(generated);
    let repeated: Vec<Value> = changed[..60].to_vec();
    changed.extend(repeated);
    write(folder, "changed.jsonl", &format!("{}not JSON\n", lines(&changed)));
    let copied = |row: &Value| json!({"id": "e", "question": row["text"], "vector": row["vector"]});
    let evaluation = [copied(&changed[3]), copied(&rows("evaluation", &[1])[0])];
    write(folder, "evaluation.jsonl", &lines(&evaluation));
    write(
        folder,
        "semcov.toml",
        "[gate]\nbaseline = \"baseline.semcov\"\n[gate.rules]\nsynthetic-share = { fail = \"10%\" }\n\
         unknown-licence = { warn = 0 }\nmin-rows = { total = 1000, source = { app = 10, phone = 1 }, informational = true }\n",
    );
    let line = "changed.jsonl --evaluation evaluation.jsonl --evaluation-text question --reference corpus.jsonl";
    let found = verdict(folder, line, 1);
    for (rule, want) in [
        ("synthetic-share", "fail"),
        ("unknown-licence", "warn"),
        ("min-rows", "warn"),
        ("leakage", "fail"),
        ("duplicates", "fail"),
        ("bad-rows", "fail"),
        ("coverage", "pass"),
        ("region-loss", "pass"),
    ] {
        assert_eq!(outcome(&found, rule), want, "{rule}: {found:#}");
    }
    assert_eq!(findings(&found, "leakage").len(), 1);
    assert_eq!(findings(&found, "min-rows").len(), 2);
    assert_eq!(findings(&found, "bad-rows")[0]["examples"][0]["id"], "changed.jsonl:961");
    // Asked for, a limit ends the run before anything is judged.
    let [_, err] = exits(folder, "gate changed.jsonl --max-bad-rows 0", 2);
    assert!(err.contains("changed.jsonl:961"), "{err}");
}

#[test]
fn too_few_texts_are_inconclusive() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write(folder, "few.jsonl", &lines(&rows("few", &[12; 5])));
    exits(folder, "profile fit few.jsonl -o few.semcov", 0);
    write(folder, "other.jsonl", &lines(&rows("other", &[12; 5])));
    let mut said = 0;
    for (policy, code) in [("", 2), ("inconclusive = \"fail\"", 1), ("inconclusive = \"pass\"", 0)] {
        write(folder, "semcov.toml", &format!("[gate]\nbaseline = \"few.semcov\"\n{policy}\n"));
        let found = verdict(folder, "other.jsonl", code);
        assert_eq!((&found["outcome"], &found["exit_code"]), (&json!("inconclusive"), &json!(code)));
        let enough = findings(&found, "region-loss")[0]["texts_enough"].as_u64().unwrap();
        assert!(enough > 60, "{enough}");
        said = enough as usize;
    }
    // So many are enough, in the same mix; a fifth more in another one.
    let [before, now] = ["before", "now"].map(|name| rows(name, &[said.div_ceil(4); 5]));
    write(folder, "before.jsonl", &lines(&before));
    write(folder, "now.jsonl", &lines(&now));
    exits(folder, "profile fit before.jsonl --leaves 10 -o few.semcov", 0);
    assert_eq!(verdict(folder, "now.jsonl", 0)["outcome"], "pass");
    // What is gone altogether needs no power.
    write(folder, "empty.jsonl", "{\"text\": \"\"}\n");
    let [_, err] = exits(folder, "gate empty.jsonl", 2);
    assert!(err.contains("vector"), "{err}");
}

/// The verdict does not depend on the order of rows, on how they are divided into files, or on threads.
#[test]
fn one_corpus_has_one_verdict() {
    let folder = folder();
    let folder = folder.path();
    let mut changed = rows("corpus", &[160; 5]);
    changed.retain(|row| !about(row, 3) || row["id"].as_str().unwrap().ends_with('7'));
    changed.extend(rows("new", &[3, 4, 0, 0, 0, 9]));
    write(folder, "changed.jsonl", &lines(&changed));
    let whole = exits(folder, "gate changed.jsonl --baseline baseline.semcov --format json --threads 1", 1)[0].clone();
    let pending = std::fs::read(folder.join("baseline.pending.semcov")).unwrap();
    let n = changed.len();
    let shuffled: Vec<Value> = (0..n).map(|i| changed[i * 7919 % n].clone()).collect();
    let (a, b) = shuffled.split_at(100);
    write(folder, "part-1.jsonl", &lines(b));
    write(folder, "part-2.jsonl", &lines(a));
    let parts = exits(folder, "gate part-1.jsonl part-2.jsonl --baseline baseline.semcov --format json --threads 3", 1);
    assert_eq!(parts[0], whole);
    assert_eq!(std::fs::read(folder.join("baseline.pending.semcov")).unwrap(), pending);
}

/// Texts that many rows have say no more than others, also where the sample holds a part of the texts.
#[test]
fn repeated_rows_are_no_more_texts() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut repeated = rows("corpus", &[160; 5]);
    let often: Vec<Value> = repeated.iter().step_by(40).cloned().collect();
    for _ in 0..80 {
        repeated.extend(often.iter().cloned());
    }
    write(folder, "repeated.jsonl", &lines(&repeated));
    exits(folder, "profile fit repeated.jsonl --sample 150 -o baseline.semcov", 0);
    for (n, step) in [7, 11, 13, 17].into_iter().enumerate() {
        let gone: Vec<&Value> = repeated[..800].iter().skip(n).step_by(step).collect();
        let fewer: Vec<Value> = repeated.iter().filter(|row| !gone.contains(row)).cloned().collect();
        write(folder, "fewer.jsonl", &lines(&fewer));
        let found = verdict(folder, "fewer.jsonl --baseline baseline.semcov", 0);
        assert_eq!((outcome(&found, "region-loss"), outcome(&found, "leaf-loss")), (&json!("pass"), &json!("pass")));
    }
}

/// Texts of a narrow topic are near each other, and no copies.
#[test]
fn a_narrow_topic_can_be_lost() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut narrow = rows("corpus", &[160, 160, 160, 160, 80]);
    for row in &mut narrow {
        if about(row, 4) {
            for x in row["vector"].as_array_mut().unwrap() {
                let near = x.as_f64().unwrap() * 0.1 + f64::from(u8::from(x.as_f64().unwrap() > 0.6)) * 0.9;
                *x = json!(near);
            }
        }
    }
    write(folder, "narrow.jsonl", &lines(&narrow));
    exits(folder, "profile fit narrow.jsonl -o baseline.semcov", 0);
    let mut left = 0;
    narrow.retain(|row| {
        left += usize::from(about(row, 4));
        !about(row, 4) || left <= 4
    });
    write(folder, "narrow.jsonl", &lines(&narrow));
    assert_eq!(outcome(&verdict(folder, "narrow.jsonl --baseline baseline.semcov", 1), "region-loss"), "fail");
}

/// What one rule does not look at, another does; and other commands' settings are not the gate's.
#[test]
fn rules_stand_for_themselves() {
    let folder = folder();
    let folder = folder.path();
    let mut kept: Vec<Value> = rows("corpus", &[160; 5]);
    kept.retain(|row| !about(row, 3) || row["id"].as_str().unwrap().ends_with('7'));
    write(folder, "less.jsonl", &lines(&kept));
    let policy = "[gate]\nbaseline = \"baseline.semcov\"\n[gate.rules]\nregion-loss = { enabled = false }\n\
                  leaf-loss = { enabled = false }\ndilution = { informational = false, fail = 0.8 }\n";
    write(folder, "semcov.toml", policy);
    assert_eq!(outcome(&verdict(folder, "less.jsonl", 1), "dilution"), "fail");

    // Generated rows are searched for evaluation texts, too.
    let mut with_generated = rows("corpus", &[160; 5]);
    let mut generated = rows("evaluation", &[3]);
    write(folder, "evaluation.jsonl", &lines(&generated));
    for row in &mut generated {
        row["id"] = json!(format!("copy-of-{}", row["id"].as_str().unwrap()));
        row["synthetic"] = json!(true);
    }
    with_generated.extend(generated);
    write(folder, "with-generated.jsonl", &lines(&with_generated));
    write(folder, "semcov.toml", "[gate]\nbaseline = \"baseline.semcov\"\n");
    let found = verdict(folder, "with-generated.jsonl --evaluation evaluation.jsonl", 1);
    assert_eq!(findings(&found, "leakage").len(), 3);

    let mut more = rows("corpus", &[160; 5]);
    more.extend(rows("more", &[20; 5]));
    write(folder, "more.jsonl", &lines(&more));
    let before = verdict(folder, "more.jsonl", 0);
    write(folder, "semcov.toml", "[gate]\nbaseline = \"baseline.semcov\"\n[screen]\nalpha = 0.5\nfdr = 0.5\n");
    assert_eq!(verdict(folder, "more.jsonl", 0)["added"], before["added"]);
}

#[test]
fn a_baseline_is_accepted_by_a_person() {
    let folder = folder();
    let folder = folder.path();
    let kept: Vec<Value> = rows("corpus", &[160; 5]).into_iter().filter(|row| !about(row, 3)).collect();
    write(folder, "corpus.jsonl", &lines(&kept));
    write(folder, "semcov.toml", "[gate]\nbaseline = \"baseline.semcov\"\n");
    let [_, err] = exits(folder, "baseline accept", 2);
    assert!(err.contains("semcov gate"), "{err}");
    exits(folder, "gate corpus.jsonl -q", 1);
    let [status, _] = exits(folder, "baseline status", 0);
    assert!(status.contains("is pending") && status.contains("money"), "{status}");
    exits(folder, "baseline reject", 0);
    let [status, _] = exits(folder, "baseline status", 0);
    assert!(status.contains("nothing is pending"), "{status}");
    exits(folder, "gate corpus.jsonl -q", 1);
    let in_ci = command(folder, "baseline accept").env("CI", "true").output().unwrap();
    assert_eq!(in_ci.status.code(), Some(2));
    assert!(String::from_utf8(in_ci.stderr).unwrap().contains("--in-ci"));
    exits(folder, "baseline accept", 0);
    assert!(!folder.join("baseline.pending.semcov").exists());
    exits(folder, "gate corpus.jsonl -q", 0);
    let forced = command(folder, "baseline accept --in-ci").env("CI", "true").output().unwrap();
    assert_eq!(forced.status.code(), Some(0));
    // A job may ask for no pending baseline, or for one elsewhere.
    std::fs::remove_file(folder.join("baseline.pending.semcov")).ok();
    exits(folder, "gate corpus.jsonl -q --pending none", 0);
    assert!(!folder.join("baseline.pending.semcov").exists());
    let [_, err] = exits(folder, "gate corpus.jsonl --pending next.semcov", 0);
    assert!(err.contains("move it over baseline.semcov to accept it"), "{err}");
    let [_, err] = exits(folder, "gate corpus.jsonl --pending baseline.pending.semcov", 0);
    assert!(err.contains("`semcov baseline accept baseline.semcov` makes it so"), "{err}");
    exits(folder, "profile show next.semcov", 0);
}

#[test]
fn sections_have_baselines_of_their_own() {
    let folder = folder();
    let folder = folder.path();
    std::fs::create_dir(folder.join("talk")).unwrap();
    let talk = rows("talk", &[150, 0, 0, 0, 150]);
    write(folder, "talk/a.jsonl", &lines(&talk));
    exits(folder, "profile fit talk/a.jsonl -o talk.semcov", 0);
    exits(folder, "profile fit corpus.jsonl talk/a.jsonl -o baseline.semcov", 0);
    let policy = "[gate]\nbaseline = \"baseline.semcov\"\n[[gate.section]]\nname = \"talk\"\npaths = [\"talk/*\"]\n\
                  baseline = \"talk.semcov\"\nrules.min-rows = { total = 200 }\n";
    write(folder, "semcov.toml", policy);
    let found = verdict(folder, "corpus.jsonl talk/a.jsonl", 0);
    assert_eq!(found["sections"][0]["verdict"]["current"]["rows"], 300);
    // What is lost in the section alone.
    write(folder, "talk/a.jsonl", &lines(&talk[..150]));
    let found = verdict(folder, "corpus.jsonl talk/a.jsonl", 1);
    let section = &found["sections"][0]["verdict"];
    assert_eq!((outcome(section, "region-loss"), outcome(section, "min-rows")), (&json!("fail"), &json!("fail")));
    assert!(folder.join("talk.pending.semcov").exists());
    let [_, err] = exits(folder, "gate corpus.jsonl", 2);
    assert!(err.contains("section talk") && err.contains("talk/*"), "{err}");
}

#[test]
fn what_cannot_be_judged_says_what_to_do() {
    let folder = folder();
    let folder = folder.path();
    exits(folder, "baseline check baseline.semcov", 0);
    for (policy, said) in [
        ("[gate]\nbaselin = \"x\"\n", "did you mean `baseline`?"),
        ("[gate.rules.region-los]\nfail = 0.5\n", "did you mean `region-loss`?"),
        ("[gate.rules.leakage]\ntarget = 0.5\n", "one of the keys enabled, informational, warn, fail"),
        ("[gate.rules.region-loss]\nfail = 80\n", "from 0 to 1"),
        ("[gate]\nalpha = 0\n", "a level above 0 and below 1"),
        ("[gate]\ninconclusive = \"shrug\"\n", "shrug"),
        ("[[gate.section]]\nname = \"a\"\npaths = [\"*\"]\nbaseline = \"absent.semcov\"\n", "absent.semcov"),
        (
            "[[gate.section]]\nname = \"a\"\npaths = [\"*\"]\nbaseline = \"./baseline.semcov\"\n",
            "a baseline of its own",
        ),
    ] {
        write(folder, "semcov.toml", policy);
        let [_, err] = exits(folder, "gate corpus.jsonl --baseline baseline.semcov", 2);
        assert!(err.contains(said), "{policy}: {err}");
        if !policy.contains("section") {
            exits(folder, "baseline check baseline.semcov", 2);
        }
    }
    std::fs::remove_file(folder.join("semcov.toml")).unwrap();
    write(folder, "garbage.semcov", "no profile");
    let [_, err] = exits(folder, "gate corpus.jsonl --baseline garbage.semcov", 2);
    assert!(err.contains("profile") && err.contains("semcov profile fit"), "{err}");
    let newer: Vec<u8> = {
        let bytes = std::fs::read(folder.join("baseline.semcov")).unwrap();
        let version = br#"\"version\":1"#;
        let at = bytes.windows(version.len()).position(|window| window == version).unwrap();
        let mut bytes = bytes;
        bytes[at + version.len() - 1] = b'9';
        bytes
    };
    std::fs::write(folder.join("newer.semcov"), newer).unwrap();
    let [_, err] = exits(folder, "gate corpus.jsonl --baseline newer.semcov", 2);
    assert!(err.contains("version"), "{err}");
    // Vectors of another length.
    let short: Vec<Value> = rows("corpus", &[9; 5])
        .into_iter()
        .map(|mut row| {
            row["vector"].as_array_mut().unwrap().truncate(11);
            row
        })
        .collect();
    write(folder, "short.jsonl", &lines(&short));
    let [_, err] = exits(folder, "gate short.jsonl --baseline baseline.semcov", 2);
    assert!(err.contains("dim 12") && err.contains("dim 11") && err.contains("make a new baseline"), "{err}");
    let [_, err] = exits(folder, "gate absent.jsonl --baseline baseline.semcov", 2);
    assert!(err.contains("absent.jsonl"), "{err}");
}

/// Another prompt is another encoder.
#[cfg(feature = "embedded-model")]
#[test]
fn another_prompt_is_refused() {
    let folder = folder();
    let folder = folder.path();
    let run = |line: &str| {
        let output = command(folder, line).env_remove("SEMCOV_VECTORS").output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let few: Vec<Value> = rows("corpus", &[4; 5]);
    write(folder, "few.jsonl", &lines(&few));
    assert_eq!(run("profile fit few.jsonl -o few.semcov").0, Some(0));
    let (code, err) = run("gate few.jsonl --baseline few.semcov --prompt query:");
    assert_eq!(code, Some(2), "{err}");
    assert!(err.contains("prompt") && err.contains("--prompt"), "{err}");
    // What brings its vectors has another encoder than what was embedded.
    let (code, err) = run("gate few.jsonl --baseline baseline.semcov");
    assert_eq!(code, Some(2), "{err}");
    assert!(err.contains("vectors:vector") && err.contains("all-MiniLM-L6-v2"), "{err}");
}

#[test]
fn rules_are_explained() {
    let folder = tempfile::tempdir().unwrap();
    let [out, _] = exits(folder.path(), "gate --explain region-loss", 0);
    insta::assert_snapshot!(out);
    let [_, err] = exits(folder.path(), "gate --explain everything", 2);
    assert!(err.contains("region-loss") && err.contains("bad-rows") && !err.contains("did you mean"), "{err}");
    let [_, err] = exits(folder.path(), "gate --explain region", 2);
    assert!(err.contains("did you mean `region-loss`?"), "{err}");
}
