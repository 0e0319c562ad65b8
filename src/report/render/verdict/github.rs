//! A verdict as workflow commands of GitHub Actions, which become annotations of a run.
//!
//! `::error file=F,line=N,title=T::message`; data and properties are escaped as `actions/toolkit` does
//! (`packages/core/src/command.ts`). A step shows at most ten annotations of a kind, so there are ten here: the worst,
//! and how many more there are.

use super::super::text::fit;
use super::objection::{Level, Objection, objections};
use super::words;
use crate::gate::{Places, Verdict};

/// Annotations of a step.
const ANNOTATIONS: usize = 10;
/// Columns of a message: GitHub cuts what is longer than 4,096 characters.
const MESSAGE: usize = 1_000;

/// The findings as workflow commands, a line each, at most ten: the worst first, the last with the number of those left
/// out. A finding about texts stands where its first example stands, any other at the first line of `default_file`.
#[must_use]
pub fn verdict_github(verdict: &Verdict, places: &Places, default_file: &str) -> String {
    let found = objections(verdict);
    let shown = &found[..found.len().min(ANNOTATIONS)];
    let left_out = found.len() - shown.len();
    let mut commands = String::new();
    for (i, objection) in shown.iter().enumerate() {
        let mut message = fit(&words::finding_text(objection), MESSAGE);
        if left_out > 0 && i + 1 == shown.len() {
            message += &format!(" (and {left_out} more)");
        }
        commands.push_str(&command(objection, places, default_file, &message));
    }
    commands
}

fn command(objection: &Objection<'_>, places: &Places, default_file: &str, message: &str) -> String {
    let name = match objection.level() {
        Level::Fails => "error",
        Level::CannotTell | Level::Warns => "warning",
        Level::Informs => "notice",
    };
    let (file, line) = objection.location(places, default_file);
    format!(
        "::{name} file={},line={line},title={}::{}\n",
        property(&file),
        property(&format!("semcov gate: {}", objection.rule.id)),
        data(message),
    )
}

/// Escaped as the message of a command.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// Escaped as a property of a command.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::fixture;

    #[test]
    fn of_a_verdict() {
        insta::assert_snapshot!(verdict_github(&fixture::verdict(), &fixture::places(), "semcov.toml"));
        assert_eq!(verdict_github(&fixture::passing(), &Places::new(), "semcov.toml"), "");
    }

    #[test]
    fn escaped_as_the_toolkit_does() {
        assert_eq!(data("100%\r\na:b,c"), "100%25%0D%0Aa:b,c");
        assert_eq!(property("C:\\a,b%\n"), "C%3A\\a%2Cb%25%0A");
    }

    /// Reads commands as the runner does: the first `::` after the name ends the properties.
    #[test]
    fn hostile_text_stays_in_its_message() {
        for verdict in [fixture::hostile(), fixture::huge()] {
            let commands = verdict_github(&verdict, &Places::new(), "a::b,line=9\n::error::.jsonl");
            assert_eq!(commands.lines().count(), ANNOTATIONS);
            for line in commands.lines() {
                let (head, message) = line.strip_prefix("::").unwrap().split_once("::").unwrap();
                let (name, properties) = head.split_once(' ').unwrap();
                assert_eq!(name, "error");
                let keys: Vec<_> = properties.split(',').map(|pair| pair.split_once('=').unwrap().0).collect();
                assert_eq!(keys, ["file", "line", "title"]);
                assert!(properties.contains("line=1,") && message.chars().count() < 11_000, "{line}");
                assert!(!message.chars().any(|c| c.is_control() || matches!(c, '\u{202a}'..='\u{202e}')), "{line}");
            }
            assert!(commands.trim_end().ends_with("more)"));
        }
    }
}
