//! A screening as a terminal summary, Markdown, JSON, or one line.

use schemars::schema_for;

use super::json;
use super::markdown::{self, code, prose};
use super::number::{count, counted, p_is, p_value, percent, similarity};
use super::terminal::{Listing, Page, TerminalStyle, left, right};
use super::text::fit;
use super::words::{join, region_name};
use crate::ood::GroupKind;
use crate::screen::{FlaggedGroup, MovedRegion, SHIFT_ALPHA, ScreenWarning, Screening, SourceRows};

/// Entries of a list in a terminal, and in Markdown; JSON has them all.
const TERMINAL_ENTRIES: usize = 10;
const MARKDOWN_ENTRIES: usize = 50;
/// Names in one sentence, and columns of a name there.
const NAMED: usize = 3;
const QUOTED: usize = 60;

/// The screening as a summary for people, no line wider than the terminal.
#[must_use]
pub fn screening_terminal(screening: &Screening, style: &TerminalStyle) -> String {
    let mut page = Page::new(style);
    page.emphasized(&headline(screening));
    for sentence in verdict(screening) {
        page.item("", &sentence);
    }
    if !screening.groups.is_empty() {
        page.section(&format!("Flagged texts in {}", counted(screening.groups.len() as u64, "group")));
        let mut table = Listing::new(
            vec![right("#"), left("kind"), right("rows"), right("alike"), right("reference"), left("about")],
            5,
        );
        for group in screening.groups.iter().take(TERMINAL_ENTRIES) {
            table.row(group_cells(group).to_vec());
        }
        page.listing(table);
        page.rest(screening.groups.len(), TERMINAL_ENTRIES, "group");
        for group in screening.groups.iter().filter(|group| group.kind == GroupKind::NewTopic).take(NAMED) {
            page.item(&format!("{}. ", group.id), &fit(&group_sentence(group), 3 * page.width()));
        }
    }
    let moved = moved(screening);
    if !moved.is_empty() {
        page.section(&format!("Regions whose share moved ({})", moved.len()));
        let mut table = Listing::new(
            vec![right("#"), left("region"), right("reference"), right("drop"), right("ratio"), right("p")],
            1,
        );
        for region in moved.iter().take(TERMINAL_ENTRIES) {
            table.row(region_row(region));
        }
        page.listing(table);
        page.rest(moved.len(), TERMINAL_ENTRIES, "region");
    }
    if !screening.sources.is_empty() {
        page.section("Sources");
        let mut table = Listing::new(vec![left("source"), right("rows"), right("flagged"), right("share")], 0);
        for source in screening.sources.iter().take(TERMINAL_ENTRIES) {
            table.row(source_row(source));
        }
        page.listing(table);
        page.rest(screening.sources.len(), TERMINAL_ENTRIES, "source");
    }
    let warnings = warnings(screening);
    if !warnings.is_empty() {
        page.section("Warnings");
        for warning in &warnings {
            page.item("! ", warning);
        }
    }
    page.section("Next steps");
    next_steps(screening).iter().enumerate().for_each(|(i, step)| page.item(&format!("{}. ", i + 1), step));
    page.finish()
}

/// The screening as Markdown.
#[must_use]
pub fn screening_markdown(screening: &Screening) -> String {
    let mut page = format!("## Screening\n\n**{}**\n\n", prose(&headline(screening)));
    for sentence in verdict(screening).iter().chain(&warnings(screening)) {
        page.push_str(&format!("- {}\n", prose(sentence)));
    }
    page.push_str("\n### Next steps\n\n");
    for (i, step) in next_steps(screening).iter().enumerate() {
        page.push_str(&format!("{}. {}\n", i + 1, prose(step)));
    }
    if !screening.groups.is_empty() {
        page.push_str("\n### Flagged texts in groups\n\n");
        let rows = screening.groups.iter().take(MARKDOWN_ENTRIES).map(|group| {
            let [id, kind, rows, alike, reference, name] = group_cells(group);
            let example = group.examples.first().map_or("", |example| &example.text);
            vec![id, kind, rows, alike, reference, code(&name), code(example)]
        });
        let head = ["group", "kind", "rows", "alike", "to the reference", "about", "the most typical"];
        markdown::table(&mut page, &head, "rlrrrll", rows);
        markdown::rest(&mut page, screening.groups.len(), MARKDOWN_ENTRIES);
    }
    let moved = moved(screening);
    if !moved.is_empty() {
        page.push_str("\n### Regions whose share moved\n\n");
        let rows = moved.iter().take(MARKDOWN_ENTRIES).map(|region| {
            let mut row = region_row(region);
            row[1] = code(&row[1]);
            row
        });
        markdown::table(&mut page, &["#", "region", "reference", "drop", "ratio", "p"], "rlrrrr", rows);
        markdown::rest(&mut page, moved.len(), MARKDOWN_ENTRIES);
    }
    if !screening.sources.is_empty() {
        page.push_str("\n### Sources\n\n");
        let rows = screening.sources.iter().take(MARKDOWN_ENTRIES).map(|source| {
            let mut row = source_row(source);
            row[0] = code(&row[0]);
            row
        });
        markdown::table(&mut page, &["source", "rows", "flagged", "share"], "lrrr", rows);
        markdown::rest(&mut page, screening.sources.len(), MARKDOWN_ENTRIES);
    }
    page
}

/// The screening as JSON, fields in the order of the schema, ending in a line break.
#[must_use]
pub fn screening_json(screening: &Screening) -> String {
    json::line(serde_json::to_string_pretty(screening))
}

/// The JSON schema of [`screening_json`], as kept in `schemas/screening.schema.json`.
#[must_use]
pub fn screening_schema() -> String {
    json::line(serde_json::to_string_pretty(&schema_for!(Screening)))
}

/// The screening on one line.
#[must_use]
pub fn screening_line(screening: &Screening) -> String {
    let shifted =
        if screening.shift.as_ref().is_some_and(|shift| shift.shifted) { " · the drop has shifted" } else { "" };
    format!("{}{shifted}", headline(screening))
}

/// The drop in one line.
pub(super) fn headline(screening: &Screening) -> String {
    let flagged = &screening.flagged;
    let mut figures = vec![
        format!("{} screened", counted(screening.rows.rows, "row")),
        format!("{} kept", count(screening.rows.rows.saturating_sub(flagged.rows))),
        format!("{} flagged ({})", count(flagged.rows), percent(flagged.share)),
    ];
    if screening.rows.bad_rows > 0 {
        figures.push(format!("{} left out", counted(screening.rows.bad_rows, "bad row")));
    }
    figures.join(" · ")
}

/// What was found of the drop as a whole.
pub(super) fn verdict(screening: &Screening) -> Vec<String> {
    let Screening { rows, against, settings, flagged, repeated, .. } = screening;
    let compared =
        if against.sample > 0 { format!("{} of them sampled", count(against.sample)) } else { "compact".to_owned() };
    let mut sentences = vec![format!(
        "Against {}: {}, {compared}; score {}, p-values up to {} are flagged.",
        fit(&against.name, QUOTED),
        counted(against.distinct_texts, "distinct text"),
        settings.score,
        p_value(settings.threshold),
    )];
    if rows.rows == 0 {
        return sentences;
    }
    sentences.push(match settings.fdr {
        None => format!(
            "{} of the rows with text look unlike the reference; if all belonged, {} would (95 %: {} to {}).",
            percent(flagged.outlier_share),
            percent(flagged.expected),
            percent(flagged.expected_low),
            percent(flagged.expected_high),
        ),
        Some(fdr) => format!(
            "{} of the rows with text look unlike the reference, at a false discovery rate of {}.",
            percent(flagged.outlier_share),
            percent(fdr),
        ),
    });
    if rows.empty > 0 {
        sentences.push(format!("{} without text cannot be judged and are flagged.", counted(rows.empty, "row")));
    }
    if flagged.decided > 0 {
        sentences.push(format!("A reviewer's decision kept or flagged {}.", counted(flagged.decided, "row")));
    }
    if let Some(shift) = &screening.shift {
        let found = match (shift.new_content, shift.changed_mix) {
            (true, true) => "The drop has shifted: there is new content, and its mix has changed.",
            (true, false) => "The drop has shifted: there is new content.",
            (false, true) => "The drop has shifted: its mix has changed.",
            (false, false) => "No sign that the drop has shifted as a whole.",
        };
        let mix = match (shift.changed_mix_p, shift.changed_mix_v) {
            (Some(p), Some(v)) => format!("mix {}, Cramér's V {}", p_is(p), similarity(v)),
            _ => "too few texts to test the mix as a whole".to_owned(),
        };
        sentences.push(format!(
            "{found} {} of its texts lie beyond the reference's 99th percentile ({} of the reference; {}); {mix}.",
            percent(shift.beyond_share),
            percent(shift.beyond_expected),
            p_is(shift.new_content_p),
        ));
    }
    if against.sample > 0 {
        let near = repeated.near.map_or(String::new(), |near| format!(", {} nearly", counted(near, "text")));
        let of = if repeated.looked_up == rows.sample { "texts" } else { "texts that could be looked up" };
        sentences.push(format!(
            "{} of {} {of} repeat the reference exactly{near}: they add little.",
            count(repeated.exact),
            count(repeated.looked_up),
        ));
    }
    if let Some(classifier) = &screening.classifier {
        sentences.push(format!(
            "A classifier tells drop and reference apart with an AUC of {} (.5: not at all, 1: always), by texts about “{}”.",
            similarity(classifier.auc),
            fit(&classifier.terms, QUOTED),
        ));
    }
    if let Some(leaf) = screening.flagged_leaves.first() {
        sentences.push(format!(
            "{} {} flagged as a whole, “{}” first ({} of {} texts): good rows there may be flagged with the others.",
            counted(screening.flagged_leaves.len() as u64, "leaf").replace("leafs", "leaves"),
            if screening.flagged_leaves.len() == 1 { "is" } else { "are" },
            fit(&leaf.name, QUOTED),
            count(leaf.flagged),
            count(leaf.texts),
        ));
    }
    sentences
}

/// What a group of odd texts is.
pub(super) fn kind(kind: GroupKind) -> &'static str {
    match kind {
        GroupKind::NewTopic => "new topic",
        GroupKind::Noise => "noise",
    }
}

fn group_cells(group: &FlaggedGroup) -> [String; 6] {
    let reference = group.reference_similarity.map_or_else(|| "–".to_owned(), similarity);
    [
        group.id.to_string(),
        kind(group.kind).to_owned(),
        count(group.rows),
        similarity(group.similarity),
        reference,
        name(group),
    ]
}

/// What a group is about.
pub(super) fn name(group: &FlaggedGroup) -> String {
    let shown = match group.examples.first() {
        Some(example) if group.texts == 1 || group.name.trim().is_empty() => example.text.clone(),
        _ => group.name.clone(),
    };
    match &group.language {
        Some(language) if language != "English" => format!("{shown} ({language})"),
        _ => shown,
    }
}

fn group_sentence(group: &FlaggedGroup) -> String {
    let examples: Vec<String> =
        group.examples.iter().take(NAMED).map(|example| format!("“{}”", fit(&example.text, QUOTED))).collect();
    format!("{} near each other, unlike the reference: {}", counted(group.rows, "row"), join(&examples))
}

/// The regions whose share moved significantly.
pub(super) fn moved(screening: &Screening) -> Vec<&MovedRegion> {
    let regions = screening.shift.iter().flat_map(|shift| &shift.regions);
    regions.filter(|region| region.p_adjusted <= SHIFT_ALPHA).collect()
}

fn region_row(region: &MovedRegion) -> Vec<String> {
    vec![
        region.id.to_string(),
        region_name(region.id, &region.name),
        percent(region.reference_share),
        percent(region.drop_share),
        ratio(region),
        p_value(region.p_adjusted),
    ]
}

/// How many times as large a region's share is in the drop.
pub(super) fn ratio(region: &MovedRegion) -> String {
    if region.ratio < 9.95 { format!("{:.2}", region.ratio) } else { format!("{:.0}", region.ratio) }
}

fn source_row(source: &SourceRows) -> Vec<String> {
    vec![
        source.name.clone().unwrap_or_else(|| "(none)".to_owned()),
        count(source.rows),
        count(source.flagged),
        percent(source.flagged as f64 / source.rows.max(1) as f64),
    ]
}

/// The warnings, in words.
pub(super) fn warnings(screening: &Screening) -> Vec<String> {
    let warning = |warning: &ScreenWarning| match warning {
        ScreenWarning::EmptyDrop => "The drop has no rows.".to_owned(),
        ScreenWarning::Underpowered { texts, needed } => format!(
            "Underpowered: with {} no row can be flagged at this level; {} are needed.",
            counted(*texts, "reference text"),
            count(*needed)
        ),
        ScreenWarning::FdrUnderpowered { texts, needed } => format!(
            "FDR control is underpowered: with {} no row is sure enough to keep that rate; some {} would do. Rows were \
             flagged by alpha.",
            counted(*texts, "reference text"),
            count(*needed)
        ),
        ScreenWarning::ReferenceWithoutSpread => {
            "The texts of the reference hardly differ: any other text looks far away, or none does.".to_owned()
        }
        ScreenWarning::OtherLanguage { drop, reference } => format!(
            "The drop reads as {drop}, the reference as {reference}: an encoder that knows one of them tells little about \
             the other."
        ),
        ScreenWarning::Truncated { rows, max_tokens } => format!(
            "The texts of {} are longer than the {} tokens that the encoder reads: only the beginnings were judged.",
            counted(*rows, "row"),
            count(*max_tokens)
        ),
        ScreenWarning::ManyFlagged { grouped } => format!(
            "More texts were flagged than are kept for review: groups and queue hold the {} least likely.",
            count(*grouped)
        ),
        ScreenWarning::NothingNew => "Every text of the drop is in the reference: it adds nothing.".to_owned(),
    };
    screening.warnings.iter().map(warning).collect()
}

/// What to do next, most pressing first; never empty.
pub(super) fn next_steps(screening: &Screening) -> Vec<String> {
    let mut steps = Vec::new();
    if screening.rows.rows == 0 {
        return vec!["Check what was to be in the drop.".to_owned()];
    }
    let topics: Vec<&FlaggedGroup> =
        screening.groups.iter().filter(|group| group.kind == GroupKind::NewTopic).collect();
    if let Some(first) = topics.first() {
        let names: Vec<String> =
            topics.iter().take(NAMED).map(|group| format!("“{}”", fit(&name(group), QUOTED))).collect();
        steps.push(format!(
            "Decide on {} first ({}): accept a group and merge it into the reference, or reject it (--review, --decisions).",
            if topics.len() == 1 { format!("group {}", first.id) } else { format!("{} new topics", topics.len()) },
            join(&names),
        ));
    }
    let noise: u64 =
        screening.groups.iter().filter(|group| group.kind == GroupKind::Noise).map(|group| group.rows).sum();
    if noise > 0 {
        steps.push(format!(
            "Look through {} that stand apart: most are noise, or good rows by chance.",
            counted(noise, "row")
        ));
    }
    if let Some(source) = screening.sources.iter().find(|source| is_outstanding(source, screening)) {
        steps.push(format!(
            "Ask where “{}” comes from: {} of its rows are flagged.",
            fit(source.name.as_deref().unwrap_or("(none)"), QUOTED),
            percent(source.flagged as f64 / source.rows.max(1) as f64),
        ));
    }
    if let Some(region) = moved(screening).first() {
        let direction = if region.ratio > 1.0 { "grew" } else { "fell" };
        steps.push(format!(
            "Check whether the mix should have changed: “{}” {direction} from {} to {}.",
            fit(&region_name(region.id, &region.name), QUOTED),
            percent(region.reference_share),
            percent(region.drop_share),
        ));
    }
    if screening.repeated.exact > 0 {
        steps.push(format!(
            "Drop at least {} that the reference has already.",
            counted(screening.repeated.exact, "text")
        ));
    }
    if steps.is_empty() {
        steps.push("Nothing stands out: take the drop in.".to_owned());
    }
    steps
}

/// Whether a source has at least ten flagged rows and twice the drop's share of them.
fn is_outstanding(source: &SourceRows, screening: &Screening) -> bool {
    let share = source.flagged as f64 / source.rows.max(1) as f64;
    source.flagged >= 10 && share > 2.0 * screening.flagged.share.max(screening.flagged.expected)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::text::width;
    use super::*;
    use crate::screen::{SCREENING_SCHEMA_VERSION, fixture};

    fn all() -> [Screening; 3] {
        [fixture::screening(), fixture::hostile(), fixture::empty()]
    }

    #[test]
    fn terminal_at_80_columns() {
        insta::assert_snapshot!(screening_terminal(&fixture::screening(), &TerminalStyle::default()));
    }

    #[test]
    fn terminal_of_an_empty_drop() {
        insta::assert_snapshot!(screening_terminal(&fixture::empty(), &TerminalStyle::default()));
    }

    #[test]
    fn markdown_of_a_screening() {
        insta::assert_snapshot!(screening_markdown(&fixture::screening()));
    }

    #[test]
    fn no_line_is_too_wide() {
        for screening in all() {
            for columns in [50, 60, 80, 120, 200] {
                for line in screening_terminal(&screening, &TerminalStyle { width: columns, color: false }).lines() {
                    assert!(width(line) <= columns, "{} > {columns}: {line}", width(line));
                }
            }
        }
    }

    #[test]
    fn hostile_text_cannot_act() {
        let screening = fixture::hostile();
        let acts = |c: char| {
            c != '\n'
                && (c.is_control()
                    || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2028}' | '\u{2029}' | '\u{2066}'..='\u{2069}'))
        };
        for page in [screening_terminal(&screening, &TerminalStyle::default()), screening_markdown(&screening)] {
            assert_eq!(page.chars().find(|&c| acts(c)), None);
        }
        markdown::tests::assert_harmless(&screening_markdown(&screening));
    }

    #[test]
    fn json_reads_back() {
        for screening in all() {
            assert_eq!(serde_json::from_str::<Screening>(&screening_json(&screening)).unwrap(), screening);
        }
    }

    /// Compares with the schema in the tree; where they differ, leaves the new one beside it.
    #[test]
    fn schema_in_the_tree_is_current() {
        let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/screening.schema.json");
        let new = kept.with_extension("json.new");
        if fs_err::read_to_string(&kept).is_ok_and(|text| text == screening_schema()) {
            return;
        }
        fs_err::write(&new, screening_schema()).unwrap();
        panic!(
            "the screening's types and schemas/screening.schema.json differ: raise SCREENING_SCHEMA_VERSION (now \
             {SCREENING_SCHEMA_VERSION}) if a field was removed or changed its meaning, then \
             `mv schemas/screening.schema.json.new schemas/screening.schema.json`"
        );
    }
}
