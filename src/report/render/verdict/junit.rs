//! A verdict as JUnit XML, which most CI systems show: a suite for the corpus and one for each section, a case per rule.
//!
//! What objects is a failure, what cannot tell an error, what could not be applied is skipped; a warning passes and says
//! so in its output. There is no time in it: equal verdicts give equal bytes.

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::super::text::fit;
use super::objection::{Part, of_rule, parts};
use super::words;
use crate::gate::{Outcome, RuleVerdict, Verdict};

/// Findings listed of a rule, and columns of one.
const LISTED: usize = 100;
const MESSAGE: usize = 1_000;
/// Columns of a section's name.
const NAME: usize = 80;

/// The verdict as JUnit XML.
#[must_use]
pub fn verdict_junit(verdict: &Verdict) -> String {
    let mut report = Report::new("semcov gate");
    for part in parts(verdict) {
        report.add_test_suite(suite(part));
    }
    let xml = report.to_string().expect("strings are written to memory");
    // The root's count of skipped cases, which Jenkins' schema does not know, stands first of all.
    xml.replacen(&format!(" skipped=\"{}\"", report.skipped), "", 1)
}

fn suite(part: Part<'_>) -> TestSuite {
    let name = part.section.map_or_else(|| "corpus".to_owned(), |name| xml(&fit(name, NAME)));
    let mut suite = TestSuite::new(name.clone());
    for rule in &part.verdict.rules {
        let mut case = TestCase::new(rule.id.word(), status(part, rule));
        case.set_classname(format!("semcov.{name}"));
        if rule.outcome == Outcome::Warn && rule.not_applied.is_none() {
            case.set_system_out(messages(part, rule));
        }
        suite.add_test_case(case);
    }
    suite
}

fn status(part: Part<'_>, rule: &RuleVerdict) -> TestCaseStatus {
    if let Some(reason) = rule.not_applied {
        let mut skipped = TestCaseStatus::skipped();
        skipped.set_message(words::why_not(part.verdict, reason));
        return skipped;
    }
    let kind = match rule.outcome {
        Outcome::Pass | Outcome::Warn => return TestCaseStatus::success(),
        Outcome::Fail => NonSuccessKind::Failure,
        Outcome::Inconclusive => NonSuccessKind::Error,
    };
    let mut status = TestCaseStatus::non_success(kind);
    let worst = of_rule(part, rule).next();
    let message =
        worst.map_or_else(|| rule.id.rule().title.to_owned(), |worst| fit(&words::finding_message(&worst), MESSAGE));
    status.set_message(xml(&message)).set_type(rule.id.word()).set_description(messages(part, rule));
    status
}

/// What a rule found, a line each.
fn messages(part: Part<'_>, rule: &RuleVerdict) -> String {
    let mut lines: Vec<String> =
        of_rule(part, rule).take(LISTED).map(|found| xml(&fit(&words::finding_text(&found), MESSAGE))).collect();
    if rule.findings.len() > LISTED {
        lines.push(format!("… and {} more", rule.findings.len() - LISTED));
    }
    lines.join("\n")
}

/// Without the two characters that are neither in XML 1.0 nor control characters.
fn xml(text: &str) -> String {
    text.replace(['\u{fffe}', '\u{ffff}'], "\u{fffd}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::fixture;

    #[test]
    fn of_a_verdict() {
        insta::assert_snapshot!(verdict_junit(&fixture::verdict()));
    }

    #[test]
    fn of_hostile_names() {
        insta::assert_snapshot!(verdict_junit(&fixture::names()));
    }

    #[test]
    fn only_suites_count_what_was_skipped() {
        let xml = verdict_junit(&fixture::verdict());
        let counted: Vec<_> = xml.lines().filter(|line| line.contains(" skipped=")).collect();
        assert!(counted.len() == 2 && counted.iter().all(|line| line.trim_start().starts_with("<testsuite ")));
    }

    #[test]
    fn counts_every_rule_once() {
        let report = Report::deserialize_from_str(&verdict_junit(&fixture::verdict())).unwrap();
        assert_eq!((report.tests, report.failures, report.errors), (14, 4, 1));
        assert_eq!(report.test_suites.iter().map(|suite| suite.skipped).collect::<Vec<_>>(), [2, 0]);
    }

    #[test]
    fn hostile_text_is_xml() {
        for verdict in [fixture::hostile(), fixture::huge()] {
            let xml = verdict_junit(&verdict);
            let outside = |c: char| {
                !matches!(c, '\n' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..='\u{10ffff}')
                    || matches!(c, '\u{7f}'..='\u{9f}' | '\u{202a}'..='\u{202e}')
            };
            assert_eq!(xml.chars().find(|&c| outside(c)), None);
            assert!(!xml.contains("]]>") && !xml.contains("<script"));
            let report = Report::deserialize_from_str(&xml).unwrap();
            assert_eq!(report.test_suites.len(), 1 + verdict.sections.len());
        }
    }
}
