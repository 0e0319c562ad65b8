//! Text from the corpus, made fit to be shown: one line, nothing in it acts on the screen, cut by display width.
//!
//! Rows are untrusted. Escape sequences could rewrite a terminal, bidirectional controls could make a text read as
//! another (CVE-2021-42574), and invisible characters could hide words from a reviewer. Such characters become visible
//! ones. Markup is not handled here: every renderer escapes for its own format afterwards.

use std::borrow::Cow;

use unicode_segmentation::UnicodeSegmentation as _;
use unicode_width::UnicodeWidthStr as _;

/// Characters kept of one grapheme cluster: the longest emoji sequences have 10; piles of accents have more.
const MAX_CLUSTER_CHARS: usize = 10;

/// The text on one line, with every control character visible.
///
/// Line breaks become `↵`, tabs spaces, C0 controls and DEL their Unicode control pictures (`␛`), and C1 controls,
/// bidirectional controls and invisible characters their code points (`⟨U+202E⟩`). Joiners and variation selectors,
/// which scripts and emoji need, stay.
pub(crate) fn visible(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_replaced) {
        return Cow::Borrowed(text);
    }
    let mut line = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    let mut in_flag = false;
    while let Some(c) = chars.next() {
        in_flag = c == '\u{1f3f4}' || (in_flag && is_tag(c));
        match c {
            '\r' if chars.peek() == Some(&'\n') => {}
            '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}' => line.push('↵'),
            '\t' => line.push(' '),
            '\0'..='\u{1f}' => line.push(char::from_u32(0x2400 + c as u32).unwrap_or('␀')),
            '\u{7f}' => line.push('␡'),
            _ if is_replaced(c) && !in_flag => line.push_str(&format!("⟨U+{:04X}⟩", c as u32)),
            _ => line.push(c),
        }
    }
    Cow::Owned(line)
}

/// Whether [`visible`] shows something else in place of `c` (tag characters only outside of a flag).
fn is_replaced(c: char) -> bool {
    c.is_control()
        || is_tag(c)
        || matches!(c,
            '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}')
}

/// Tag characters: invisible copies of ASCII, in use for the flags of England, Scotland and Wales.
fn is_tag(c: char) -> bool {
    matches!(c, '\u{e0000}'..='\u{e007f}')
}

/// A line of as many columns in which CI systems find no command.
///
/// The runners read what a step prints: a line that begins with `::` (GitHub), or has `##[` (GitHub), `##vso[` (Azure
/// Pipelines) or `##teamcity[` anywhere, can set variables or stop the log. Of a line that was broken between words,
/// any word can come first.
pub(crate) fn inert(line: &str) -> Cow<'_, str> {
    let begins = line.trim_start().starts_with("::");
    if !begins && !line.contains("##") {
        return Cow::Borrowed(line);
    }
    let mut inert = if begins { line.replacen("::", "∶∶", 1) } else { line.to_owned() };
    for command in ["##", "##vso", "##teamcity"] {
        inert = inert.replace(&format!("{command}["), &format!("{command}⁅"));
    }
    Cow::Owned(inert)
}

/// Columns that `text` takes in a terminal.
pub(crate) fn width(text: &str) -> usize {
    text.width()
}

/// `text` made [`visible`] and cut to `columns` columns, with an ellipsis where something was cut.
pub(crate) fn fit(text: &str, columns: usize) -> String {
    let line = visible(text);
    let mut fitted = String::new();
    let mut used = 0;
    let mut before_ellipsis = 0;
    for cluster in line.trim().graphemes(true) {
        let end = cluster.char_indices().nth(MAX_CLUSTER_CHARS).map_or(cluster.len(), |(end, _)| end);
        let cluster = &cluster[..end];
        used += width(cluster);
        if used > columns {
            fitted.truncate(before_ellipsis);
            fitted.truncate(fitted.trim_end().len());
            if columns > 0 {
                fitted.push('…');
            }
            break;
        }
        fitted.push_str(cluster);
        if used < columns {
            before_ellipsis = fitted.len();
        }
    }
    fitted
}

/// As [`fit`], but what is cut is the beginning: of `FILE:LINE` the line tells one from another.
pub(crate) fn fit_end(text: &str, columns: usize) -> String {
    let whole = fit(text, usize::MAX);
    let mut left = width(&whole);
    if left <= columns {
        return whole;
    }
    let mut rest = whole.as_str();
    for cluster in whole.graphemes(true).take_while(|_| columns > 0) {
        if left < columns {
            break;
        }
        rest = &rest[cluster.len()..];
        left -= width(cluster);
    }
    if columns == 0 { String::new() } else { format!("…{}", rest.trim_start()) }
}

/// `text` made [`visible`] and broken into lines of at most `columns` columns, between words where it can be.
pub(crate) fn wrap(text: &str, columns: usize) -> Vec<String> {
    let columns = columns.max(1);
    let line = visible(text);
    let mut lines = Vec::new();
    let mut current = String::new();
    let mut used = 0;
    for word in line.split_whitespace() {
        let word_width = width(word);
        if used > 0 && used + 1 + word_width <= columns {
            current.push(' ');
            current.push_str(word);
            used += 1 + word_width;
            continue;
        }
        if used > 0 {
            lines.push(std::mem::take(&mut current));
            used = 0;
        }
        for cluster in word.graphemes(true) {
            let cluster_width = width(cluster);
            if used > 0 && used + cluster_width > columns {
                lines.push(std::mem::take(&mut current));
                used = 0;
            }
            current.push_str(cluster);
            used += cluster_width;
        }
    }
    if !current.is_empty() {
        lines.push(current);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_an_id() {
        assert_eq!(fit_end("data/a.jsonl:17", 20), "data/a.jsonl:17");
        assert_eq!(fit_end("data/a.jsonl:17", 8), "…sonl:17");
        assert_eq!(fit_end("日本語:17", 6), "…語:17");
        assert_eq!(fit_end("a\u{202e}b:17", 4), "…:17");
        assert_eq!((fit_end("ab", 1), fit_end("ab", 0)), ("…".to_owned(), String::new()));
    }

    #[test]
    fn nothing_acts_on_the_screen() {
        assert!(matches!(visible("plain 文字 👩‍👩‍👧"), Cow::Borrowed(_)));
        assert_eq!(visible("one\r\ntwo\nthree\u{2028}four"), "one↵two↵three↵four");
        assert_eq!(visible("\u{1b}[31mred\u{7}\u{7f}"), "␛[31mred␇␡");
        assert_eq!(visible("safe\u{202e}cod.exe"), "safe⟨U+202E⟩cod.exe");
        assert_eq!(visible("\u{9b}31m"), "⟨U+009B⟩31m");
        assert_eq!(visible("a\u{200b}b\u{e0041}"), "a⟨U+200B⟩b⟨U+E0041⟩");
        let england = "🏴\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}";
        assert_eq!(visible(england), england);
    }

    #[test]
    fn no_line_is_a_command() {
        assert!(matches!(inert("a::b # c"), Cow::Borrowed(_)));
        assert_eq!(inert("  ::add-mask::a"), "  ∶∶add-mask::a");
        assert_eq!(inert("x ##[error]a ##vso[task]b"), "x ##⁅error]a ##vso⁅task]b");
        for line in ["::error::", "##[group]", "##teamcity[x]"] {
            assert_eq!(width(&inert(line)), width(line));
        }
    }

    #[test]
    fn cut_by_display_width() {
        assert_eq!(fit("short", 5), "short");
        assert_eq!(fit("longer", 5), "long…");
        assert_eq!(fit("two words", 5), "two…");
        assert_eq!(fit("日本語", 6), "日本語");
        assert_eq!(fit("日本語", 5), "日本…");
        assert_eq!(fit("日本語", 4), "日…");
        assert_eq!(fit("👩‍👩‍👧👩‍👩‍👧👩‍👩‍👧", 5), "👩‍👩‍👧👩‍👩‍👧…");
        assert_eq!(fit(&format!("a{}", "\u{301}".repeat(50_000)), 5).chars().count(), MAX_CLUSTER_CHARS);
        assert_eq!(fit("anything", 0), "");
    }

    proptest::proptest! {
        #[test]
        fn never_wider_than_asked(text in "\\PC{0,30}|[\\x00-\\x7f]{0,30}|[日本👩\u{200d}👧\u{301}a ]{0,20}", columns in 0_usize..20) {
            proptest::prop_assert!(width(&fit(&text, columns)) <= columns);
            for line in wrap(&text, columns.max(2)) {
                // A cluster is never broken, however wide: `🌭ઃ` takes three columns.
                proptest::prop_assert!(width(&line) <= columns.max(2) || line.graphemes(true).count() == 1, "{line:?}");
            }
        }

        #[test]
        fn no_control_survives(text in proptest::prelude::any::<String>()) {
            proptest::prop_assert!(!visible(&text).chars().any(char::is_control));
        }
    }
}
