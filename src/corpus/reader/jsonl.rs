//! JSONL: one JSON value a line. And how any JSON value becomes a row.
//!
//! An object is a row with its keys as columns. A list is a row with the columns `0`, `1`, …, a string a row with the
//! column `text`. Values of columns that are not wanted are checked but not built.

use std::fmt;
use std::io::BufRead;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use super::columns::{Cell, Columns, put};
use super::lines::{Line, Lines, content, original, too_long, utf8};
use super::text::TEXT_COLUMN;
use super::{RawRow, RowReader};
use crate::Result;
use crate::corpus::original::Original;

pub(super) struct Jsonl<R> {
    lines: Lines<R>,
    buffer: Vec<u8>,
    limit: usize,
}

impl<R: BufRead> Jsonl<R> {
    pub(super) fn new(reader: R, limit: usize) -> Self {
        Self { lines: Lines::new(reader, limit), buffer: Vec::new(), limit }
    }
}

impl<R: BufRead + Send> RowReader for Jsonl<R> {
    fn next_row(&mut self, columns: &mut Columns) -> Result<Option<RawRow>> {
        loop {
            self.buffer.clear();
            let cells = match self.lines.read(&mut self.buffer)? {
                Line::End => return Ok(None),
                Line::TooLong => Err(too_long(self.limit)),
                Line::Read if self.buffer.trim_ascii().is_empty() => continue,
                Line::Read => decode(content(&self.buffer), columns, Vec::new()),
            };
            return Ok(Some(RawRow { line: self.lines.number(), cells }));
        }
    }

    fn original(&self) -> Option<Original> {
        original(&self.buffer)
    }
}

/// One JSON value as a row, on top of the `cells` it begins with.
pub(super) fn decode(json: &[u8], columns: &mut Columns, cells: Vec<Cell>) -> Result<Vec<Cell>, String> {
    let json = utf8(json)?;
    let mut deserializer = serde_json::Deserializer::from_str(json);
    let row = RowSeed { columns, cells }.deserialize(&mut deserializer);
    row.and_then(|cells| deserializer.end().map(|()| cells)).map_err(|error| {
        let what = if error.is_data() { "unexpected JSON" } else { "invalid JSON" };
        format!("{what}: {}", error.to_string().replace(" at line 1 column ", " at column "))
    })
}

struct RowSeed<'a> {
    columns: &'a mut Columns,
    cells: Vec<Cell>,
}

impl<'de> DeserializeSeed<'de> for RowSeed<'_> {
    type Value = Vec<Cell>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Vec<Cell>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for RowSeed<'_> {
    type Value = Vec<Cell>;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("an object, a list or a string")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Vec<Cell>, A::Error> {
        while let Some(number) = map.next_key_seed(KeySeed(self.columns))? {
            match number {
                Some(number) => put(&mut self.cells, number, Cell::Json(map.next_value::<Value>()?)),
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(self.cells)
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<Vec<Cell>, A::Error> {
        let mut place = 0;
        while let Some(element) = seq.next_element_seed(ElementSeed { columns: self.columns, place })? {
            if let Some((number, value)) = element {
                put(&mut self.cells, number, Cell::Json(value));
            }
            place += 1;
        }
        Ok(self.cells)
    }

    fn visit_str<E>(mut self, text: &str) -> Result<Vec<Cell>, E> {
        if let Some(number) = self.columns.number(TEXT_COLUMN) {
            put(&mut self.cells, number, Cell::Json(Value::String(text.to_owned())));
        }
        Ok(self.cells)
    }
}

/// An element of a list, with the number of the column named by its place.
struct ElementSeed<'a> {
    columns: &'a mut Columns,
    place: usize,
}

impl<'de> DeserializeSeed<'de> for ElementSeed<'_> {
    type Value = Option<(usize, Value)>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        match self.columns.number(&self.place.to_string()) {
            Some(number) => Value::deserialize(deserializer).map(|value| Some((number, value))),
            None => IgnoredAny::deserialize(deserializer).map(|_| None),
        }
    }
}

/// A key, as the number of its column.
struct KeySeed<'a>(&'a mut Columns);

impl<'de> DeserializeSeed<'de> for KeySeed<'_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for KeySeed<'_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        Ok(self.0.number(name))
    }
}
