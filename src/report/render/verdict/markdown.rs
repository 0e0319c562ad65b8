//! A verdict as Markdown, for a pull-request comment or a step's summary.
//!
//! A comment takes 65,536 characters, a summary 1 MiB. Every list has its share of the first, in entries and in bytes,
//! so that the page holds less than that whatever the verdict.

use super::super::markdown::{code, folded, prose, rest, table};
use super::super::number::{count, p_value, percent, similarity};
use super::super::screening::kind;
use super::super::words::region_name;
use super::objection::{Level, Objection, Part, objections, parts};
use super::words;
use crate::gate::{RegionVerdict, TextExample, Verdict};

/// How much of a list is shown.
#[derive(Clone, Copy)]
struct Room {
    entries: usize,
    bytes: usize,
}

const FINDINGS: Room = Room { entries: 50, bytes: 24_000 };
const REGIONS: Room = Room { entries: 50, bytes: 12_000 };
const GROUPS: Room = Room { entries: 20, bytes: 6_000 };
const SECTIONS: Room = Room { entries: 50, bytes: 6_000 };
/// Examples in a cell.
const NAMED: usize = 3;

/// The verdict as Markdown, less than 65,536 bytes long.
#[must_use]
pub fn verdict_markdown(verdict: &Verdict) -> String {
    let mut page = format!(
        "## Coverage gate: {}\n\n**{}**\n\n",
        words::outcome_word(verdict.outcome),
        prose(&words::headline(verdict))
    );
    for note in words::notes(verdict) {
        page.push_str(&format!("- {}\n", prose(&note)));
    }
    findings(&mut page, verdict);
    page.push_str("\n### Next steps\n\n");
    // Our own words and figures, with code spans: nothing of the corpus.
    for (i, step) in words::next_steps(verdict).iter().enumerate() {
        page.push_str(&format!("{}. {step}\n", i + 1));
    }
    added(&mut page, verdict);
    sections(&mut page, verdict);
    rules(&mut page, verdict);
    regions(&mut page, verdict);
    page.push_str(&format!("\n<sub>semcov {}</sub>\n", prose(&verdict.semcov_version)));
    page
}

fn findings(page: &mut String, verdict: &Verdict) {
    let found = objections(verdict);
    if found.is_empty() {
        return;
    }
    page.push_str("\n### Findings\n\n");
    let row = |found: &Objection<'_>| {
        let level = match found.level() {
            Level::Fails => format!("**{}**", Level::Fails.word()),
            level => level.word().to_owned(),
        };
        let (rule, message) = (found.rule.id.to_string(), cell(&words::finding_message(found)));
        vec![level, rule, message, named(found)]
    };
    listed(page, &["", "rule", "finding", "texts"], "llll", found.iter().map(row), found.len(), FINDINGS);
}

/// The regions that fell in the corpus and in its sections.
fn regions(page: &mut String, verdict: &Verdict) {
    let fell: Vec<(Part<'_>, &RegionVerdict)> = parts(verdict)
        .flat_map(|part| words::fell(part.verdict).into_iter().map(move |region| (part, region)))
        .collect();
    if fell.is_empty() {
        return;
    }
    folded(page, &format!("Regions that fell ({})", count(fell.len() as u64)), |page| {
        let row = |(part, region): &(Part<'_>, &RegionVerdict)| {
            vec![
                part.section.map_or_else(String::new, code),
                region.id.to_string(),
                code(&region_name(region.id, &region.name)),
                count(region.baseline),
                count(region.current),
                percent(region.ratio),
                p_value(region.p_value),
                examples(&region.gone),
            ]
        };
        let headings = ["section", "#", "region", "baseline", "now", "ratio", "p", "gone"];
        listed(page, &headings, "lrlrrrrl", fell.iter().map(row), fell.len(), REGIONS);
    });
}

fn added(page: &mut String, verdict: &Verdict) {
    let Some(added) = &verdict.added else { return };
    page.push_str(&format!("\n### New texts\n\n{}\n", prose(&words::added(added))));
    if added.groups.is_empty() {
        return;
    }
    page.push('\n');
    let rows = added.groups.iter().map(|group| {
        vec![
            kind(group.kind).to_owned(),
            count(group.texts),
            similarity(group.similarity),
            code(&group.name),
            examples(&group.examples),
        ]
    });
    let headings = ["kind", "texts", "alike", "about", "for example"];
    listed(page, &headings, "lrrll", rows, added.groups.len(), GROUPS);
}

fn sections(page: &mut String, verdict: &Verdict) {
    if verdict.sections.is_empty() {
        return;
    }
    page.push_str("\n### Sections\n\n");
    let rows = verdict.sections.iter().map(|section| {
        let of = &section.verdict;
        vec![
            code(&section.name),
            words::outcome_word(of.outcome).to_owned(),
            count(of.current.distinct_texts),
            count(of.rules.iter().map(|rule| rule.findings.len() as u64).sum()),
        ]
    });
    listed(page, &["section", "outcome", "texts", "findings"], "llrr", rows, verdict.sections.len(), SECTIONS);
}

fn rules(page: &mut String, verdict: &Verdict) {
    folded(page, &format!("Rules ({})", verdict.rules.len()), |page| {
        let rows = verdict.rules.iter().map(|rule| {
            vec![
                rule.id.to_string(),
                match rule.not_applied {
                    Some(reason) => format!("not applied: {}", words::why_not(verdict, reason)),
                    None => words::rule_outcome(rule).to_owned(),
                },
                words::value(rule),
                words::baseline(rule),
                prose(&words::limit(rule.id, rule.warn)),
                prose(&words::limit(rule.id, rule.fail)),
            ]
        });
        table(page, &["rule", "outcome", "value", "baseline", "warns", "fails"], "llrrrr", rows);
    });
}

/// A table of the first rows that have room, and how many there are beyond.
fn listed(
    page: &mut String,
    headings: &[&str],
    alignment: &str,
    rows: impl Iterator<Item = Vec<String>>,
    all: usize,
    room: Room,
) {
    let mut bytes = 0;
    let shown: Vec<Vec<String>> = rows
        .take(room.entries)
        .take_while(|row| {
            bytes += row.iter().map(|cell| cell.len() + 3).sum::<usize>() + 2;
            bytes <= room.bytes
        })
        .collect();
    let n = shown.len();
    table(page, headings, alignment, shown);
    rest(page, all, n);
}

/// A sentence in a table, in which every reader takes `|` for a border.
fn cell(text: &str) -> String {
    prose(text).replace("\\|", "∣")
}

/// The examples of a finding, and what they are.
fn named(found: &Objection<'_>) -> String {
    let examples = examples(found.examples());
    if examples.is_empty() { examples } else { format!("{} {examples}", found.examples_are()) }
}

/// Ids, with the text where it may be shown, as code spans.
fn examples<'a>(examples: impl IntoIterator<Item = &'a TextExample>) -> String {
    let shown = examples.into_iter().take(NAMED).map(|example| match &example.text {
        Some(text) => format!("{} {}", code(&example.id), code(text)),
        None => code(&example.id),
    });
    shown.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::super::super::markdown::tests::assert_harmless;
    use super::*;
    use crate::gate::fixture;

    #[test]
    fn of_a_verdict() {
        insta::assert_snapshot!(verdict_markdown(&fixture::verdict()));
    }

    #[test]
    fn of_nothing_to_object_to() {
        insta::assert_snapshot!(verdict_markdown(&fixture::passing()));
    }

    #[test]
    fn hostile_text_stays_in_its_cell() {
        assert_harmless(&verdict_markdown(&fixture::hostile()));
    }

    #[test]
    fn however_much_was_found_it_is_short() {
        assert_harmless(&verdict_markdown(&fixture::huge()));
    }
}
