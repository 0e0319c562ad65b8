//! A verdict as a summary for a terminal, and on one line; a rule as it is explained there.

use super::super::number::{count, p_value, percent, similarity};
use super::super::screening::kind;
use super::super::terminal::{Listing, Page, TerminalStyle, left, right};
use super::super::text::{fit, inert};
use super::super::words::region_name;
use super::objection::{Level, Part, objections, parts};
use super::words;
use crate::gate::{RuleId, RuleVerdict, Verdict};

/// Entries of a list.
const ENTRIES: usize = 10;

/// The verdict as a summary for people, no line wider than the terminal.
#[must_use]
pub fn verdict_terminal(verdict: &Verdict, style: &TerminalStyle) -> String {
    let mut page = Page::new(style);
    page.emphasized(&words::headline(verdict));
    for note in words::notes(verdict) {
        page.item("", &note);
    }
    findings(&mut page, verdict);
    for part in parts(verdict).take(1 + ENTRIES) {
        regions(&mut page, part);
    }
    added(&mut page, verdict);
    rules(&mut page, verdict);
    sections(&mut page, verdict);
    page.section("Next steps");
    words::next_steps(verdict).iter().enumerate().for_each(|(i, step)| page.item(&format!("{}. ", i + 1), step));
    page.finish()
}

/// The verdict on one line.
#[must_use]
pub fn verdict_line(verdict: &Verdict) -> String {
    inert(&words::headline(verdict)).into_owned()
}

/// The verdict on one line, without its outcome.
#[must_use]
pub fn verdict_figures(verdict: &Verdict) -> String {
    inert(&words::figures(verdict)).into_owned()
}

/// What a rule looks at, why, its defaults as they would stand in `semcov.toml`, and the keys that it takes.
#[must_use]
pub fn rule_explained(id: RuleId, style: &TerminalStyle) -> String {
    let rule = id.rule();
    let mut page = Page::new(style);
    page.emphasized(&format!("{id}: {}", rule.title));
    page.item("", rule.what);
    page.item("", rule.why);
    page.section("Defaults, as they would stand in semcov.toml");
    page.item("", &format!("[gate.rules.{id}]"));
    match rule.defaults {
        "" => page.item("", "# off, as long as no limit is set"),
        defaults => defaults.lines().for_each(|line| page.item("", line)),
    }
    page.section("Keys");
    // The least rows of sources and labels are limits of their own.
    let limits: &[&str] = if id == RuleId::MinRows { &[] } else { &["warn", "fail"] };
    let keys: Vec<&str> = ["enabled", "informational"].iter().chain(limits).chain(rule.keys).copied().collect();
    page.item("", &keys.join(", "));
    page.finish()
}

fn findings(page: &mut Page, verdict: &Verdict) {
    let found = objections(verdict);
    if found.is_empty() {
        return;
    }
    page.section(&format!("Findings ({})", found.len()));
    for objection in found.iter().take(ENTRIES) {
        let mark = match objection.level() {
            Level::Fails => "FAIL ",
            Level::CannotTell => "?    ",
            Level::Warns => "warn ",
            Level::Informs => "info ",
        };
        page.item(mark, &words::finding_message(objection));
        if let Some(examples) = words::examples(objection.examples()) {
            page.item(&format!("     {} ", objection.examples_are()), &fit(&examples, 2 * page.width()));
        }
    }
    page.rest(found.len(), ENTRIES, "finding");
}

fn regions(page: &mut Page, part: Part<'_>) {
    let fell = words::fell(part.verdict);
    if fell.is_empty() {
        return;
    }
    let of = part.section.map_or_else(String::new, |name| format!(" in section “{}”", fit(name, page.width() / 2)));
    page.section(&format!("Regions that fell{of} ({})", fell.len()));
    let mut table =
        Listing::new(vec![right("#"), left("region"), right("baseline"), right("now"), right("ratio"), right("p")], 1);
    for region in fell.iter().take(ENTRIES) {
        table.row(vec![
            region.id.to_string(),
            region_name(region.id, &region.name),
            count(region.baseline),
            count(region.current),
            percent(region.ratio),
            p_value(region.p_value),
        ]);
    }
    page.listing(table);
    page.rest(fell.len(), ENTRIES, "region");
}

fn added(page: &mut Page, verdict: &Verdict) {
    let Some(added) = &verdict.added else { return };
    page.section(&format!("New texts ({})", count(added.texts)));
    page.item("", &words::added(added));
    if added.groups.is_empty() {
        return;
    }
    let mut table = Listing::new(vec![left("kind"), right("texts"), right("alike"), left("about"), left("e.g.")], 4);
    for group in added.groups.iter().take(ENTRIES) {
        table.row(vec![
            kind(group.kind).to_owned(),
            count(group.texts),
            similarity(group.similarity),
            fit(&group.name, page.width() / 4),
            group.examples.first().map(words::example).unwrap_or_default(),
        ]);
    }
    page.listing(table);
    page.rest(added.groups.len(), ENTRIES, "group");
}

fn rules(page: &mut Page, verdict: &Verdict) {
    let applied: Vec<&RuleVerdict> = verdict.rules.iter().filter(|rule| rule.not_applied.is_none()).collect();
    if !applied.is_empty() {
        page.section("Rules");
        let wide = page.width() >= 70;
        let mut headings = vec![left("rule"), left("outcome"), right("value")];
        if wide {
            headings.extend([right("baseline"), right("warns"), right("fails")]);
        }
        let mut table = Listing::new(headings, 0);
        for rule in applied {
            let mut row = vec![rule.id.to_string(), words::rule_outcome(rule).to_owned(), words::value(rule)];
            if wide {
                row.extend([words::baseline(rule), words::limit(rule.id, rule.warn), words::limit(rule.id, rule.fail)]);
            }
            table.row(row);
        }
        page.listing(table);
    }
    if let Some(not_applied) = words::not_applied(verdict) {
        page.item("", &not_applied);
    }
}

fn sections(page: &mut Page, verdict: &Verdict) {
    if verdict.sections.is_empty() {
        return;
    }
    page.section("Sections");
    let mut table = Listing::new(vec![left("section"), left("outcome"), right("texts"), right("findings")], 0);
    for section in verdict.sections.iter().take(ENTRIES) {
        let verdict = &section.verdict;
        table.row(vec![
            section.name.clone(),
            words::outcome_word(verdict.outcome).to_owned(),
            count(verdict.current.distinct_texts),
            count(verdict.rules.iter().map(|rule| rule.findings.len() as u64).sum()),
        ]);
    }
    page.listing(table);
    page.rest(verdict.sections.len(), ENTRIES, "section");
    for section in verdict.sections.iter().take(ENTRIES) {
        if let Some(not_applied) = words::not_applied(&section.verdict) {
            page.item("", &format!("{}: {not_applied}", fit(&section.name, page.width() / 2)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::text::width;
    use super::*;
    use crate::gate::fixture;

    #[test]
    fn at_80_columns() {
        insta::assert_snapshot!(verdict_terminal(&fixture::verdict(), &TerminalStyle::default()));
    }

    #[test]
    fn of_nothing_to_object_to() {
        insta::assert_snapshot!(verdict_terminal(&fixture::passing(), &TerminalStyle::default()));
    }

    #[test]
    fn rules_as_they_are_explained() {
        let explained: Vec<String> =
            RuleId::ALL.iter().map(|&id| rule_explained(id, &TerminalStyle::default())).collect();
        insta::assert_snapshot!(explained.join("\n"));
    }

    #[test]
    fn no_line_is_too_wide() {
        for verdict in [fixture::verdict(), fixture::passing(), fixture::hostile()] {
            for columns in [50, 60, 80, 120, 200] {
                for line in verdict_terminal(&verdict, &TerminalStyle { width: columns, color: false }).lines() {
                    assert!(width(line) <= columns, "{} > {columns}: {line}", width(line));
                }
            }
        }
    }

    #[test]
    fn hostile_text_cannot_act() {
        let acts = |c: char| {
            c != '\n'
                && (c.is_control()
                    || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2028}' | '\u{2029}' | '\u{2066}'..='\u{2069}'))
        };
        for columns in 50..120 {
            let page = verdict_terminal(&fixture::hostile(), &TerminalStyle { width: columns, color: false });
            assert_eq!(page.chars().find(|&c| acts(c)), None);
            for line in page.lines() {
                assert!(!line.trim_start().starts_with("::") && !line.contains("##["), "{line}");
            }
        }
        assert_eq!(verdict_line(&fixture::hostile()).lines().count(), 1);
    }
}
