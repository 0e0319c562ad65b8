//! What a file is, by its first MiB (a stream by its first 32 lines, if that is less); its name only decides where the
//! content leaves it open.

use std::fmt;
use std::path::Path;

use serde::de::IgnoredAny;
use serde_json::Value;

use super::delimited::{Dialect, FieldReader, Fields};
use super::json::ListKeys;
use super::source::{self, Source};
use crate::corpus::options::Format;
use crate::corpus::schema;
use crate::{Error, Result};

const SAMPLE_BYTES: usize = 1 << 20;
/// Lines and records looked at.
const SAMPLE_ROWS: usize = 200;
/// Delimiters in the order in which they are preferred where they split the rows equally well.
const DELIMITERS: [u8; 4] = [b'\t', b',', b';', b'|'];

/// The format of a file, with what is needed to read it.
#[derive(Clone, Debug)]
pub(in crate::corpus) enum Layout {
    /// Nothing but white space.
    Empty,
    Jsonl,
    /// An array of rows.
    JsonArray,
    /// An object whose members are lists of rows.
    JsonLists(ListKeys),
    Delimited(Dialect),
    Text,
    Parquet,
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("empty"),
            Self::Jsonl => f.write_str("JSONL"),
            Self::JsonArray => f.write_str("JSON array"),
            Self::JsonLists(_) => f.write_str("JSON object of lists"),
            Self::Text => f.write_str("plain text"),
            Self::Parquet => f.write_str("Parquet"),
            Self::Delimited(Dialect { delimiter, header, .. }) => {
                f.write_str(match delimiter {
                    b'\t' => "TSV",
                    b';' => "CSV (semicolons)",
                    b'|' => "CSV (vertical bars)",
                    _ => "CSV",
                })?;
                f.write_str(if *header { "" } else { " without header" })
            }
        }
    }
}

/// Finds out the layout. `wanted` are the columns the user named, which a header would have.
pub(in crate::corpus) fn detect(
    source: &Source,
    format: Option<Format>,
    header: Option<bool>,
    wanted: &[&str],
) -> Result<Layout> {
    let (bytes, complete) = source::start(source, SAMPLE_BYTES)?;
    let sample = Sample { bytes: &bytes, complete };
    if complete && bytes.trim_ascii().is_empty() {
        return Ok(Layout::Empty);
    }
    let format = match format {
        Some(format) => format,
        None if is_parquet(&bytes, None) => Format::Parquet,
        None => {
            refuse_binary(source, &bytes)?;
            match sample.json_format(&source.name).or_else(|| named_format(&source.name)) {
                Some(format) => format,
                None => return Ok(sample.table(header, wanted).map_or(Layout::Text, Layout::Delimited)),
            }
        }
    };
    Ok(match format {
        Format::Parquet => Layout::Parquet,
        Format::Jsonl => Layout::Jsonl,
        Format::Json if bytes.trim_ascii_start().first() == Some(&b'{') => Layout::JsonLists(ListKeys::default()),
        Format::Json => Layout::JsonArray,
        Format::Text => Layout::Text,
        Format::Csv => Layout::Delimited(sample.dialect(&DELIMITERS, header, wanted)),
        Format::Tsv => Layout::Delimited(sample.dialect(b"\t", header, wanted)),
    })
}

/// Whether a file that begins so is Parquet, by its content or as the user says.
pub(in crate::corpus) fn is_parquet(start: &[u8], format: Option<Format>) -> bool {
    format.map_or_else(|| start.starts_with(b"PAR1"), |format| format == Format::Parquet)
}

/// Content that cannot be rows of text, recognised by its first bytes, and the way out.
fn refuse_binary(source: &Source, bytes: &[u8]) -> Result<()> {
    const KNOWN: [(&[u8], &str, &str); 8] = [
        (b"\xff\xfe", "UTF-16 text", "convert it: `iconv -f UTF-16 -t UTF-8 FILE | semcov report -`"),
        (b"\xfe\xff", "UTF-16 text", "convert it: `iconv -f UTF-16 -t UTF-8 FILE | semcov report -`"),
        (b"\xfd7zXZ\0", "an xz file", "decompress it: `xz -dc FILE | semcov report -`"),
        (b"BZh", "a bzip2 file", "decompress it: `bzip2 -dc FILE | semcov report -`"),
        (b"PK\x03\x04", "a zip file", "unpack it and name the files in it"),
        (b"ARROW1", "an Arrow IPC file", "write it as Parquet"),
        (b"\x93NUMPY", "a NumPy array", "name the file of the rows; vectors are no rows"),
        (b"SQLite format 3\0", "an SQLite database", "export the table as CSV"),
    ];
    let known = KNOWN.iter().find(|(start, ..)| bytes.starts_with(start) && std::str::from_utf8(bytes).is_err());
    let (got, help) = match known {
        Some(&(_, got, help)) => (got, help),
        None if bytes.contains(&0) => ("binary data", "name files of text, or say what they are with `--input-format`"),
        None => return Ok(()),
    };
    Err(Error::Corpus {
        place: source.name.clone(),
        expected: "JSONL, JSON, CSV, TSV, Parquet or plain text, as such or compressed by gzip or zstd".to_owned(),
        got: got.to_owned(),
        help: help.to_owned(),
    })
}

/// The format that a file's name promises.
fn named_format(name: &str) -> Option<Format> {
    let name = name.to_ascii_lowercase();
    let name = [".gz", ".zst", ".zstd"].iter().find_map(|suffix| name.strip_suffix(suffix)).unwrap_or(&name);
    match Path::new(name).extension()?.to_str()? {
        "jsonl" | "ndjson" => Some(Format::Jsonl),
        "json" => Some(Format::Json),
        "csv" => Some(Format::Csv),
        "tsv" | "tab" => Some(Format::Tsv),
        "parquet" => Some(Format::Parquet),
        _ => None,
    }
}

/// The beginning of a file.
struct Sample<'a> {
    bytes: &'a [u8],
    /// Whether it is the whole file.
    complete: bool,
}

impl Sample<'_> {
    /// JSON or JSONL, where the content is either: JSONL if at least half of the lines are rows, JSON if it begins like
    /// a list or an object that goes on over several lines.
    fn json_format(&self, name: &str) -> Option<Format> {
        let mut lines: Vec<&[u8]> = self.bytes.split(|&byte| byte == b'\n').collect();
        if !self.complete {
            lines.pop();
        }
        lines.retain(|line| !line.trim_ascii().is_empty());
        lines.truncate(SAMPLE_ROWS);
        let rows = lines.iter().filter(|line| is_row(line)).count();
        if rows > 0 && rows * 2 >= lines.len() {
            // A single line that is a whole JSON file looks like a file of one row.
            let whole = if lines.len() == 1 && self.complete { serde_json::from_slice(lines[0]).ok() } else { None };
            return Some(if whole.is_some_and(|value| is_table(&value)) { Format::Json } else { Format::Jsonl });
        }
        let start = self.bytes.trim_ascii_start();
        match start.first()? {
            b'[' => {
                let mut values = serde_json::Deserializer::from_slice(&start[1..]).into_iter::<IgnoredAny>();
                let begins = match values.next() {
                    Some(Ok(_)) => {
                        let rest = start[1 + values.byte_offset()..].trim_ascii_start();
                        rest.first().is_none_or(|byte| matches!(byte, b',' | b']'))
                    }
                    Some(Err(error)) => error.is_eof() || start[1..].trim_ascii_start().starts_with(b"]"),
                    None => true,
                };
                begins.then_some(Format::Json)
            }
            b'{' => {
                let inner = start[1..].trim_ascii_start();
                let mut keys = serde_json::Deserializer::from_slice(inner).into_iter::<String>();
                let key = keys.next()?.ok()?;
                let value = inner[keys.byte_offset()..].trim_ascii_start().strip_prefix(b":")?.trim_ascii_start();
                // A first line beyond the sample is one long row, or a whole file of lists.
                let one_line = lines.is_empty() && !self.complete;
                let lists = value.first() == Some(&b'[') && !schema::holds_turns(&key);
                let named = named_format(name) == Some(Format::Jsonl);
                Some(if one_line && (named || !lists) { Format::Jsonl } else { Format::Json })
            }
            _ => None,
        }
    }

    /// A table in a file whose name does not say so. Prose has commas too: only tabs, or a header with a usual column
    /// name, make a table.
    fn table(&self, header: Option<bool>, wanted: &[&str]) -> Option<Dialect> {
        let (delimiter, records) = self.best_delimiter(&DELIMITERS).filter(|(_, records)| records.len() > 1)?;
        let dialect = self.with_names(delimiter, records, header, wanted);
        let known = dialect.header && dialect.names.iter().any(|name| schema::is_known(name) || matches(name, wanted));
        (delimiter == b'\t' || known).then_some(dialect)
    }

    fn dialect(&self, delimiters: &[u8], header: Option<bool>, wanted: &[&str]) -> Dialect {
        let (delimiter, records) = self.best_delimiter(delimiters).unwrap_or_else(|| {
            let delimiter = if delimiters.len() == 1 { delimiters[0] } else { b',' };
            (delimiter, self.records(delimiter, delimiter != b'\t'))
        });
        self.with_names(delimiter, records, header, wanted)
    }

    /// The delimiter that splits most rows into the same number of fields (at least two, in two rows of three).
    fn best_delimiter(&self, delimiters: &[u8]) -> Option<(u8, Vec<Fields>)> {
        let mut best: Option<(usize, usize, u8, Vec<Fields>)> = None;
        for &delimiter in delimiters {
            let records = self.records(delimiter, delimiter != b'\t');
            let (width, rows) = usual_width(&records);
            let share = rows * 1000 / records.len().max(1);
            let better = best.as_ref().is_none_or(|&(other_share, other, ..)| (share, width) > (other_share, other));
            if width >= 2 && share >= 666 && better {
                best = Some((share, width, delimiter, records));
            }
        }
        best.map(|(_, _, delimiter, records)| (delimiter, records))
    }

    /// Records at the beginning, without one that the sample cuts.
    fn records(&self, delimiter: u8, quoting: bool) -> Vec<Fields> {
        let mut reader = FieldReader::new(self.bytes, delimiter, quoting, self.bytes.len());
        let mut records = Vec::new();
        while records.len() < SAMPLE_ROWS {
            if let Ok(Some((_, fields))) = reader.next_record() {
                records.push(fields);
                continue;
            }
            if !self.complete {
                let cut = records.iter().position(Result::is_err).unwrap_or(records.len().saturating_sub(1));
                records.truncate(cut);
            }
            break;
        }
        records
    }

    /// Whether quotes quote in a file with tabs. By the letter they never do there, but spreadsheets write them so;
    /// they do if every field that begins with one ends with one, unless each line is a complete row as it stands.
    fn tabs_quoted(&self, literal: &[Fields]) -> bool {
        let begins_quoted = |field: &Vec<u8>| field.first() == Some(&b'"');
        if !literal.iter().flatten().flatten().any(begins_quoted) {
            return false;
        }
        let quoted = self.records(b'\t', true);
        let uniform = |records: &[Fields]| usual_width(records).1 == records.len();
        uniform(&quoted) && !(uniform(literal) && quoted.len() < literal.len().min(SAMPLE_ROWS))
    }

    fn with_names(&self, delimiter: u8, records: Vec<Fields>, header: Option<bool>, wanted: &[&str]) -> Dialect {
        let quoting = delimiter != b'\t' || self.tabs_quoted(&records);
        let records = if quoting && delimiter == b'\t' { self.records(delimiter, true) } else { records };
        let header = header.unwrap_or_else(|| has_header(&records, wanted));
        let mut names: Vec<String> = Vec::new();
        if let (true, Some(Ok(first))) = (header, records.first()) {
            for (place, field) in first.iter().enumerate() {
                let name = String::from_utf8_lossy(field).trim().to_owned();
                let name = if name.is_empty() { place.to_string() } else { name };
                names.push(if names.contains(&name) { format!("{name}_{place}") } else { name });
            }
        } else {
            names.extend((0..usual_width(&records).0).map(|place| place.to_string()));
        }
        Dialect { delimiter, quoting, header, names }
    }
}

/// The most frequent number of fields, and how many records have it.
fn usual_width(records: &[Fields]) -> (usize, usize) {
    let mut counts: Vec<(usize, usize)> = Vec::new();
    for record in records.iter().flatten() {
        match counts.iter_mut().find(|(width, _)| *width == record.len()) {
            Some((_, count)) => *count += 1,
            None => counts.push((record.len(), 1)),
        }
    }
    // The first of equals.
    counts.into_iter().rev().max_by_key(|&(_, count)| count).unwrap_or((1, 0))
}

/// Whether the first record names the columns: it has a usual or a wanted name, or its fields look like names (short,
/// distinct, never a value of their own column) over a column of longer texts or of numbers.
fn has_header(records: &[Fields], wanted: &[&str]) -> bool {
    let Some((Ok(first), rest)) = records.split_first() else { return false };
    let Some(first) = first.iter().map(|field| std::str::from_utf8(field).ok()).collect::<Option<Vec<_>>>() else {
        return false;
    };
    if first.iter().any(|name| schema::is_known(name) || matches(name, wanted)) {
        return true;
    }
    let distinct = first.iter().enumerate().all(|(place, name)| !first[..place].contains(name));
    let column = |place: usize| rest.iter().flatten().filter_map(move |fields| fields.get(place));
    let recurs = |(place, name): (usize, &&str)| column(place).any(|field| field == name.as_bytes());
    let over_longer_texts = |(place, name): (usize, &&str)| {
        let (total, count) = column(place).fold((0, 0), |(total, count), field| (total + field.len(), count + 1));
        count > 0 && total >= count * 20.max(2 * name.len())
    };
    let over_numbers = |(place, _): (usize, &&str)| {
        let is_number = |field: &[u8]| std::str::from_utf8(field).is_ok_and(|field| field.parse::<f64>().is_ok());
        column(place).next().is_some() && column(place).all(|field| is_number(field))
    };
    first.len() > 1
        && distinct
        && first.iter().all(|name| looks_like_a_name(name))
        && !first.iter().enumerate().any(recurs)
        && (first.iter().enumerate().any(over_longer_texts) || first.iter().enumerate().any(over_numbers))
}

fn looks_like_a_name(field: &str) -> bool {
    field.len() <= 40
        && field.split_whitespace().count() <= 3
        && field.starts_with(|c: char| c.is_alphabetic() || c == '_')
        && field.chars().all(|c| c.is_alphanumeric() || " _-.#()/".contains(c))
}

/// Whether a header names one of the columns wanted, or the column into which a wanted path leads.
fn matches(name: &str, wanted: &[&str]) -> bool {
    let name = name.trim();
    wanted.iter().any(|path| {
        path.eq_ignore_ascii_case(name)
            || path.split_once('.').is_some_and(|(first, _)| first.eq_ignore_ascii_case(name))
    })
}

fn is_row(line: &[u8]) -> bool {
    matches!(line.trim_ascii_start().first(), Some(b'{' | b'[')) && serde_json::from_slice::<IgnoredAny>(line).is_ok()
}

/// Whether a JSON value is a whole table rather than one row: a list, or an object of nothing but lists of rows.
fn is_table(value: &Value) -> bool {
    let rows = |value: &Value| {
        value.as_array().is_some_and(|rows| rows.iter().all(|row| row.is_object() || row.is_array() || row.is_string()))
    };
    match value {
        Value::Array(_) => true,
        Value::Object(members) => {
            !members.is_empty() && members.iter().all(|(key, value)| rows(value) && !schema::holds_turns(key))
        }
        _ => false,
    }
}
