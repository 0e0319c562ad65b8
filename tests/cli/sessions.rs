//! Golden sessions: commands and what they print. Reports are on a corpus that brings its vectors, so that their figures
//! are the same on every machine. `INSTA_UPDATE=always cargo test --release --test cli` writes the sessions anew.
#![cfg(all(feature = "embedded-model", feature = "hub"))]

use std::fmt::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// Runs commands in a folder of `tests/cli`, and writes down what a terminal without colours would show.
fn session(folder: &str, commands: &[&str]) -> String {
    session_in(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli").join(folder), commands)
}

fn session_in(folder: &Path, commands: &[&str]) -> String {
    let mut shown = String::new();
    for command in commands {
        let arguments = command.split(' ').skip(1);
        let output = Command::new(assert_cmd::cargo::cargo_bin!("semcov"))
            .args(arguments)
            .current_dir(folder)
            .env("SEMCOV_CACHE", "none")
            .env("HF_HOME", "no-such-folder")
            .env("HF_HUB_CACHE", "")
            .env("HF_HUB_OFFLINE", "1")
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        writeln!(shown, "$ {command}").unwrap();
        for stream in [&output.stderr, &output.stdout] {
            let text = String::from_utf8_lossy(stream);
            shown += &text.replace(folder.to_str().unwrap(), "[folder]").replace(".exe", "");
        }
        if let Some(code @ 1..) = output.status.code() {
            writeln!(shown, "[exit code {code}]").unwrap();
        }
        shown.push('\n');
    }
    shown
}

#[test]
fn help() {
    insta::assert_snapshot!(session(
        ".",
        &[
            "semcov --help",
            "semcov report --help",
            "semcov screen --help",
            "semcov plan --help",
            "semcov embed -h",
            "semcov profile --help",
            "semcov profile fit -h",
            "semcov profile observe -h",
            "semcov profile merge --help",
            "semcov profile show --help",
            "semcov profile diff --help",
            "semcov model --help",
            "semcov model distill --help",
            "semcov init --help",
            "semcov completions --help",
            "semcov man --help",
            "semcov schema --help",
        ],
    ));
}

#[test]
fn report() {
    insta::assert_snapshot!(session(
        "corpus",
        &[
            "semcov report corpus.jsonl --vectors vector --outliers 3",
            "semcov report corpus.jsonl --vectors vector --outliers 2 --regions 4 --format markdown -q",
            "semcov report corpus.jsonl --vectors vector --rows - -q",
        ],
    ));
}

/// The corpus in two files, and once more without its weather.
/// A reference with far more about travel, and what to do about it.
#[test]
fn reference() {
    insta::assert_snapshot!(session(
        "corpus",
        &[
            "semcov report corpus.jsonl --reference reference.jsonl --vectors vector --leaves 4",
            "semcov report corpus.jsonl --reference reference.jsonl --vectors vector --leaves 4 --format markdown -q",
            "semcov plan corpus.jsonl --reference reference.jsonl --vectors vector --leaves 4 --budget 9",
            "semcov plan corpus.jsonl --vectors vector --leaves 4 --budget 9 --target sqrt --format markdown -q",
            "semcov plan corpus.jsonl --vectors vector --weights - -q",
        ],
    ));
}

/// Half of the reference is about travel, of which the corpus has little.
#[test]
fn screen() {
    insta::assert_snapshot!(session(
        "corpus",
        &[
            "semcov screen reference.jsonl --against corpus.jsonl --vectors vector --alpha 0.1",
            "semcov screen reference.jsonl --against corpus.jsonl --vectors vector --alpha 0.1 --format markdown -q",
            "semcov screen corpus.jsonl --against reference.jsonl --vectors vector --flagged - --fail-on flagged>0",
            "semcov screen corpus.jsonl --against reference.jsonl --vectors vector --score lof",
        ],
    ));
}

#[test]
fn profile() {
    let folder = tempfile::tempdir().unwrap();
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/corpus/corpus.jsonl");
    let corpus = std::fs::read_to_string(corpus).unwrap();
    let lines: Vec<&str> = corpus.lines().collect();
    let write = |name: &str, lines: &[&str]| std::fs::write(folder.path().join(name), lines.join("\n")).unwrap();
    write("all.jsonl", &lines);
    write("one.jsonl", &lines[..20]);
    write("two.jsonl", &lines[20..]);
    // What is not about the weather, five times, each time with another word.
    let without = lines.iter().filter(|line| !line.contains("weather") && !line.contains("empty"));
    let times = |line: &&str| -> String {
        (0..5).map(|i| line.replace("\", \"source", &format!(" {i}\", \"source")) + "\n").collect()
    };
    write("changed.jsonl", &[without.map(times).collect::<String>().as_str()]);
    let quiet = "--config none.toml -q";
    std::fs::write(folder.path().join("none.toml"), "").unwrap();
    let shown = session_in(
        folder.path(),
        &[
            "semcov profile fit all.jsonl --vectors vector --regions 3 -o all.semcov",
            "semcov profile show all.semcov",
            &format!("semcov profile observe one.jsonl --vectors vector --codebook all.semcov -o one.semcov {quiet}"),
            &format!("semcov profile observe two.jsonl --vectors vector --codebook all.semcov -o two.semcov {quiet}"),
            &format!("semcov profile observe all.jsonl --vectors vector --codebook all.semcov -o same.semcov {quiet}"),
            "semcov profile merge two.semcov one.semcov -o merged.semcov",
            "semcov profile diff all.semcov merged.semcov",
            &format!(
                "semcov profile observe changed.jsonl --vectors vector --codebook all.semcov -o changed.semcov {quiet}"
            ),
            "semcov profile diff all.semcov changed.semcov",
            "semcov profile diff all.semcov changed.semcov --format markdown",
            &format!("semcov profile fit changed.jsonl --vectors vector --regions 2 --compact -o other.semcov {quiet}"),
            "semcov profile diff all.semcov other.semcov",
            "semcov profile merge all.semcov other.semcov -o merged.semcov",
            "semcov profile show other.semcov --format json",
            "semcov profile show all.jsonl",
        ],
    );
    let read = |name: &str| std::fs::read(folder.path().join(name)).unwrap();
    assert_eq!(read("merged.semcov"), read("same.semcov"), "parts merge to the whole");
    insta::assert_snapshot!(shown);
}

#[test]
fn model() {
    insta::assert_snapshot!(session(
        ".",
        &[
            "semcov model list",
            "semcov model info all-MiniLM-L6-v2",
            "semcov model info BAAI/bge-small-en-v1.5",
            "semcov model info no-such-folder",
        ],
    ));
}

/// Static encoders of a tiny transformer: with and without the frequencies of a corpus, used, and mistaken for each other.
#[test]
fn static_encoder() {
    let folder = tempfile::tempdir().unwrap();
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    std::fs::create_dir(folder.path().join("tiny-bert")).unwrap();
    for file in ["config.json", "tokenizer.json", "model.safetensors"] {
        let from = tests.join("parity/fixtures/encoders/bert-mean").join(file);
        std::fs::copy(from, folder.path().join("tiny-bert").join(file)).unwrap();
    }
    std::fs::write(folder.path().join("none.toml"), "").unwrap();
    let rows = ["where is my parcel", "the refund of the order", "reset the password", "where is the order?"];
    std::fs::write(folder.path().join("all.txt"), rows.join("\n")).unwrap();
    let shown = session_in(
        folder.path(),
        &[
            "semcov model distill --encoder tiny-bert --dim 8 -o zipf",
            "semcov model distill all.txt --encoder tiny-bert --dim 8 -o counted",
            "semcov model distill all.txt --encoder tiny-bert --dim 8 -o counted -q",
            "semcov model info static:tiny-bert",
            "semcov profile fit all.txt --encoder counted --config none.toml -o counted.semcov -q",
            "semcov profile observe all.txt --encoder zipf --config none.toml --codebook counted.semcov -o zipf.semcov -q",
            "semcov model distill --encoder zipf -o again",
            "semcov model distill --encoder tiny-bert -o tiny-bert",
            "semcov model distill --encoder tiny-bert --dim 0 -o none",
        ],
    );
    let is_digest = |line: &&str| line.starts_with("digest ") || line.starts_with("fingerprint ");
    let (digests, lines): (Vec<&str>, Vec<&str>) = shown.lines().partition(is_digest);
    assert_eq!(digests.len(), 8);
    assert_ne!(digests[0], digests[2], "frequencies make another encoder");
    assert_eq!(digests[2..4], digests[4..6], "and the same ones the same");
    let lines: Vec<&str> = lines.into_iter().map(|line| line.split(" got ").next().unwrap()).collect();
    insta::assert_snapshot!(lines.join("\n"));
}

/// Every error says what was expected, what was found, and what to do next.
#[test]
fn errors() {
    insta::assert_snapshot!(session(
        "errors",
        &[
            "semcov report missing.jsonl --config none.toml",
            "semcov report nothing-*.jsonl --config none.toml",
            "semcov report . --config none.toml",
            "semcov report table.csv --config none.toml",
            "semcov report table.csv --text nam --config none.toml",
            "semcov report bad.jsonl --config none.toml --vectors vector",
            "semcov report empty.jsonl --config none.toml --precision f32",
            "semcov report table.csv",
            "semcov report table.csv --text name --config none.toml --device gpu",
            "semcov report table.csv --text name --config none.toml --device cuda:3",
            "semcov report table.csv --text name --config none.toml --encoder no-such-folder",
            "semcov report table.csv --text name --config none.toml --budget lots",
            "semcov report table.csv --text name --config none.toml --max-bad-rows some",
            "semcov report table.csv --text name --config none.toml --rows rows.txt",
            "semcov embed table.csv --text name --config none.toml -o vectors.csv",
            "semcov report",
            "semcov report table.csv --text name --config none.toml --reference missing.jsonl",
            "semcov report table.csv --text name --config none.toml --reference empty.jsonl",
            "semcov plan table.csv --text name --config none.toml --target most",
            "semcov plan table.csv --text name --config none.toml --target table",
            "semcov plan table.csv --text name --config none.toml --target reference",
            "semcov plan table.csv --text name --config none.toml --requests openai",
            "semcov plan table.csv --text name --config none.toml --requests acme --model m",
            "semcov plan table.csv --text name --config none.toml --requests openai --model m --requests-output -",
            "semcov plan table.csv --text name --config none.toml --synthetic-share 1",
            "semcov plan table.csv --text name --config none.toml --price-input 1",
        ],
    ));
}
