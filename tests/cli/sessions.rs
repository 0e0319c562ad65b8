//! Golden sessions: commands and what they print. Reports are on a corpus that brings its vectors, so that their figures
//! are the same on every machine. `INSTA_UPDATE=always cargo test --release --test cli` writes the sessions anew.
#![cfg(all(feature = "embedded-model", feature = "hub"))]

use std::fmt::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// Runs commands in a folder of `tests/cli`, and writes down what a terminal without colours would show.
fn session(folder: &str, commands: &[&str]) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli").join(folder);
    let mut shown = String::new();
    for command in commands {
        let arguments = command.split(' ').skip(1);
        let output = Command::new(assert_cmd::cargo::cargo_bin!("semcov"))
            .args(arguments)
            .current_dir(&folder)
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
            "semcov embed -h",
            "semcov model --help",
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
            "semcov report empty.jsonl --config none.toml",
            "semcov report table.csv",
            "semcov report table.csv --text name --config none.toml --device gpu",
            "semcov report table.csv --text name --config none.toml --device cuda:3",
            "semcov report table.csv --text name --config none.toml --encoder no-such-folder",
            "semcov report table.csv --text name --config none.toml --budget lots",
            "semcov report table.csv --text name --config none.toml --max-bad-rows some",
            "semcov report table.csv --text name --config none.toml --rows rows.txt",
            "semcov embed table.csv --text name --config none.toml -o vectors.csv",
            "semcov report",
        ],
    ));
}
