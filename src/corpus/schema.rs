//! Which columns of a file are used: those the user named, or else those of the usual schemas.
//!
//! Recognised from the first rows of each file, in this order:
//!
//! | columns | text |
//! |---|---|
//! | `instruction` with `input`, `output` or `response` (Alpaca) | `{instruction}\n{input?}` |
//! | `instruction` with `instances` (Self-Instruct) | `{instruction}\n{instances.0.input?}` |
//! | `text` | it |
//! | `messages`, `conversations`, `conversation`, `dialog`, `turns`: lists of turns | the user's turns, a line each; all turns where none is the user's |
//! | `question`, `prompt`, `query`, … (the constant `TEXT`) | the first of them |
//! | a single column of strings that is none of the others | it |
//! | columns without names | the one with the longest texts; of two, the other is the label if its values recur |
//!
//! What is asked is the text, not what is answered: coverage is about the requests that a model will have seen.
//! Names are compared without case, with `-` and blanks as `_`.

use std::collections::HashSet;

use serde_json::Value;

use super::column::{ColumnPath, names_roles};
use super::dedup::ContentHash;
use super::options::CorpusOptions;
use super::reader::{Cell, Columns, Layout, RowReader};
use super::template::{BoundTemplate, TextTemplate};
use crate::{Error, Result};

/// Columns that are lists of turns.
const TURNS: [&str; 6] = ["messages", "conversations", "conversation", "dialog", "dialogue", "turns"];
/// Columns of texts, in the order of preference.
const TEXT: [&str; 14] = [
    "question",
    "prompt",
    "instruction",
    "query",
    "utterance",
    "sentence",
    "message",
    "body",
    "content",
    "input",
    "passage",
    "document",
    "description",
    "original",
];
const ID: [&str; 11] =
    ["id", "_id", "uid", "uuid", "guid", "question_id", "task_id", "prompt_id", "example_id", "record_id", "doc_id"];
const LABEL: [&str; 6] = ["label", "intent", "category", "class", "topic", "label_text"];
const SOURCE: [&str; 5] = ["source", "data_source", "dataset", "dataset_name", "origin"];
const LICENCE: [&str; 9] = [
    "license",
    "licence",
    "license_id",
    "licence_id",
    "license_name",
    "licence_name",
    "spdx",
    "spdx_id",
    "spdx_license",
];
/// Columns that mark generated records.
const SYNTHETIC: [&str; 4] = ["synthetic", "is_synthetic", "generated", "is_generated"];
/// Columns that are never the text, beside ids, labels, sources and licences.
const OTHER: [&str; 12] =
    ["split", "set", "subset", "lang", "language", "url", "date", "time", "timestamp", "created_at", "model", "name"];
/// Answers: what is left beside them is the text, they are not.
const ANSWER: [&str; 7] = ["output", "answer", "response", "completion", "target", "chosen", "rejected"];

/// Text looked at.
const SAMPLE_BYTES: usize = 8 << 20;

fn folded(name: &str) -> String {
    name.trim().to_lowercase().replace(['-', ' '], "_")
}

/// Whether a column of this name is recognised on its own.
pub(super) fn is_known(name: &str) -> bool {
    let name = folded(name);
    name == "text"
        || [&TURNS[..], &TEXT, &ID, &LABEL, &SOURCE, &LICENCE, &SYNTHETIC]
            .iter()
            .any(|names| names.contains(&name.as_str()))
}

/// Whether a column of this name holds turns of a conversation.
pub(super) fn holds_turns(name: &str) -> bool {
    TURNS.contains(&folded(name).as_str())
}

/// How the rows of a file become records.
#[derive(Debug)]
pub(super) struct Binding {
    /// The columns read.
    pub(super) columns: Vec<String>,
    pub(super) text: BoundTemplate,
    pub(super) id: Option<ColumnPath>,
    pub(super) source: Option<ColumnPath>,
    pub(super) label: Option<ColumnPath>,
    pub(super) licence: Option<ColumnPath>,
    pub(super) group: Option<ColumnPath>,
    pub(super) synthetic: Option<ColumnPath>,
    pub(super) vectors: Option<ColumnPath>,
    /// What was bound, as words: `text = …, id = …`.
    pub(super) described: String,
}

/// What the first rows of a file have in one column.
#[derive(Debug, Default)]
struct Seen {
    strings: u64,
    /// Strings that are numbers, as in CSV.
    numeric: u64,
    scalars: u64,
    turns: u64,
    user_turns: u64,
    floats: u64,
    others: u64,
    bytes: usize,
    distinct: HashSet<ContentHash>,
}

impl Seen {
    fn add(&mut self, cell: &Cell) {
        match cell {
            Cell::Absent | Cell::Json(Value::Null) => {}
            Cell::Floats(_) => self.floats += 1,
            Cell::Json(Value::String(text)) => {
                self.strings += 1;
                self.numeric += u64::from(text.is_empty() || text.trim().parse::<f64>().is_ok());
                self.bytes += text.len();
                self.distinct.insert(ContentHash::of_bytes(text.as_bytes()));
            }
            Cell::Json(Value::Number(_) | Value::Bool(_)) => self.scalars += 1,
            Cell::Json(value) => match value.as_array() {
                Some(items) if items.iter().all(|item| item.is_string() || item.is_object()) => {
                    self.turns += 1;
                    self.user_turns += u64::from(names_roles(value));
                }
                _ => self.others += 1,
            },
        }
    }

    fn has_strings(&self) -> bool {
        self.strings > 0
    }

    /// Whether it could be text without being named so.
    fn is_text(&self) -> bool {
        self.strings > self.numeric
    }

    fn is_name(&self) -> bool {
        self.strings + self.scalars > 0 && self.turns + self.floats + self.others == 0
    }

    fn kind(&self) -> &'static str {
        let kinds = [
            (self.strings, "string"),
            (self.scalars, "number"),
            (self.turns + self.floats, "list"),
            (self.others, "nested"),
        ];
        let mut seen = kinds.iter().filter(|(count, _)| *count > 0).map(|(_, kind)| *kind);
        match (seen.next(), seen.next()) {
            (Some(kind), None) => kind,
            (Some(_), Some(_)) => "mixed",
            (None, _) => "null",
        }
    }
}

/// The first rows of a file.
#[derive(Debug)]
pub(super) struct Observed {
    names: Vec<String>,
    seen: Vec<Seen>,
    /// Readable rows looked at.
    pub(super) rows: u64,
    /// The first unreadable row: its line and the reason.
    pub(super) first_bad: Option<(u64, String)>,
}

impl Observed {
    /// Reads the first rows, at most so many. An error ends the look at a file, and is met again when it is read.
    pub(super) fn of(reader: &mut dyn RowReader, first_rows: usize) -> Result<Self> {
        let mut columns = Columns::all();
        let mut observed = Self { names: Vec::new(), seen: Vec::new(), rows: 0, first_bad: None };
        let mut looked = 0;
        let mut bytes = 0;
        while looked < first_rows && bytes < SAMPLE_BYTES {
            let row = match reader.next_row(&mut columns) {
                Ok(Some(row)) => row,
                Ok(None) => break,
                Err(_) if observed.rows > 0 => break,
                Err(error) => return Err(error),
            };
            looked += 1;
            match row.cells {
                Ok(cells) => {
                    observed.rows += 1;
                    observed.seen.resize_with(columns.names().len(), Seen::default);
                    for (seen, cell) in observed.seen.iter_mut().zip(&cells) {
                        let before = seen.bytes;
                        seen.add(cell);
                        bytes += seen.bytes - before;
                    }
                }
                Err(reason) => {
                    observed.first_bad.get_or_insert((row.line, reason));
                }
            }
        }
        observed.names = columns.names().to_vec();
        observed.seen.resize_with(observed.names.len(), Seen::default);
        Ok(observed)
    }

    /// Decides on the columns. `file` is for messages.
    pub(super) fn bind(&self, file: &str, layout: &Layout, options: &CorpusOptions) -> Result<Binding> {
        let roles = Roles::new(self, options);
        let template = match &options.text {
            Some(template) => template.clone(),
            None if self.rows == 0 => TextTemplate::column("text"),
            None => match self.recognise_text(&roles) {
                Some(template) => template,
                // Vectors can stand alone.
                None if options.vectors.is_some() => TextTemplate::none(),
                None => return Err(self.no_text(file)),
            },
        };
        let label = match &options.label {
            None if options.text.is_none() => roles.label.clone().or_else(|| self.unnamed_label(layout, &template)),
            _ => roles.label.clone(),
        };
        let mut columns: Vec<String> = Vec::new();
        let mut path = |flag: &str, name: &str, needed: bool| {
            let (column, rest) = match self.find(name) {
                Some(found) => found,
                None if needed && self.rows > 0 => return Err(self.no_column(file, flag, name)),
                None => name.split_once('.').map_or((name, ""), |(column, rest)| (column, rest)),
            };
            let number = columns.iter().position(|known| known == column).unwrap_or_else(|| {
                columns.push(column.to_owned());
                columns.len() - 1
            });
            Ok(ColumnPath::new(name, number, rest))
        };
        let text = template.bind(|name, optional| path("text", name, !optional))?;
        let mut described =
            if template == TextTemplate::none() { "no text".to_owned() } else { format!("text = {template}") };
        let mut named = |flag: &'static str, name: Option<&String>| {
            let Some(name) = name else { return Ok(None) };
            described.extend([", ", &flag.replace('-', "_"), " = ", name]);
            path(flag, name, true).map(Some)
        };
        let id = named("id", roles.id.as_ref())?;
        let label = named("label", label.as_ref())?;
        let source = named("source", roles.source.as_ref())?;
        let licence = named("licence", roles.licence.as_ref())?;
        let group = named("group-by", options.group_by.as_ref())?;
        let synthetic = named("synthetic", roles.synthetic.as_ref())?;
        let vectors = named("vectors", options.vectors.as_ref())?;
        Ok(Binding { columns, text, id, source, label, licence, group, synthetic, vectors, described })
    }

    /// The column a name means, exactly or else in any case, and the path into its values.
    fn find<'a>(&'a self, name: &'a str) -> Option<(&'a str, &'a str)> {
        let whole = std::iter::once((name, ""));
        let steps = name.rmatch_indices('.').map(|(dot, _)| (&name[..dot], &name[dot + 1..]));
        let prefixes: Vec<(&str, &str)> = whole.chain(steps).collect();
        let exact = prefixes.iter().find_map(|&(column, rest)| {
            self.names.iter().find(|known| *known == column).map(|known| (known.as_str(), rest))
        });
        exact.or_else(|| {
            prefixes.iter().find_map(|&(column, rest)| {
                let mut known = self.names.iter().filter(|known| folded(known) == folded(column));
                known.next().filter(|_| known.next().is_none()).map(|known| (known.as_str(), rest))
            })
        })
    }

    /// The column with one of these names, the first first, that is as it should be.
    fn first_of(&self, names: &[&str], fits: impl Fn(&Seen) -> bool) -> Option<&str> {
        names.iter().find_map(|wanted| {
            let mut columns = self.names.iter().zip(&self.seen);
            columns.find(|(name, seen)| folded(name) == *wanted && fits(seen)).map(|(name, _)| name.as_str())
        })
    }

    fn recognise_text(&self, roles: &Roles) -> Option<TextTemplate> {
        let template = |source: String| source.parse::<TextTemplate>().ok();
        if let Some(instruction) = self.first_of(&["instruction"], Seen::has_strings) {
            if let Some(input) = self.first_of(&["input"], |seen| seen.turns + seen.others == 0) {
                return template(format!("{{{instruction}}}\\n{{{input}?}}"));
            }
            if let Some(instances) = self.first_of(&["instances"], |seen| seen.turns > 0) {
                return template(format!("{{{instruction}}}\\n{{{instances}.0.input?}}"));
            }
            if self.first_of(&["output", "response"], |_| true).is_some() {
                return Some(TextTemplate::column(instruction));
            }
        }
        if let Some(text) = self.first_of(&["text"], Seen::has_strings) {
            return Some(TextTemplate::column(text));
        }
        let turns = self.first_of(&TURNS, |seen| seen.turns > 0);
        if let Some(turns) = turns.or_else(|| self.first_of(&["prompt", "input"], |seen| seen.user_turns > 0)) {
            let of_user = self.first_of(&[folded(turns).as_str()], |seen| seen.user_turns > 0).is_some();
            return Some(TextTemplate::column(if of_user { format!("{turns}.user") } else { turns.to_owned() }));
        }
        if let Some(text) = self.first_of(&TEXT, Seen::has_strings) {
            return Some(TextTemplate::column(text));
        }
        let free = self.names.iter().zip(&self.seen).filter(|(name, seen)| {
            let folded = folded(name);
            let other = [&ID[..], &LABEL, &SOURCE, &LICENCE, &SYNTHETIC, &OTHER, &ANSWER]
                .iter()
                .any(|names| names.contains(&folded.as_str()));
            seen.is_text() && !other && !roles.uses(name)
        });
        let free: Vec<(&String, &Seen)> = free.collect();
        match free.as_slice() {
            [(only, _)] => Some(TextTemplate::column(only.as_str())),
            [_, ..] if free.iter().all(|(name, _)| is_unnamed(name)) => {
                let longest = free.iter().rev().max_by_key(|(_, seen)| seen.bytes / (seen.strings.max(1) as usize));
                longest.map(|(name, _)| TextTemplate::column(name.as_str()))
            }
            _ => None,
        }
    }

    /// Of rows with two columns without names, one of which is the text: the other, if its values recur.
    fn unnamed_label(&self, layout: &Layout, text: &TextTemplate) -> Option<String> {
        let named = |name: &str| !is_unnamed(name);
        let mut unnamed = self.names.iter().zip(&self.seen).filter(|(name, _)| is_unnamed(name));
        let pair = [unnamed.next()?, unnamed.next()?];
        let others = self.names.iter().filter(|name| named(name)).count();
        // The key of a list is a column beside them.
        let expected_others = usize::from(matches!(layout, Layout::JsonLists(_)));
        if unnamed.next().is_some() || others != expected_others {
            return None;
        }
        let text = text.columns().next().map(|(name, _)| name)?;
        let (label, seen) = pair.into_iter().find(|(name, _)| *name != text)?;
        let recurs = seen.distinct.len() as u64 * 2 <= seen.strings;
        (recurs && seen.is_name()).then(|| label.clone())
    }

    fn listed(&self) -> String {
        const SHOWN: usize = 20;
        let columns = self.names.iter().zip(&self.seen).take(SHOWN);
        let columns: Vec<String> = columns.map(|(name, seen)| format!("{name} ({})", seen.kind())).collect();
        let more = self.names.len().saturating_sub(SHOWN);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        if columns.is_empty() { "none".to_owned() } else { format!("{}{more}", columns.join(", ")) }
    }

    fn no_text(&self, file: &str) -> Error {
        let mut texts = self.names.iter().zip(&self.seen).filter(|(_, seen)| seen.is_text()).map(|(name, _)| name);
        let help = match (texts.next(), texts.next()) {
            (Some(one), Some(other)) => {
                format!("name it: `--text {one}`, or several: `--text '{{{one}}}\\n{{{other}}}'`")
            }
            (Some(one), None) => format!("name it: `--text {one}`"),
            (None, _) => "name the column with `--text COLUMN`; `a.b` reaches into nested values".to_owned(),
        };
        Error::Corpus {
            place: file.to_owned(),
            expected: "a column that is recognised as the text".to_owned(),
            got: format!("the columns {}", self.listed()),
            help,
        }
    }

    fn no_column(&self, file: &str, flag: &str, name: &str) -> Error {
        let wanted = folded(name);
        let near = self.names.iter().map(|known| (edit_distance(&folded(known), &wanted), known));
        let near =
            near.filter(|(distance, known)| *distance <= known.chars().count().max(wanted.chars().count()).div_ceil(3));
        let help = near.min_by_key(|(distance, _)| *distance).map_or_else(
            || format!("name one of these with `--{flag} COLUMN`"),
            |(_, known)| format!("did you mean `--{flag} {known}`?"),
        );
        Error::Corpus {
            place: file.to_owned(),
            expected: format!("a column {name:?}"),
            got: format!("the columns {}", self.listed()),
            help,
        }
    }
}

/// The columns that are not the text: as named, or recognised.
struct Roles {
    id: Option<String>,
    label: Option<String>,
    source: Option<String>,
    licence: Option<String>,
    synthetic: Option<String>,
    /// Columns the user named for anything.
    named: Vec<String>,
}

impl Roles {
    fn new(observed: &Observed, options: &CorpusOptions) -> Self {
        let of_text: Vec<String> =
            options.text.iter().flat_map(TextTemplate::columns).map(|(name, _)| folded(name)).collect();
        let role = |named: &Option<String>, usual: &[&str]| {
            let free: Vec<&str> =
                usual.iter().copied().filter(|name| !of_text.iter().any(|used| used == name)).collect();
            named.clone().or_else(|| observed.first_of(&free, Seen::is_name).map(str::to_owned))
        };
        Self {
            id: role(&options.id, &ID),
            label: role(&options.label, &LABEL),
            source: role(&options.source, &SOURCE),
            licence: role(&options.licence, &LICENCE),
            synthetic: role(&options.synthetic, &SYNTHETIC),
            named: options.columns().into_iter().flatten().cloned().collect(),
        }
    }

    fn uses(&self, name: &str) -> bool {
        self.named.iter().any(|named| folded(named) == folded(name))
    }
}

/// Whether a column has its place for a name.
fn is_unnamed(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit())
}

/// Levenshtein distance.
fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, &y) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}
