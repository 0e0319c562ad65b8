//! A named place in a row, and the text, name or vector found there.

use serde_json::Value;

use super::reader::Cell;

/// The keys under which a turn of a conversation holds its text, in the order in which they are tried.
const TURN_TEXT: [&str; 3] = ["content", "value", "text"];
/// The keys under which a turn names its speaker.
const TURN_ROLE: [&str; 2] = ["role", "from"];

/// A column, or a path into its nested values, of rows with known columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ColumnPath {
    name: String,
    column: usize,
    rest: Vec<String>,
}

impl ColumnPath {
    /// The path `rest` (steps separated by dots, or empty) into column number `column`; `name` is shown to the user.
    pub(super) fn new(name: &str, column: usize, rest: &str) -> Self {
        let rest = rest.split('.').filter(|step| !step.is_empty()).map(str::to_owned).collect();
        Self { name: name.to_owned(), column, rest }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The reason a row without this column is bad.
    pub(super) fn missing(&self) -> String {
        format!("column {} is missing", self.name)
    }

    fn wrong(&self, expected: &str, got: &str) -> String {
        format!("column {}: expected {expected}, got {got}", self.name)
    }

    /// Appends the text found here; `Ok(false)` if there is nothing here, not even a null.
    pub(super) fn write_text(&self, cells: &[Cell], numbers: bool, out: &mut String) -> Result<bool, String> {
        match cells.get(self.column) {
            None | Some(Cell::Absent) => Ok(false),
            Some(Cell::Json(value)) => {
                write_path(value, &self.rest, numbers, out).map_err(|got| self.wrong("a string", &got))
            }
            Some(Cell::Floats(_)) => Err(self.wrong("a string", "a list of numbers")),
        }
    }

    /// The string, number or boolean found here as a name; a null, an empty string and an absent column are no name.
    pub(super) fn name_in(&self, cells: &[Cell]) -> Result<Option<String>, String> {
        let value = match cells.get(self.column) {
            None | Some(Cell::Absent) => return Ok(None),
            Some(Cell::Json(value)) => self.rest.iter().try_fold(value, |value, step| step_into(value, step)),
            Some(Cell::Floats(_)) => return Err(self.wrong("a string or a number", "a list of numbers")),
        };
        match value {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(name)) => Ok(Some(name.clone()).filter(|name| !name.is_empty())),
            Some(scalar @ (Value::Number(_) | Value::Bool(_))) => Ok(Some(scalar.to_string())),
            Some(other) => Err(self.wrong("a string or a number", &describe(other))),
        }
    }

    /// The vector found here, finite numbers and at least one; `None` where there is none, or null.
    pub(super) fn vector_in(&self, cells: &[Cell]) -> Result<Option<Vec<f32>>, String> {
        let vector = match cells.get(self.column) {
            None | Some(Cell::Absent) => return Ok(None),
            Some(Cell::Floats(vector)) => vector.clone(),
            Some(Cell::Json(value)) => {
                let value = self.rest.iter().try_fold(value, |value, step| step_into(value, step));
                let Some(value) = value.filter(|value| !value.is_null()) else { return Ok(None) };
                // CSV has no lists: there a vector is written as a JSON list.
                let parsed: Option<Vec<f32>> = match value {
                    Value::String(text) => serde_json::from_str(text).ok(),
                    Value::Array(items) => items.iter().map(|item| item.as_f64().map(|x| x as f32)).collect(),
                    _ => None,
                };
                parsed.ok_or_else(|| self.wrong("a list of numbers", &describe(value)))?
            }
        };
        match vector.iter().find(|x| !x.is_finite()) {
            _ if vector.is_empty() => Err(self.wrong("a list of numbers", "an empty list")),
            Some(x) => Err(self.wrong("finite numbers", &x.to_string())),
            None => Ok(Some(vector)),
        }
    }
}

/// Appends what stands at the end of `path`; an error says what was found instead of text.
fn write_path(value: &Value, path: &[String], numbers: bool, out: &mut String) -> Result<bool, String> {
    let Some((step, rest)) = path.split_first() else {
        return write_value(value, numbers, out).map(|()| true);
    };
    match value {
        Value::Null => Ok(true),
        Value::Object(_) => step_into(value, step).map_or(Ok(false), |value| write_path(value, rest, numbers, out)),
        Value::Array(items) if step.parse::<usize>().is_err() => {
            let roles: Vec<Option<&str>> = items.iter().map(role).collect();
            let by_role = canonical_role(step).filter(|_| roles.iter().any(Option::is_some));
            let mut found = by_role.is_some();
            let mut texts = Joined::new(out);
            for (item, role) in items.iter().zip(roles) {
                texts.push(|out| match by_role {
                    Some(wanted) if role.and_then(canonical_role) != Some(wanted) => Ok(()),
                    Some(_) if rest.is_empty() => write_turn(item, out),
                    Some(_) => write_path(item, rest, numbers, out).map(|_| ()),
                    None => write_path(item, path, numbers, out).map(|one| found |= one),
                })?;
            }
            Ok(found)
        }
        Value::Array(_) => step_into(value, step).map_or(Ok(false), |value| write_path(value, rest, numbers, out)),
        other => Err(format!("{} where {step} should be", describe(other))),
    }
}

/// Appends the text of a string, a null (nothing), or a list of strings and turns (a line each).
fn write_value(value: &Value, numbers: bool, out: &mut String) -> Result<(), String> {
    match value {
        Value::String(text) => out.push_str(text),
        Value::Null => {}
        Value::Number(_) | Value::Bool(_) if numbers => out.push_str(&value.to_string()),
        Value::Array(items) => {
            let mut texts = Joined::new(out);
            for item in items {
                texts.push(|out| write_turn(item, out))?;
            }
        }
        other => return Err(describe(other)),
    }
    Ok(())
}

/// Appends the text of one turn: a string, or an object whose content is a string or a list of parts.
fn write_turn(turn: &Value, out: &mut String) -> Result<(), String> {
    match turn {
        Value::String(text) => out.push_str(text),
        Value::Null => {}
        Value::Object(fields) => {
            let content = TURN_TEXT.iter().find_map(|&key| fields.get(key));
            let content = content.ok_or_else(|| format!("a turn without {}", TURN_TEXT.join(", ")))?;
            let Value::Array(parts) = content else { return write_value(content, false, out) };
            let mut texts = Joined::new(out);
            for part in parts {
                // Parts that are not text (images, tool calls) have no `text`.
                if let Some(text) = part.as_str().or_else(|| part.get("text").and_then(Value::as_str)) {
                    texts.push(|out| {
                        out.push_str(text);
                        Ok(())
                    })?;
                }
            }
        }
        other => return Err(format!("a list that holds {}", describe(other))),
    }
    Ok(())
}

/// Joins non-empty texts by newlines.
struct Joined<'a> {
    out: &'a mut String,
    start: usize,
}

impl<'a> Joined<'a> {
    fn new(out: &'a mut String) -> Self {
        Self { start: out.len(), out }
    }

    fn push(&mut self, write: impl FnOnce(&mut String) -> Result<(), String>) -> Result<(), String> {
        let before = self.out.len();
        if before > self.start {
            self.out.push('\n');
        }
        let text = self.out.len();
        write(self.out)?;
        if self.out.len() == text {
            self.out.truncate(before);
        }
        Ok(())
    }
}

fn step_into<'a>(value: &'a Value, step: &str) -> Option<&'a Value> {
    match value {
        Value::Object(fields) => fields.get(step),
        Value::Array(items) => items.get(step.parse::<usize>().ok()?),
        _ => None,
    }
}

fn role(turn: &Value) -> Option<&str> {
    TURN_ROLE.iter().find_map(|&key| turn.get(key)).and_then(Value::as_str)
}

/// Whether a value is a list of turns that name their speaker.
pub(super) fn names_roles(value: &Value) -> bool {
    value.as_array().is_some_and(|turns| turns.iter().any(|turn| role(turn).and_then(canonical_role) == Some("user")))
}

/// The role under its usual name, of the names that chat formats have for it.
fn canonical_role(role: &str) -> Option<&'static str> {
    Some(match role.to_ascii_lowercase().as_str() {
        "user" | "human" | "prompter" | "customer" => "user",
        "assistant" | "gpt" | "chatgpt" | "bot" | "bard" | "model" | "agent" => "assistant",
        "system" | "developer" => "system",
        "tool" | "function" => "tool",
        _ => return None,
    })
}

/// A value in words, short enough for one line.
fn describe(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => format!("the number {number}"),
        Value::String(text) => {
            let start: String = text.chars().take(20).collect();
            format!("the string {start:?}{}", if start.len() < text.len() { "…" } else { "" })
        }
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    }
}
