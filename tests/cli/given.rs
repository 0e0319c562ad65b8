//! Corpora that bring their vectors: nothing is embedded.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

/// The program in a folder without settings, as no CI job would run it.
pub(crate) fn command(folder: &Path, line: &str) -> Command {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("semcov"));
    command
        .args(line.split(' '))
        .current_dir(folder)
        .env("SEMCOV_CACHE", "none")
        .env("SEMCOV_VECTORS", "vector")
        .env("SEMCOV_PRECISION", "f32")
        .env("NO_COLOR", "1")
        .env_remove("CI")
        .env_remove("GITHUB_ACTIONS")
        .stdin(Stdio::null());
    command
}

pub(crate) fn semcov(folder: &Path, line: &str) -> Output {
    command(folder, line).output().unwrap()
}

/// Standard output of a run that ends well.
pub(crate) fn run(folder: &Path, line: &str) -> String {
    let output = semcov(folder, line);
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

pub(crate) fn read(folder: &Path, name: &str) -> String {
    std::fs::read_to_string(folder.join(name)).unwrap()
}

pub(crate) fn write(folder: &Path, name: &str, text: &str) {
    std::fs::write(folder.join(name), text).unwrap();
}

pub(crate) fn lines(rows: &[Value]) -> String {
    rows.iter().fold(String::new(), |lines, row| lines + &row.to_string() + "\n")
}

pub(crate) const TOPICS: [&str; 6] =
    ["weather rain", "music song", "travel flight", "money bank", "food recipe", "router reset"];

/// Rows around axes of 12-space: `counts` has how many of each topic, `source` its source; deterministic scatter around
/// them.
pub(crate) fn rows(name: &str, counts: &[usize], source: impl Fn(usize) -> &'static str) -> Vec<Value> {
    let mut state = name.bytes().fold(7_u64, |state, byte| state.wrapping_mul(31) + u64::from(byte));
    let mut scatter = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f64 / f64::from(1_u32 << 24) - 0.5
    };
    let mut rows = Vec::new();
    for (topic, &count) in counts.iter().enumerate() {
        for i in 0..count {
            let vector: Vec<f64> = (0..12).map(|axis| f64::from(u8::from(axis == topic)) + 0.5 * scatter()).collect();
            let text = format!("{} number {i} of {name}", TOPICS[topic]);
            let source = source(topic);
            rows.push(json!({"id": format!("{name}-{topic}-{i}"), "text": text, "source": source, "vector": vector}));
        }
    }
    rows
}
