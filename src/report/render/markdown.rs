//! The document as Markdown, short enough for a pull-request comment.
//!
//! Texts, names and ids go into code spans, where GitHub and GitLab neither link, mention nor interpret anything;
//! sentences are escaped (GitHub Flavored Markdown 0.29, section 6), and mentions, references and addresses in them are
//! broken by a zero-width space. Lists are cut so that the comment stays under the 65,536 characters GitHub takes.

use super::beside;
use super::number::{count, counted, p_value, percent, score, similarity};
use super::text::{fit, inert, visible};
use super::words;
use crate::report::{CategoryShare, Gap, Report, gap_word};

/// Regions listed.
const REGIONS: usize = 50;
/// Entries of every other list.
const ENTRIES: usize = 10;
/// Columns of a text, a name or an id.
const CELL_COLUMNS: usize = 80;
/// Columns of a sentence, which may quote a file or an id.
const SENTENCE_COLUMNS: usize = 500;

/// The report as Markdown.
#[must_use]
pub fn markdown(report: &Report) -> String {
    let mut page = String::from("## Coverage report\n\n");
    headline(&mut page, report);
    page.push_str("\n### Next steps\n\n");
    for (i, step) in words::next_steps(report).iter().enumerate() {
        page.push_str(&format!("{}. {}\n", i + 1, prose(step)));
    }
    if !report.warnings.is_empty() {
        page.push_str("\n### Warnings\n\n");
        for warning in words::warnings(report).iter().take(ENTRIES) {
            page.push_str(&format!("- {}\n", prose(warning)));
        }
        rest(&mut page, report.warnings.len(), ENTRIES);
    }
    comparison(&mut page, report);
    needs(&mut page, report);
    outliers(&mut page, report);
    folded(&mut page, &format!("Regions ({})", report.regions.len()), |page| regions(page, report));
    folded(&mut page, "Diversity", |page| {
        for sentence in words::diversity(report).iter().chain(&words::sparsity(report)) {
            page.push_str(&format!("- {}\n", prose(sentence)));
        }
    });
    if !report.duplicate_groups.is_empty() {
        folded(&mut page, "Most repeated texts", |page| duplicates(page, report));
    }
    for (title, categories) in [("Sources", &report.sources), ("Labels", &report.labels)] {
        if !categories.is_empty() {
            folded(&mut page, title, |page| shares(page, categories));
        }
    }
    page.push_str(&format!("\n<sub>semcov {}</sub>\n", prose(&report.semcov_version)));
    page
}

fn headline(page: &mut String, report: &Report) {
    let corpus = &report.corpus;
    table(
        page,
        &["records", "distinct texts", "exact duplicates", "bad rows", "examples to add"],
        "rrrrr",
        [vec![
            count(corpus.rows),
            count(corpus.distinct_texts),
            format!("{} ({})", count(corpus.exact_duplicates), percent(words::duplicate_share(report))),
            count(corpus.bad_rows),
            count(words::total_needed(report)),
        ]],
    );
    let files: Vec<_> = corpus.files.iter().take(ENTRIES).map(|file| code(&file.path)).collect();
    let more = corpus.files.len().saturating_sub(ENTRIES);
    page.push_str(&format!(
        "\nRead {}{}; embedded by {} ({} dimensions).\n",
        files.join(", "),
        if more > 0 { format!(" and {}", counted(more as u64, "more file")) } else { String::new() },
        code(&report.encoder.id),
        count(report.encoder.dim as u64),
    ));
}

fn comparison(page: &mut String, report: &Report) {
    let Some(reference) = beside::reference(report) else { return };
    page.push_str(&format!("\n### Coverage of {}\n\n", prose(&reference)));
    for sentence in beside::sentences(report) {
        page.push_str(&format!("- {}\n", prose(&sentence)));
    }
    let gaps = beside::gaps(report);
    if !gaps.is_empty() {
        page.push_str("\n### Gaps\n\n");
        gap_table(page, &gaps, "a record of the reference");
    }
    let holes = beside::holes(report);
    if !holes.is_empty() {
        folded(page, &format!("Holes inside covered leaves ({})", holes.len()), |page| {
            let rows = holes.iter().take(ENTRIES).map(|hole| {
                let uncovered = format!("{} of {}", count(hole.uncovered), count(hole.reference_texts));
                let example = hole.examples.first().map_or_else(String::new, |example| code(beside::shown(example)));
                vec![hole.leaf.to_string(), code(&hole.name), uncovered, similarity(hole.excess), example]
            });
            table(page, &["leaf", "name", "uncovered", "further by", "a record that nothing covers"], "rlrrl", rows);
            rest(page, holes.len(), ENTRIES);
        });
    }
    let surplus: Vec<_> = report.surplus.iter().collect();
    if !surplus.is_empty() {
        folded(page, &format!("More than in the reference ({})", surplus.len()), |page| {
            gap_table(page, &surplus, "a typical record");
        });
    }
    if let Some(novelty) = report.novelty.as_ref().filter(|novelty| !novelty.groups.is_empty()) {
        folded(page, "Outside the reference", |page| {
            let groups = novelty.groups.iter().take(ENTRIES).map(|group| {
                let example = group.examples.first().map_or("", |example| &example.text);
                vec![count(group.texts), code(&group.name), code(example)]
            });
            table(page, &["texts", "about", "the most typical"], "rll", groups);
        });
    }
    if !report.source_coverage.is_empty() {
        folded(page, "What each source covers of the reference", |page| {
            let sources = report.source_coverage.iter().take(REGIONS).map(|source| {
                let name = source.name.as_deref().map_or_else(|| "(none)".to_owned(), code);
                vec![name, count(source.rows), percent(source.covers), percent(source.alone)]
            });
            table(page, &["source", "records", "covers", "alone"], "lrrr", sources);
        });
    }
}

fn gap_table(page: &mut String, gaps: &[&Gap], example: &str) {
    let rows = gaps.iter().take(ENTRIES).map(|gap| {
        vec![
            gap.leaf.to_string(),
            code(&gap.name),
            gap_word(gap).to_owned(),
            percent(gap.reference_share),
            percent(gap.corpus_share),
            beside::ratio(gap),
            p_value(gap.p_adjusted),
            gap.examples.first().map_or_else(String::new, |example| code(beside::shown(example))),
        ]
    });
    let headings = ["leaf", "name", "kind", "reference", "corpus", "ratio", "p", example];
    table(page, &headings, "rllrrrrl", rows);
    rest(page, gaps.len(), ENTRIES);
}

fn needs(page: &mut String, report: &Report) {
    let needs: Vec<_> = report.needs_augmentation.iter().filter(|need| need.needed > 0).collect();
    if needs.is_empty() {
        return;
    }
    page.push_str("\n### Needs augmentation\n\n");
    table(
        page,
        &["region", "texts", "add", ""],
        "lrrl",
        needs.iter().take(ENTRIES).map(|need| {
            vec![
                code(&words::region_name(need.region, &need.name)),
                count(need.distinct_texts),
                format!("+{}", count(need.needed)),
                if need.collect_real_data_first { "collect real texts first" } else { "" }.to_owned(),
            ]
        }),
    );
    rest(page, needs.len(), ENTRIES);
}

fn outliers(page: &mut String, report: &Report) {
    if report.outliers.is_empty() {
        return;
    }
    page.push_str(
        "\n### Least like the rest\n\nFor review, not for removal; a higher score is further from the rest.\n\n",
    );
    table(
        page,
        &["score", "p", "id", "text", "region"],
        "rrlll",
        report.outliers.iter().take(ENTRIES).map(|outlier| {
            vec![
                score(outlier.score),
                p_value(outlier.p_value),
                code(&outlier.record.id),
                code(&outlier.record.text),
                code(&words::region_name_of(report, outlier.region)),
            ]
        }),
    );
    rest(page, report.outliers.len(), ENTRIES);
}

fn regions(page: &mut String, report: &Report) {
    let headings = ["region", "records", "share", "similarity", "add", "most typical text"];
    table(
        page,
        &headings,
        "lrrrrl",
        report.regions.iter().take(REGIONS).map(|region| {
            vec![
                code(&words::region_name(region.id, &region.name)),
                count(region.rows),
                percent(region.share),
                similarity(region.similarity),
                if region.needed > 0 { format!("+{}", count(region.needed)) } else { String::new() },
                code(&region.medoid.text),
            ]
        }),
    );
    rest(page, report.regions.len(), REGIONS);
}

fn duplicates(page: &mut String, report: &Report) {
    table(
        page,
        &["records", "first id", "text"],
        "rll",
        report
            .duplicate_groups
            .iter()
            .take(ENTRIES)
            .map(|group| vec![count(group.rows), code(&group.kept.id), code(&group.kept.text)]),
    );
    rest(page, report.duplicate_groups.len(), ENTRIES);
}

fn shares(page: &mut String, categories: &[CategoryShare]) {
    table(
        page,
        &["name", "records", "share"],
        "lrr",
        categories.iter().take(ENTRIES).map(|category| {
            let name = category.name.as_deref().map_or_else(|| "(none)".to_owned(), code);
            vec![name, count(category.rows), percent(category.share)]
        }),
    );
    rest(page, categories.len(), ENTRIES);
}

/// A table; `alignment` has `l` or `r` per column. Cells are Markdown already, without line breaks or pipes.
pub(super) fn table(
    page: &mut String,
    headings: &[&str],
    alignment: &str,
    rows: impl IntoIterator<Item = Vec<String>>,
) {
    let rule: Vec<_> = alignment.chars().map(|side| if side == 'r' { "---:" } else { ":---" }).collect();
    page.push_str(&format!("| {} |\n| {} |\n", headings.join(" | "), rule.join(" | ")));
    for row in rows {
        page.push_str(&format!("| {} |\n", row.join(" | ")));
    }
}

pub(super) fn folded(page: &mut String, title: &str, body: impl FnOnce(&mut String)) {
    page.push_str(&format!("\n<details><summary>{title}</summary>\n\n"));
    body(page);
    page.push_str("\n</details>\n");
}

pub(super) fn rest(page: &mut String, all: usize, shown: usize) {
    if all > shown {
        page.push_str(&format!("\n… and {} more\n", count((all - shown) as u64)));
    }
}

/// Untrusted text as a code span; no command where the page is printed in CI. Parsers disagree about pipes in the code spans of a table; `∣` stands for them.
pub(super) fn code(text: &str) -> String {
    let text = inert(&fit(text, CELL_COLUMNS)).replace('|', "∣");
    if text.is_empty() {
        return "–".to_owned();
    }
    let longest_run = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest_run + 1);
    let pad = if text.starts_with('`') || text.ends_with('`') { " " } else { "" };
    format!("{fence}{pad}{text}{pad}{fence}")
}

/// A sentence that may quote untrusted text, as Markdown that shows it as it is.
pub(super) fn prose(text: &str) -> String {
    let text = fit(&visible(text), SENTENCE_COLUMNS);
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '@' | '#' => escaped.extend(['\\', c, '\u{200b}']),
            ':' => escaped.extend([c, '\u{200b}']),
            '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '!' | '|' | '~' | '$' => escaped.extend(['\\', c]),
            _ => escaped.push(c),
        }
    }
    escaped.replace("www.", "www\u{200b}.")
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::report::fixture;

    #[test]
    fn of_a_support_corpus() {
        insta::assert_snapshot!(markdown(&fixture::support()));
    }

    #[test]
    fn code_spans_hold_anything() {
        assert_eq!(code("plain"), "`plain`");
        assert_eq!(code("a `b` ``c``"), "``` a `b` ``c`` ```");
        assert_eq!(code("a | b\nc"), "`a ∣ b↵c`");
        assert_eq!(code("##[error]x"), "`##⁅error]x`");
        assert_eq!(code(" \n"), "`↵`");
        assert_eq!(code(""), "–");
    }

    #[test]
    fn sentences_show_what_they_quote() {
        assert_eq!(prose("<b> & *x* [y](z) |"), "&lt;b&gt; &amp; \\*x\\* \\[y\\](z) \\|");
        assert_eq!(prose("@everyone #1"), "\\@\u{200b}everyone \\#\u{200b}1");
        assert_eq!(prose("https://x www.x"), "https:\u{200b}//x www\u{200b}.x");
    }

    #[test]
    fn hostile_text_stays_in_its_cell() {
        assert_harmless(&markdown(&fixture::hostile()));
    }

    /// Whether a page of hostile texts is short enough, its tables are whole, and nothing in it is live.
    pub(crate) fn assert_harmless(page: &str) {
        assert!(page.len() < 65_536, "{} bytes", page.len());
        let mut columns = 0;
        for line in page.lines() {
            if line.starts_with('|') {
                let pipes = line.matches('|').count();
                assert!(columns == 0 || columns == pipes, "{line}");
                columns = pipes;
            } else {
                columns = 0;
            }
        }
        let outside = outside_code(page);
        for markup in ["<script", "</script", "<img", "<svg", "<a ", "@e", "](", "://", "www.", "\u{202e}", "\u{1b}"] {
            assert!(!outside.to_lowercase().contains(markup), "{markup}");
        }
        // No tag begins with a digit: `<0.001`.
        for tag in outside.split('<').skip(1).filter(|tag| !tag.starts_with(|c: char| c.is_ascii_digit())) {
            let known = ["details>", "/details>", "summary>", "/summary>", "sub>", "/sub>"];
            assert!(known.iter().any(|known| tag.starts_with(known)), "<{tag}");
        }
    }

    /// The page without its code spans and escapes, found as the `CommonMark` standard finds them: a run of backticks closes at the next run of
    /// the same length; an escaped backtick opens nothing.
    fn outside_code(page: &str) -> String {
        let mut outside = String::new();
        for line in page.lines() {
            let mut rest = line;
            while let Some(start) = rest.find('`') {
                if rest[..start].ends_with('\\') {
                    outside.push_str(&rest[..=start]);
                    rest = &rest[start + 1..];
                    continue;
                }
                outside.push_str(&rest[..start]);
                let run = rest[start..].bytes().take_while(|&b| b == b'`').count();
                let after = &rest[start + run..];
                let mut at = 0;
                let close = loop {
                    let Some(next) = after[at..].find('`') else { break None };
                    let length = after[at + next..].bytes().take_while(|&b| b == b'`').count();
                    if length == run {
                        break Some(at + next + length);
                    }
                    at += next + length;
                };
                rest = &after[close.unwrap_or_else(|| panic!("unclosed code span: {line}"))..];
            }
            outside.push_str(rest);
            outside.push('\n');
        }
        // What a backslash stands before is no markup.
        let mut chars = outside.chars();
        let mut unescaped = String::new();
        while let Some(c) = chars.next() {
            if c == '\\' {
                chars.next();
            } else {
                unescaped.push(c);
            }
        }
        unescaped
    }
}
