//! The document as a summary for a terminal.

use comfy_table::{Attribute, Cell, CellAlignment, Color, ColumnConstraint, ContentArrangement, Table, presets};

use super::beside;
use super::number::{count, counted, p_value, percent, score, similarity};
use super::text::{fit, inert, width, wrap};
use super::words;
use crate::report::{CategoryShare, Gap, Report, gap_word};

/// Regions listed; the other renderers have them all.
const REGIONS: usize = 15;
/// Entries of every other list.
const ENTRIES: usize = 8;
/// Gaps of which examples are shown.
const ILLUSTRATED: usize = 3;

/// What the terminal can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TerminalStyle {
    /// Columns of the terminal; fewer than 50 are taken as 50.
    pub width: usize,
    /// Whether to write ANSI colours.
    pub color: bool,
}

impl Default for TerminalStyle {
    fn default() -> Self {
        Self { width: 80, color: false }
    }
}

/// The report as a summary for people, no line wider than the terminal. It says less than the other formats do.
#[must_use]
pub fn terminal(report: &Report, style: &TerminalStyle) -> String {
    let mut page = Page::new(style);
    headline(&mut page, report);
    comparison(&mut page, report);
    page.section("Diversity");
    for sentence in words::diversity(report).iter().chain(&words::sparsity(report)) {
        page.item("", sentence);
    }
    regions(&mut page, report);
    needs(&mut page, report);
    outliers(&mut page, report);
    duplicates(&mut page, report);
    shares(&mut page, "Sources", &report.sources);
    shares(&mut page, "Labels", &report.labels);
    if !report.warnings.is_empty() {
        page.section("Warnings");
        words::warnings(report).iter().take(ENTRIES).for_each(|warning| page.item("! ", warning));
        page.rest(report.warnings.len(), ENTRIES, "warning");
    }
    page.section("Next steps");
    words::next_steps(report).iter().enumerate().for_each(|(i, step)| page.item(&format!("{}. ", i + 1), step));
    page.finish()
}

fn headline(page: &mut Page, report: &Report) {
    let corpus = &report.corpus;
    let mut figures = vec![
        counted(corpus.rows, "record"),
        counted(corpus.distinct_texts, "distinct text"),
        counted(corpus.exact_duplicates, "exact duplicate"),
        counted(words::total_needed(report), "example") + " to add",
    ];
    if corpus.empty > 0 {
        figures.push(format!("{} without text", counted(corpus.empty, "record")));
    }
    if corpus.bad_rows > 0 {
        figures.push(counted(corpus.bad_rows, "bad row"));
    }
    page.emphasized(&figures.join(" · "));
    let encoder = &report.encoder;
    let mut embedded = format!("embedded by {}, {} dimensions", encoder.id, count(encoder.dim as u64));
    if let Some(tokens) = encoder.max_tokens {
        embedded += &format!(", up to {} tokens of a text", count(tokens as u64));
    }
    page.item("", &embedded);
    for file in report.corpus.files.iter().take(ENTRIES) {
        page.item("", &format!("read {}: {} ({})", file.path, counted(file.rows, "record"), file.recognised));
    }
    page.rest(report.corpus.files.len(), ENTRIES, "file");
}

fn comparison(page: &mut Page, report: &Report) {
    let Some(reference) = beside::reference(report) else { return };
    page.section(&format!("Coverage of {reference}"));
    for sentence in beside::sentences(report) {
        page.item("", &sentence);
    }
    let gaps = beside::gaps(report);
    if !gaps.is_empty() {
        page.section(&format!("Gaps ({})", gaps.len()));
        gap_listing(page, &gaps);
        for gap in gaps.iter().take(ILLUSTRATED) {
            for example in gap.examples.iter().take(2) {
                page.item("e.g. ", &fit(beside::shown(example), 2 * page.width));
            }
        }
    }
    let holes = beside::holes(report);
    if !holes.is_empty() {
        page.section(&format!("Holes inside covered leaves ({})", holes.len()));
        let mut table = Listing::new(vec![right("leaf"), left("name"), right("uncovered"), right("further by")], 1);
        for hole in holes.iter().take(ENTRIES) {
            let uncovered = format!("{} of {}", count(hole.uncovered), count(hole.reference_texts));
            table.row(vec![hole.leaf.to_string(), hole.name.clone(), uncovered, similarity(hole.excess)]);
        }
        page.listing(table);
        page.rest(holes.len(), ENTRIES, "hole");
    }
    let surplus: Vec<_> = report.surplus.iter().collect();
    if !surplus.is_empty() {
        page.section(&format!("More than in the reference ({})", surplus.len()));
        gap_listing(page, &surplus);
    }
    if let Some(novelty) = report.novelty.as_ref().filter(|novelty| !novelty.groups.is_empty()) {
        page.section("Outside the reference");
        let mut table = Listing::new(vec![right("texts"), left("about"), left("the most typical")], 2);
        for group in novelty.groups.iter().take(ENTRIES) {
            let example = group.examples.first().map_or("", |example| &example.text);
            table.row(vec![count(group.texts), fit(&group.name, page.width / 3), example.to_owned()]);
        }
        page.listing(table);
        page.rest(novelty.groups.len(), ENTRIES, "group");
    }
    if !report.source_coverage.is_empty() {
        page.section("What each source covers of the reference");
        let mut table = Listing::new(vec![left("source"), right("records"), right("covers"), right("alone")], 0);
        for source in report.source_coverage.iter().take(ENTRIES) {
            let name = source.name.clone().unwrap_or_else(|| "(none)".to_owned());
            table.row(vec![name, count(source.rows), percent(source.covers), percent(source.alone)]);
        }
        page.listing(table);
        page.rest(report.source_coverage.len(), ENTRIES, "source");
    }
}

fn gap_listing(page: &mut Page, gaps: &[&Gap]) {
    let narrow = page.width < 70;
    let mut columns = vec![right("leaf"), left("name"), right("reference"), right("corpus")];
    if !narrow {
        columns.extend([left("kind"), right("ratio")]);
    }
    columns.push(right("p"));
    let mut table = Listing::new(columns, 1);
    for gap in gaps.iter().take(ENTRIES) {
        let mut row =
            vec![gap.leaf.to_string(), gap.name.clone(), percent(gap.reference_share), percent(gap.corpus_share)];
        if !narrow {
            row.extend([gap_word(gap).to_owned(), beside::ratio(gap)]);
        }
        row.push(p_value(gap.p_adjusted));
        table.row(row);
    }
    page.listing(table);
    page.rest(gaps.len(), ENTRIES, "leaf");
}

fn regions(page: &mut Page, report: &Report) {
    page.section(&format!("Regions ({})", report.regions.len()));
    let (narrow, wide) = (page.width < 70, page.width >= 100);
    let bar = (page.width / 10).min(16);
    let largest = report.regions.iter().map(|region| region.share).fold(0.0, f64::max);
    let mut columns = vec![right("#"), left("region"), right("records"), right("share")];
    if !narrow {
        columns.push(left(""));
    }
    columns.push(right("similarity"));
    if wide {
        columns.push(right("score"));
    }
    columns.push(right("add"));
    let mut table = Listing::new(columns, 1);
    for region in report.regions.iter().take(REGIONS) {
        let mut row = vec![
            region.id.to_string(),
            words::region_name(region.id, &region.name),
            count(region.rows),
            percent(region.share),
        ];
        if !narrow {
            row.push(share_bar(region.share, largest, bar));
        }
        row.push(similarity(region.similarity));
        if wide {
            row.push(score(region.median_score));
        }
        row.push(if region.needed > 0 { format!("+{}", count(region.needed)) } else { String::new() });
        table.row(row);
    }
    page.listing(table);
    page.rest(report.regions.len(), REGIONS, "region");
}

fn needs(page: &mut Page, report: &Report) {
    let needs: Vec<_> = report.needs_augmentation.iter().filter(|need| need.needed > 0).collect();
    if needs.is_empty() {
        return;
    }
    page.section(&format!("Needs augmentation ({} to add)", counted(words::total_needed(report), "example")));
    let mut table = Listing::new(vec![right("#"), left("region"), right("texts"), right("add"), left("")], 1);
    for need in needs.iter().take(ENTRIES) {
        table.row(vec![
            need.region.to_string(),
            words::region_name(need.region, &need.name),
            count(need.distinct_texts),
            format!("+{}", count(need.needed)),
            if need.collect_real_data_first { "real texts first" } else { "" }.to_owned(),
        ]);
    }
    page.listing(table);
    page.rest(needs.len(), ENTRIES, "region");
}

fn outliers(page: &mut Page, report: &Report) {
    if report.outliers.is_empty() {
        return;
    }
    page.section("Least like the rest (for review; a higher score is further away)");
    let mut table = Listing::new(vec![right("score"), right("p"), left("id"), left("text")], 3);
    for outlier in report.outliers.iter().take(ENTRIES) {
        table.row(vec![
            score(outlier.score),
            p_value(outlier.p_value),
            fit(&outlier.record.id, page.width / 4),
            outlier.record.text.clone(),
        ]);
    }
    page.listing(table);
    page.rest(report.outliers.len(), ENTRIES, "record");
}

fn duplicates(page: &mut Page, report: &Report) {
    if report.duplicate_groups.is_empty() {
        return;
    }
    page.section("Most repeated texts");
    let mut table = Listing::new(vec![right("records"), left("first id"), left("text")], 2);
    for group in report.duplicate_groups.iter().take(ENTRIES) {
        table.row(vec![count(group.rows), fit(&group.kept.id, page.width / 4), group.kept.text.clone()]);
    }
    page.listing(table);
    page.rest(report.duplicate_groups.len(), ENTRIES, "group");
}

pub(super) fn shares(page: &mut Page, title: &str, categories: &[CategoryShare]) {
    if categories.is_empty() {
        return;
    }
    page.section(title);
    let bar = (page.width / 4).clamp(8, 30);
    let largest = categories.iter().map(|category| category.share).fold(0.0, f64::max);
    let mut table = Listing::new(vec![left("name"), right("records"), right("share"), left("")], 0);
    for category in categories.iter().take(ENTRIES) {
        table.row(vec![
            category.name.clone().unwrap_or_else(|| "(none)".to_owned()),
            count(category.rows),
            percent(category.share),
            share_bar(category.share, largest, bar),
        ]);
    }
    page.listing(table);
    page.rest(categories.len(), ENTRIES, "name");
}

/// A bar of at most `columns` columns, in eighths of a column; anything above zero shows.
pub(super) fn share_bar(share: f64, largest: f64, columns: usize) -> String {
    if share.is_nan() || share <= 0.0 || largest <= 0.0 {
        return String::new();
    }
    let eighths = ((share / largest * (8 * columns) as f64).round() as usize).clamp(1, 8 * columns);
    let mut bar = "█".repeat(eighths / 8);
    bar.extend(['▏', '▎', '▍', '▌', '▋', '▊', '▉'].get((eighths % 8).wrapping_sub(1)));
    bar
}

/// A summary as it is written.
pub(super) struct Page {
    out: String,
    width: usize,
    color: bool,
}

/// A column's heading and alignment.
pub(super) struct Heading(&'static str, CellAlignment);

pub(super) fn left(title: &'static str) -> Heading {
    Heading(title, CellAlignment::Left)
}

pub(super) fn right(title: &'static str) -> Heading {
    Heading(title, CellAlignment::Right)
}

/// A table of which one column is cut to what the others leave of the terminal's width.
pub(super) struct Listing {
    headings: Vec<Heading>,
    rows: Vec<Vec<String>>,
    flexible: usize,
}

impl Listing {
    pub(super) fn new(headings: Vec<Heading>, flexible: usize) -> Self {
        Self { headings, rows: Vec::new(), flexible }
    }

    pub(super) fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }
}

impl Page {
    pub(super) fn new(style: &TerminalStyle) -> Self {
        Self { out: String::new(), width: style.width.max(50), color: style.color }
    }

    /// Columns that a line may take.
    pub(super) fn width(&self) -> usize {
        self.width
    }

    pub(super) fn finish(self) -> String {
        self.out
    }

    fn line(&mut self, line: &str) {
        self.out.push_str(&inert(line.trim_end()));
        self.out.push('\n');
    }

    fn styled(&self, text: &str, code: &str) -> String {
        if self.color && !text.is_empty() { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    pub(super) fn emphasized(&mut self, text: &str) {
        for line in wrap(text, self.width) {
            let line = self.styled(&line, "1");
            self.line(&line);
        }
    }

    pub(super) fn section(&mut self, title: &str) {
        self.out.push('\n');
        for line in wrap(title, self.width) {
            let line = self.styled(&line, "1;36");
            self.line(&line);
        }
    }

    /// A paragraph, indented; `mark` stands before its first line.
    pub(super) fn item(&mut self, mark: &str, text: &str) {
        let indent = 2 + width(mark);
        for (i, line) in wrap(text, self.width - indent).iter().enumerate() {
            let mark = if i == 0 { self.styled(mark, "33") } else { " ".repeat(width(mark)) };
            self.line(&format!("  {mark}{line}"));
        }
    }

    /// Says how many entries of a list are not shown.
    pub(super) fn rest(&mut self, all: usize, shown: usize, noun: &str) {
        if all > shown {
            let rest = format!("… and {} more", counted((all - shown) as u64, noun)).replace("leafs", "leaves");
            let rest = self.styled(&rest, "2");
            self.line(&format!("  {rest}"));
        }
    }

    pub(super) fn listing(&mut self, listing: Listing) {
        let Listing { headings, rows, flexible } = listing;
        let widest = |column: usize| {
            rows.iter().map(|row| width(&row[column])).chain([width(headings[column].0)]).max().unwrap_or(0)
        };
        let others: usize = (0..headings.len()).filter(|&column| column != flexible).map(widest).sum();
        let room = self.width.saturating_sub(others + 2 * headings.len()).max(8);

        let mut table = Table::new();
        table.load_style(presets::NOTHING).force_no_tty().set_content_arrangement(ContentArrangement::Disabled);
        if self.color {
            table.enforce_styling();
        }
        table.set_header(headings.iter().map(|heading| Cell::new(heading.0).add_attribute(Attribute::Dim)));
        for row in rows {
            table.add_row(row.iter().enumerate().map(|(column, text)| {
                let cell = Cell::new(fit(text, if column == flexible { room } else { usize::MAX }));
                if headings[column].0 == "add" && !text.is_empty() { cell.fg(Color::Yellow) } else { cell }
            }));
        }
        for (column, heading) in table.column_iter_mut().zip(&headings) {
            column.set_padding((2, 0)).set_constraint(ColumnConstraint::ContentWidth);
            column.set_cell_alignment(heading.1);
        }
        for line in table.lines() {
            self.line(&line);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;

    fn at(width: usize) -> String {
        terminal(&fixture::support(), &TerminalStyle { width, color: false })
    }

    #[test]
    fn at_80_columns() {
        insta::assert_snapshot!(at(80));
    }

    #[test]
    fn at_60_columns() {
        insta::assert_snapshot!(at(60));
    }

    #[test]
    fn at_120_columns() {
        insta::assert_snapshot!(at(120));
    }

    #[test]
    fn beside_a_reference() {
        insta::assert_snapshot!(terminal(&fixture::compared(), &TerminalStyle { width: 80, color: false }));
    }

    #[test]
    fn of_one_text() {
        insta::assert_snapshot!(terminal(&fixture::minimal(), &TerminalStyle::default()));
    }

    #[test]
    fn no_line_is_too_wide() {
        for report in [fixture::compared(), fixture::hostile(), fixture::minimal()] {
            for columns in [50, 60, 80, 120, 200] {
                for line in terminal(&report, &TerminalStyle { width: columns, color: false }).lines() {
                    assert!(width(line) <= columns, "{} > {columns}: {line}", width(line));
                }
            }
        }
    }

    #[test]
    fn hostile_text_cannot_act() {
        let text = terminal(&fixture::hostile(), &TerminalStyle::default());
        let acts = |c: char| {
            c != '\n'
                && (c.is_control()
                    || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2028}' | '\u{2029}' | '\u{2066}'..='\u{2069}'))
        };
        assert_eq!(text.chars().find(|&c| acts(c)), None);
        let colored = terminal(&fixture::hostile(), &TerminalStyle { width: 80, color: true });
        for escape in colored.split('\u{1b}').skip(1) {
            let (code, _) = escape.split_once('m').unwrap();
            assert!(code.starts_with('[') && code[1..].bytes().all(|b| b.is_ascii_digit() || b == b';'), "{code:?}");
        }
    }

    #[test]
    fn color_adds_only_escapes() {
        let colored = terminal(&fixture::support(), &TerminalStyle { width: 80, color: true });
        let mut plain = String::new();
        for (i, part) in colored.split('\u{1b}').enumerate() {
            plain.push_str(if i == 0 { part } else { part.split_once('m').unwrap().1 });
        }
        let trimmed = |text: &str| text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n");
        assert_eq!(trimmed(&plain), trimmed(&at(80)));
    }
}
