//! The text of a record: one column, or several joined by a template.

use std::fmt;
use std::str::FromStr;

use super::column::ColumnPath;
use super::reader::Cell;
use crate::{Error, Result};

/// How a record's text is made from its columns.
///
/// Written as `COLUMN`, or as a template such as `{instruction}\n{input?}`:
///
/// - `{a.b}` and `{turns.0.content}` reach into nested values; `{messages.user}` takes the turns of one role, and a
///   list of turns, or of strings, becomes their texts, a line each;
/// - `{input?}` may be absent; any other column that a row lacks makes it a bad row;
/// - `\n`, `\t` and `\\` are escapes, `{{` and `}}` are braces;
/// - a null is an empty text; white space between an empty part and its neighbour is left out, and if all parts are
///   empty so is the text;
/// - numbers and booleans are written as in JSON within a template; where the text is a single column it must hold
///   strings, so that `--text age` does not pass for text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextTemplate {
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Literal(String),
    Column { path: String, optional: bool },
}

impl TextTemplate {
    /// The template that is one column, whatever characters its name has.
    #[must_use]
    pub fn column(path: impl Into<String>) -> Self {
        Self { pieces: vec![Piece::Column { path: path.into(), optional: false }] }
    }

    /// The template that makes an empty text of every row.
    #[must_use]
    pub fn none() -> Self {
        Self { pieces: Vec::new() }
    }

    /// Columns used, and whether each may be absent.
    pub(super) fn columns(&self) -> impl Iterator<Item = (&str, bool)> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Column { path, optional } => Some((path.as_str(), *optional)),
            Piece::Literal(_) => None,
        })
    }

    /// Replaces each column by its place in a row; `bind` gets a column and whether it may be absent.
    pub(super) fn bind(&self, mut bind: impl FnMut(&str, bool) -> Result<ColumnPath>) -> Result<BoundTemplate> {
        let bound = |piece: &Piece| {
            Ok(match piece {
                Piece::Literal(text) => BoundPiece::Literal(text.clone()),
                Piece::Column { path, optional } => {
                    BoundPiece::Column { path: bind(path, *optional)?, optional: *optional }
                }
            })
        };
        Ok(BoundTemplate { pieces: self.pieces.iter().map(bound).collect::<Result<_>>()? })
    }
}

impl FromStr for TextTemplate {
    type Err = Error;

    fn from_str(source: &str) -> Result<Self> {
        let wrong = |got: String| Error::Setting {
            setting: "text",
            expected: "a column, or a template such as '{instruction}\\n{input?}'".to_owned(),
            got,
        };
        if !source.contains('{') {
            return if source.is_empty() { Err(wrong("nothing".to_owned())) } else { Ok(Self::column(source)) };
        }
        let mut pieces = Vec::new();
        let mut literal = String::new();
        let mut chars = source.chars().peekable();
        while let Some(c) = chars.next() {
            match c {
                '\\' => literal.push(match chars.next() {
                    Some('n') => '\n',
                    Some('t') => '\t',
                    Some('r') => '\r',
                    Some(escaped @ ('\\' | '{' | '}')) => escaped,
                    Some(other) => return Err(wrong(format!("the unknown escape \\{other} in {source:?}"))),
                    None => return Err(wrong(format!("a lone \\ at the end of {source:?}"))),
                }),
                '{' | '}' if chars.peek() == Some(&c) => {
                    chars.next();
                    literal.push(c);
                }
                '}' => return Err(wrong(format!("a }} without its {{ in {source:?}"))),
                '{' => {
                    if !literal.is_empty() {
                        pieces.push(Piece::Literal(std::mem::take(&mut literal)));
                    }
                    let mut name = String::new();
                    loop {
                        match chars.next() {
                            Some('}') => break,
                            Some('{') | None => return Err(wrong(format!("a {{ without its }} in {source:?}"))),
                            Some(c) => name.push(c),
                        }
                    }
                    let path = name.trim();
                    let (path, optional) = path.strip_suffix('?').map_or((path, false), |path| (path.trim(), true));
                    if path.is_empty() {
                        return Err(wrong(format!("{{}} without a column in {source:?}")));
                    }
                    pieces.push(Piece::Column { path: path.to_owned(), optional });
                }
                c => literal.push(c),
            }
        }
        if !literal.is_empty() {
            pieces.push(Piece::Literal(literal));
        }
        if pieces.iter().all(|piece| matches!(piece, Piece::Literal(_))) {
            return Err(wrong(format!("no column in {source:?}")));
        }
        Ok(Self { pieces })
    }
}

/// As a user would write it for `--text`.
impl fmt::Display for TextTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let [Piece::Column { path, optional: false }] = self.pieces.as_slice() {
            return f.write_str(path);
        }
        for piece in &self.pieces {
            match piece {
                Piece::Column { path, optional } => write!(f, "{{{path}{}}}", if *optional { "?" } else { "" })?,
                Piece::Literal(text) => {
                    for c in text.chars() {
                        match c {
                            '\n' => f.write_str("\\n")?,
                            '\t' => f.write_str("\\t")?,
                            '\r' => f.write_str("\\r")?,
                            '\\' => f.write_str("\\\\")?,
                            '{' => f.write_str("{{")?,
                            '}' => f.write_str("}}")?,
                            c => write!(f, "{c}")?,
                        }
                    }
                }
            }
        }
        Ok(())
    }
}

/// A template whose columns are places in a row.
#[derive(Debug)]
pub(super) struct BoundTemplate {
    pieces: Vec<BoundPiece>,
}

#[derive(Debug)]
enum BoundPiece {
    Literal(String),
    Column { path: ColumnPath, optional: bool },
}

impl BoundTemplate {
    /// The text of a row, or why it has none.
    pub(super) fn render(&self, cells: &[Cell]) -> Result<String, String> {
        if let [BoundPiece::Column { path, optional }] = self.pieces.as_slice() {
            let mut text = String::new();
            let found = path.write_text(cells, false, &mut text)?;
            return if found || *optional { Ok(text) } else { Err(path.missing()) };
        }
        let mut text = String::new();
        let mut separator = "";
        let mut has_part = false;
        let mut part = String::new();
        for piece in &self.pieces {
            match piece {
                BoundPiece::Literal(literal) if literal.trim().is_empty() => {
                    if separator.is_empty() {
                        separator = literal;
                    }
                    continue;
                }
                BoundPiece::Literal(literal) => part.push_str(literal),
                BoundPiece::Column { path, optional } => {
                    if !path.write_text(cells, true, &mut part)? && !optional {
                        return Err(format!("{} (write {{{}?}} if it may be)", path.missing(), path.name()));
                    }
                    has_part |= !part.is_empty();
                }
            }
            if !part.is_empty() {
                if !text.is_empty() {
                    text.push_str(separator);
                }
                separator = "";
                text.push_str(&part);
                part.clear();
            }
        }
        Ok(if has_part { text } else { String::new() })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn render(template: &str, row: &Value) -> Result<String, String> {
        let template: TextTemplate = template.parse().unwrap();
        let mut names: Vec<String> = Vec::new();
        let bound = template
            .bind(|path, _| {
                let (first, rest) = path.split_once('.').unwrap_or((path, ""));
                names.push(first.to_owned());
                Ok(ColumnPath::new(path, names.len() - 1, rest))
            })
            .unwrap();
        let cells: Vec<Cell> =
            names.iter().map(|name| row.get(name).map_or(Cell::Absent, |value| Cell::Json(value.clone()))).collect();
        bound.render(&cells)
    }

    #[test]
    fn one_column_must_hold_strings() {
        assert_eq!(render("text", &json!({"text": " as it is\n"})).unwrap(), " as it is\n");
        assert_eq!(render("{text}", &json!({"text": "x"})).unwrap(), "x");
        assert_eq!(render("text", &json!({"text": null})).unwrap(), "");
        assert_eq!(
            render("text", &json!({"text": 3})).unwrap_err(),
            "column text: expected a string, got the number 3"
        );
        assert_eq!(render("text", &json!({"text": {}})).unwrap_err(), "column text: expected a string, got an object");
        assert_eq!(render("text", &json!({})).unwrap_err(), "column text is missing");
    }

    #[test]
    fn empty_parts_leave_no_separators() {
        let alpaca = "{instruction}\\n{input?}";
        assert_eq!(render(alpaca, &json!({"instruction": "Add", "input": "1 and 2"})).unwrap(), "Add\n1 and 2");
        assert_eq!(render(alpaca, &json!({"instruction": "Add", "input": ""})).unwrap(), "Add");
        assert_eq!(render(alpaca, &json!({"instruction": "Add"})).unwrap(), "Add");
        assert_eq!(render(alpaca, &json!({"instruction": "", "input": "1"})).unwrap(), "1");
        assert_eq!(render("{a}\\n\\n{b}\\n{c}", &json!({"a": "x", "b": null, "c": "y"})).unwrap(), "x\n\ny");
        assert_eq!(render("Q: {a}\\n{b}", &json!({"a": "", "b": ""})).unwrap(), "");
        assert!(render("{a}\\n{b}", &json!({"a": "x"})).unwrap_err().contains("column b is missing"));
    }

    #[test]
    fn literals_escapes_and_numbers() {
        assert_eq!(render("{{{a}}}\\t\\\\{n}", &json!({"a": "x", "n": 1.5})).unwrap(), "{x}\t\\1.5");
        for wrong in ["", "{", "{a", "a}{b}", "{}", "{{a}}", "{a}\\", "{a}\\x"] {
            assert!(wrong.parse::<TextTemplate>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn nested_values_and_turns() {
        let row = json!({"meta": {"a": ["x", "y"]}, "turns": [{"content": "one"}, {"content": "two"}]});
        assert_eq!(render("meta.a.1", &row).unwrap(), "y");
        assert_eq!(render("turns", &row).unwrap(), "one\ntwo");
        assert_eq!(render("turns.1.content", &row).unwrap(), "two");
        assert_eq!(render("turns.content", &row).unwrap(), "one\ntwo");
        assert_eq!(render("turns.2.content", &row).unwrap_err(), "column turns.2.content is missing");
        let messages = json!({"messages": [
            {"role": "system", "content": "s"},
            {"role": "user", "content": [{"type": "text", "text": "u1"}, {"type": "image_url", "image_url": "…"}]},
            {"role": "assistant", "content": null, "tool_calls": []},
            {"role": "user", "content": "u2"}]});
        assert_eq!(render("messages.user", &messages).unwrap(), "u1\nu2");
        assert_eq!(render("messages", &messages).unwrap(), "s\nu1\nu2");
        assert_eq!(render("messages.assistant", &messages).unwrap(), "");
        let shared = json!({"c": [{"from": "human", "value": "h"}, {"from": "gpt", "value": "g"}]});
        assert_eq!(render("c.user", &shared).unwrap(), "h");
        assert_eq!(render("c.assistant", &shared).unwrap(), "g");
        assert!(render("c", &json!({"c": [1]})).unwrap_err().contains("got a list that holds the number 1"));
        assert!(render("c", &json!({"c": [{"x": 1}]})).unwrap_err().contains("content"));
    }

    proptest::proptest! {
        #[test]
        fn what_is_displayed_parses_to_the_same(source in "(\\{[a-z.]{1,4}\\??\\}|[a-z \\\\{}\n\t]{0,3}){1,5}") {
            if let Ok(template) = source.parse::<TextTemplate>() {
                let shown = template.to_string();
                proptest::prop_assert_eq!(shown.parse::<TextTemplate>().unwrap(), template);
            }
        }
    }
}
