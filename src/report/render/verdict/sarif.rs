//! A verdict as SARIF 2.1.0 (OASIS standard, Static Analysis Results Interchange Format), which code scanning reads.
//!
//! Only what a reader needs of it: one run, its rules, and a result per finding. The types are our own: those of the
//! standard are generated, and many times as many.

use std::collections::BTreeMap;

use serde::Serialize;

use super::super::json;
use super::super::text::fit;
use super::objection::{Level, Objection, objections};
use super::words;
use crate::gate::{Places, RuleId, Verdict};

const SCHEMA: &str = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";
/// Columns of a message.
const MESSAGE: usize = 1_000;

#[derive(Serialize)]
struct Log {
    #[serde(rename = "$schema")]
    schema: &'static str,
    version: &'static str,
    runs: [Run; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Run {
    tool: Tool,
    column_kind: &'static str,
    results: Vec<Found>,
}

#[derive(Serialize)]
struct Tool {
    driver: Driver,
}

#[derive(Serialize)]
struct Driver {
    name: &'static str,
    version: String,
    rules: Vec<Descriptor>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    id: &'static str,
    short_description: Text,
    full_description: Text,
    help: Text,
}

#[derive(Serialize)]
struct Text {
    text: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Found {
    rule_id: &'static str,
    rule_index: usize,
    level: &'static str,
    message: Text,
    locations: [Location; 1],
    partial_fingerprints: BTreeMap<&'static str, String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Location {
    physical_location: PhysicalLocation,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PhysicalLocation {
    artifact_location: ArtifactLocation,
    region: Lines,
}

#[derive(Serialize)]
struct ArtifactLocation {
    uri: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Lines {
    start_line: u64,
}

/// The findings as SARIF 2.1.0, worst first. A finding about texts stands where its first example stands, any other at
/// the first line of `default_file`.
#[must_use]
pub fn verdict_sarif(verdict: &Verdict, places: &Places, default_file: &str) -> String {
    let results = objections(verdict).iter().map(|found| result(found, places, default_file)).collect();
    let driver = Driver {
        name: "semcov",
        version: verdict.semcov_version.clone(),
        rules: RuleId::ALL.iter().map(|&id| descriptor(id)).collect(),
    };
    let run = Run { tool: Tool { driver }, column_kind: "unicodeCodePoints", results };
    json::line(serde_json::to_string_pretty(&Log { schema: SCHEMA, version: "2.1.0", runs: [run] }))
}

fn descriptor(id: RuleId) -> Descriptor {
    let rule = id.rule();
    Descriptor {
        id: id.word(),
        short_description: message(rule.title),
        full_description: message(rule.what),
        help: message(rule.why),
    }
}

fn result(objection: &Objection<'_>, places: &Places, default_file: &str) -> Found {
    let rule = objection.rule.id;
    let (file, start_line) = objection.location(places, default_file);
    Found {
        rule_id: rule.word(),
        rule_index: rule as usize,
        level: match objection.level() {
            Level::Fails => "error",
            Level::CannotTell | Level::Warns => "warning",
            Level::Informs => "note",
        },
        message: message(&fit(&words::finding_text(objection), MESSAGE)),
        locations: [Location {
            physical_location: PhysicalLocation {
                artifact_location: ArtifactLocation { uri: uri(&file) },
                region: Lines { start_line },
            },
        }],
        partial_fingerprints: BTreeMap::from([("semcovFinding/v1", objection.finding.fingerprint.clone())]),
    }
}

/// A plain text message in which nothing is a link (section 3.11.6 of the standard: `[text](target)`).
fn message(text: &str) -> Text {
    Text { text: text.replace("](", "] (") }
}

/// A path as a URI reference: relative to the root of the repository, or of a file system where it is absolute.
fn uri(file: &str) -> String {
    let file = file.replace('\\', "/");
    let root = match file.as_bytes() {
        [b'/', ..] => "file://",
        [letter, b':', b'/', ..] if letter.is_ascii_alphabetic() => "file:///",
        _ => "",
    };
    let mut uri = root.to_owned();
    for byte in file.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => uri.push(byte as char),
            _ => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::fixture;

    #[test]
    fn of_a_verdict() {
        insta::assert_snapshot!(verdict_sarif(&fixture::verdict(), &fixture::places(), "semcov.toml"));
    }

    #[test]
    fn of_hostile_names() {
        insta::assert_snapshot!(verdict_sarif(&fixture::names(), &Places::new(), "a.jsonl"));
    }

    #[test]
    fn paths_are_uri_references() {
        for (file, expected) in [
            ("data/a b.jsonl", "data/a%20b.jsonl"),
            ("a:b,c#d?e%.csv", "a%3Ab%2Cc%23d%3Fe%25.csv"),
            ("/srv/ä.txt", "file:///srv/%C3%A4.txt"),
            ("C:\\data\\x.csv", "file:///C%3A/data/x.csv"),
            ("", ""),
        ] {
            assert_eq!(uri(file), expected);
        }
    }

    #[test]
    fn hostile_text_is_no_link() {
        let log: serde_json::Value =
            serde_json::from_str(&verdict_sarif(&fixture::hostile(), &Places::new(), "a.jsonl")).unwrap();
        let results = log["runs"][0]["results"].as_array().unwrap();
        assert_eq!(results.len(), objections(&fixture::hostile()).len());
        for result in results {
            let text = result["message"]["text"].as_str().unwrap();
            let acts = |c: char| c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
            assert!(!text.contains("](") && !text.chars().any(acts), "{text}");
            let rule = &log["runs"][0]["tool"]["driver"]["rules"][result["ruleIndex"].as_u64().unwrap() as usize];
            assert_eq!(rule["id"], result["ruleId"]);
        }
    }
}
