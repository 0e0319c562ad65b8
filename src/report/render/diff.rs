//! What changed between two profiles: a summary for a terminal, Markdown for a pull request, JSON.

use super::TerminalStyle;
use super::json::line;
use super::markdown::{code, folded, rest, table};
use super::number::{count, counted, p_value, percent, similarity};
use super::terminal::{Listing, Page, left, right};
use super::words::region_name;
use crate::profile::{LoneRegion, NameDiff, Pair, ProfileDiff, RegionDiff, ShareChange};

/// Entries of a list; JSON has them all.
const ENTRIES: usize = 20;

/// What changed, for people; no line is wider than the terminal.
#[must_use]
pub fn diff_terminal(diff: &ProfileDiff, style: &TerminalStyle) -> String {
    let mut page = Page::new(style);
    page.emphasized(&format!("{} · {}", change(diff.rows, "record"), change(diff.distinct_texts, "distinct text")));
    page.item("", &verdict(diff));
    if let Some(sentence) = precision(diff, str::to_owned) {
        page.item("", &sentence);
    }
    for list in lists(diff, page.width() >= 70) {
        page.section(&format!("{} ({})", list.title, list.rows.len()));
        let headings =
            list.headings.iter().map(|&heading| if is_text(heading) { left(heading) } else { right(heading) });
        let flexible = list.headings.iter().position(|&heading| is_text(heading)).unwrap_or(0);
        let mut listing = Listing::new(headings.collect(), flexible);
        let shown = list.rows.len().min(ENTRIES);
        let all = list.rows.len();
        list.rows.into_iter().take(shown).for_each(|row| listing.row(row));
        page.listing(listing);
        page.rest(all, ENTRIES, "row");
    }
    page.finish()
}

/// What changed, short enough for a pull-request comment.
#[must_use]
pub fn diff_markdown(diff: &ProfileDiff) -> String {
    let mut page = String::from("## What changed in the corpus\n\n");
    let Pair { old, new } = diff.rows;
    let texts = diff.distinct_texts;
    table(
        &mut page,
        &["", "old", "new"],
        "lrr",
        [
            vec!["records".to_owned(), count(old), count(new)],
            vec!["distinct texts".to_owned(), count(texts.old), count(texts.new)],
        ],
    );
    page.push_str(&format!("\n{}\n", verdict(diff)));
    if let Some(sentence) = precision(diff, code) {
        page.push_str(&format!("\n{sentence}\n"));
    }
    for list in lists(diff, true) {
        page.push_str(&format!("\n### {} ({})\n\n", list.title, list.rows.len()));
        show(&mut page, &list.headings, &list.rows);
    }
    let all: Vec<&RegionDiff> = diff.regions.iter().collect();
    if !all.is_empty() {
        let list = region_list("", &all, true);
        folded(&mut page, &format!("All regions that both have ({})", all.len()), |page| {
            show(page, &list.headings, &list.rows);
        });
    }
    page
}

/// What changed, as JSON that ends in a line break.
#[must_use]
pub fn diff_json(diff: &ProfileDiff) -> String {
    line(serde_json::to_string_pretty(diff))
}

fn show(page: &mut String, headings: &[&'static str], rows: &[Vec<String>]) {
    let alignment: String = headings.iter().map(|heading| if is_text(heading) { 'l' } else { 'r' }).collect();
    let cells = |row: &Vec<String>| {
        let cell = |(cell, heading): (&String, &&str)| if is_text(heading) { code(cell) } else { cell.clone() };
        row.iter().zip(headings).map(cell).collect()
    };
    table(page, headings, &alignment, rows.iter().take(ENTRIES).map(cells));
    rest(page, rows.len(), ENTRIES);
}

/// A list of what changed in one way. Cells hold names of the corpus as they are: the renderer escapes them.
struct List {
    title: &'static str,
    headings: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

/// Whether a column holds text of the corpus.
fn is_text(heading: &str) -> bool {
    matches!(heading, "region" | "name")
}

/// What is to be said of all regions.
fn verdict(diff: &ProfileDiff) -> String {
    let of = |change| count(diff.regions.iter().filter(|region| region.change == change).count() as u64);
    let regions = counted(diff.regions.len() as u64, "region");
    let (lost, gained) = (of(ShareChange::Lost), of(ShareChange::Gained));
    if diff.same_codebook {
        let moved = count(diff.regions.iter().filter(|region| region.moved).count() as u64);
        return format!(
            "Under the same codebook of {regions}, {lost} lost and {gained} gained share, and {moved} moved."
        );
    }
    format!(
        "Of {regions} that both codebooks have, {lost} lost and {gained} gained share; {} died and {} were born. Two \
         codebooks draw different borders: to see only what changed in the corpus, observe it under the old codebook.",
        count(diff.died.len() as u64),
        count(diff.born.len() as u64),
    )
}

/// What is to be said where the vectors were computed in two ways; `quoted` escapes what the profiles call them.
fn precision(diff: &ProfileDiff, quoted: fn(&str) -> String) -> Option<String> {
    let Pair { old, new } = diff.precision.as_ref()?;
    let (old, new) = (quoted(old), quoted(new));
    Some(format!(
        "The old texts were embedded in {old}, the new ones in {new}: a few may have changed their leaf by rounding alone."
    ))
}

/// What changed; `wide` with every column.
fn lists(diff: &ProfileDiff, wide: bool) -> Vec<List> {
    let of = |holds: &dyn Fn(&RegionDiff) -> bool| -> Vec<&RegionDiff> {
        diff.regions.iter().filter(|region| holds(region)).collect()
    };
    let gone =
        |names: &[NameDiff]| -> Vec<NameDiff> { names.iter().filter(|name| name.rows.new == 0).cloned().collect() };
    let come =
        |names: &[NameDiff]| -> Vec<NameDiff> { names.iter().filter(|name| name.rows.old == 0).cloned().collect() };
    let mut lists = vec![
        region_list("Lost share", &of(&|region| region.change == ShareChange::Lost), wide),
        region_list("Gained share", &of(&|region| region.change == ShareChange::Gained), wide),
        region_list("Moved", &of(&|region| region.moved), wide),
        lone_list("Died", &diff.died),
        lone_list("Born", &diff.born),
        name_list("Sources gone", &gone(&diff.sources)),
        name_list("New sources", &come(&diff.sources)),
        name_list("Labels gone", &gone(&diff.labels)),
        name_list("New labels", &come(&diff.labels)),
    ];
    lists.retain(|list| !list.rows.is_empty());
    lists
}

fn region_list(title: &'static str, regions: &[&RegionDiff], wide: bool) -> List {
    let row = |region: &&RegionDiff| {
        vec![
            region_name(region.id.new, &region.name.new),
            arrow(count(region.texts.old), &count(region.texts.new)),
            format!("×{:.2}", region.ratio),
            region.similarity.map_or_else(|| "–".to_owned(), similarity),
            arrow(percent(region.share.old), &percent(region.share.new)),
            p_value(region.p_value),
        ]
    };
    let mut list = List {
        title,
        headings: vec!["region", "texts", "ratio", "cosine", "share", "p"],
        rows: regions.iter().map(row).collect(),
    };
    if !wide {
        list.headings.truncate(4);
        list.rows.iter_mut().for_each(|row| row.truncate(4));
    }
    list
}

fn lone_list(title: &'static str, regions: &[LoneRegion]) -> List {
    let row =
        |region: &LoneRegion| vec![region_name(region.id, &region.name), count(region.texts), percent(region.share)];
    List { title, headings: vec!["region", "texts", "share"], rows: regions.iter().map(row).collect() }
}

fn name_list(title: &'static str, names: &[NameDiff]) -> List {
    let row = |diff: &NameDiff| vec![diff.name.clone(), arrow(count(diff.rows.old), &count(diff.rows.new))];
    List { title, headings: vec!["name", "records"], rows: names.iter().map(row).collect() }
}

fn arrow(old: String, new: &str) -> String {
    old + " → " + new
}

fn change(of: Pair<u64>, noun: &str) -> String {
    arrow(count(of.old), &counted(of.new, noun))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture::HOSTILE;

    fn hostile(same_codebook: bool) -> ProfileDiff {
        let region = |(id, &name): (usize, &&str)| RegionDiff {
            id: Pair { old: id as u32, new: id as u32 },
            name: Pair { old: String::new(), new: name.to_owned() },
            texts: Pair { old: 1_000_000, new: 9_000 },
            share: Pair { old: 0.3, new: 0.01 },
            ratio: 0.03,
            p_value: 0.0001,
            change: [ShareChange::Lost, ShareChange::Gained, ShareChange::Same][id % 3],
            similarity: Some(0.9),
            moved: same_codebook && id % 2 == 0,
        };
        let lone = |&name: &&str| LoneRegion { id: 1, name: name.to_owned(), texts: 9, share: 0.1 };
        let name = |(i, &name): (usize, &&str)| NameDiff {
            name: name.to_owned(),
            rows: if i % 2 == 0 { Pair { old: 0, new: 8 } } else { Pair { old: 8, new: 0 } },
        };
        ProfileDiff {
            same_codebook,
            precision: Some(Pair { old: "f32".to_owned(), new: HOSTILE.concat() }),
            rows: Pair { old: 1, new: 1_000_000 },
            distinct_texts: Pair { old: 1, new: 2 },
            regions: HOSTILE.iter().enumerate().map(region).collect(),
            died: HOSTILE.iter().map(lone).collect(),
            born: HOSTILE.iter().map(lone).collect(),
            leaves: Vec::new(),
            sources: HOSTILE.iter().enumerate().map(name).collect(),
            labels: HOSTILE.iter().enumerate().map(name).collect(),
        }
    }

    #[test]
    fn hostile_names_cannot_act() {
        for columns in [50, 80, 120] {
            let text = diff_terminal(&hostile(true), &TerminalStyle { width: columns, color: false });
            let acts = |c: char| {
                c != '\n' && (c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'))
            };
            assert_eq!(text.chars().find(|&c| acts(c)), None);
            let widest = text.lines().map(super::super::text::width).max();
            assert!(widest <= Some(columns), "{widest:?} > {columns}: {text}");
        }
        let page = diff_markdown(&hostile(false));
        assert!(page.len() < 65_536, "{} bytes", page.len());
        let mut pipes = 0;
        for line in page.lines() {
            let of_line = if line.starts_with('|') { line.matches('|').count() } else { 0 };
            assert!(pipes == 0 || of_line == 0 || pipes == of_line, "{line}");
            pipes = of_line;
            // Names stand in code spans: outside of them, no markup and no link.
            let outside: String =
                if line.contains("``") { String::new() } else { line.split('`').step_by(2).collect() };
            for markup in ["<script", "<img", "<svg", "](", "://", "@everyone"] {
                assert!(!outside.contains(markup), "{markup}: {line}");
            }
        }
        let json: serde_json::Value = serde_json::from_str(&diff_json(&hostile(true))).unwrap();
        assert_eq!(json["regions"][1]["change"], "gained");
        assert_eq!(json["died"][9]["name"], HOSTILE[9]);
    }

    #[test]
    fn names_every_kind_of_change() {
        let words = |same_codebook| {
            let text = diff_terminal(&hostile(same_codebook), &TerminalStyle::default());
            text.split_whitespace().collect::<Vec<_>>().join(" ")
        };
        for shown in [
            "1 → 1,000,000 records",
            "Under the same codebook of 16 regions, 6 lost and 5 gained share, and 8 moved.",
            "Lost share (6)",
            "Gained share (5)",
            "Moved (8)",
            "Sources gone (8)",
            "New labels (8)",
            "30.0% → 1.0%",
            "×0.03",
            "The old texts were embedded in f32, the new ones in",
        ] {
            assert!(words(true).contains(shown), "{shown}: {}", words(true));
        }
        for shown in ["6 lost and 5 gained share; 16 died and 16 were born.", "Died (16)", "Born (16)"] {
            assert!(words(false).contains(shown), "{shown}: {}", words(false));
        }
        assert!(!words(false).contains("Moved"));
        let one_precision = ProfileDiff { precision: None, ..hostile(true) };
        assert!(!diff_markdown(&one_precision).contains("embedded in"));
        let page = diff_markdown(&ProfileDiff {
            precision: Some(Pair { old: "f32".to_owned(), new: "f32-cuda".to_owned() }),
            ..one_precision
        });
        assert!(page.contains("the new ones in `f32-cuda`: a few may"), "{page}");
    }
}
