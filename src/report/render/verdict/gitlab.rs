//! A verdict as a GitLab code quality report: an array of findings, each with a fingerprint by which GitLab tells what a
//! merge request adds (the format's subset of the Code Climate specification).

use std::collections::BTreeMap;

use serde::Serialize;

use super::super::json;
use super::super::text::fit;
use super::objection::{Level, Objection, objections};
use super::words;
use crate::gate::{Places, Verdict};

/// Columns of a description.
const DESCRIPTION: usize = 1_000;

#[derive(Serialize)]
struct Issue {
    description: String,
    check_name: &'static str,
    fingerprint: String,
    severity: &'static str,
    location: Location,
}

#[derive(Serialize)]
struct Location {
    path: String,
    lines: Lines,
}

#[derive(Serialize)]
struct Lines {
    begin: u64,
}

/// The findings as a GitLab code quality report, worst first. A finding about texts stands where its first example
/// stands, any other at the first line of `default_file`.
#[must_use]
pub fn verdict_gitlab(verdict: &Verdict, places: &Places, default_file: &str) -> String {
    let mut issues: Vec<Issue> = objections(verdict).iter().map(|found| issue(found, places, default_file)).collect();
    number_repeats(&mut issues);
    json::line(serde_json::to_string_pretty(&issues))
}

/// Makes fingerprints unique, as GitLab asks: two rows can be unreadable for the same reason.
fn number_repeats(issues: &mut [Issue]) {
    let mut seen: BTreeMap<String, u64> = BTreeMap::new();
    for issue in issues {
        let times = seen.entry(issue.fingerprint.clone()).or_default();
        *times += 1;
        if *times > 1 {
            issue.fingerprint += &format!("-{times}");
        }
    }
}

fn issue(objection: &Objection<'_>, places: &Places, default_file: &str) -> Issue {
    let (path, begin) = objection.location(places, default_file);
    Issue {
        description: fit(&words::finding_text(objection), DESCRIPTION),
        check_name: objection.rule.id.word(),
        fingerprint: objection.finding.fingerprint.clone(),
        severity: match objection.level() {
            Level::Fails => "critical",
            Level::CannotTell => "major",
            Level::Warns => "minor",
            Level::Informs => "info",
        },
        location: Location { path, lines: Lines { begin } },
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::gate::fixture;

    #[test]
    fn of_a_verdict() {
        insta::assert_snapshot!(verdict_gitlab(&fixture::verdict(), &fixture::places(), "./semcov.toml"));
        assert_eq!(verdict_gitlab(&fixture::passing(), &Places::new(), "semcov.toml"), "[]\n");
    }

    #[test]
    fn of_hostile_names() {
        insta::assert_snapshot!(verdict_gitlab(&fixture::names(), &Places::new(), "a.jsonl"));
    }

    #[test]
    fn hostile_text_is_shown_as_it_is() {
        let report = verdict_gitlab(&fixture::hostile(), &Places::new(), "a.jsonl");
        let issues: serde_json::Value = serde_json::from_str(&report).unwrap();
        for issue in issues.as_array().unwrap() {
            let description = issue["description"].as_str().unwrap();
            let acts = |c: char| c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
            assert_eq!(description.chars().find(|&c| acts(c)), None);
        }
        let prints: BTreeSet<_> =
            issues.as_array().unwrap().iter().map(|issue| issue["fingerprint"].as_str()).collect();
        assert_eq!(prints.len(), issues.as_array().unwrap().len());
    }
}
