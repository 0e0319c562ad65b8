//! JSON files: an array of rows, or an object whose lists hold rows, read row by row.
//!
//! The brackets between rows are followed here, each row's own bytes are left to the JSON parser, so that a row that
//! is no valid JSON costs that row only. Of an object of lists, the key of its list is the column `split` of every row
//! that has no such column of its own; members that are no lists are not rows and are passed over.

use std::io::{self, BufRead};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;

use super::columns::{Cell, Columns, put};
use super::jsonl::decode;
use super::lines::too_long;
use super::{RawRow, RowReader};
use crate::Result;
use crate::corpus::original::{Content, ListKey, Original};

/// The column that holds the key of a row's list.
pub(super) const SPLIT_COLUMN: &str = "split";

/// The keys of an object's lists, in their order, as far as it was read: for writers, to which lists may come without
/// a row. At most 1,000, none of them longer than 1,000 bytes: where there are more, keys name rows.
#[derive(Clone, Debug, Default)]
pub(in crate::corpus) struct ListKeys(Arc<Mutex<Vec<Arc<str>>>>);

impl ListKeys {
    const LIMIT: usize = 1000;

    fn note(&self, list: &ListKey) {
        let mut keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if keys.len() == list.number && keys.len() < Self::LIMIT && list.key.len() <= Self::LIMIT {
            keys.push(Arc::clone(&list.key));
        }
    }

    /// The key of list `number`, if it is known.
    pub(in crate::corpus) fn get(&self, number: usize) -> Option<Arc<str>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(number).cloned()
    }
}

pub(super) struct Json<R> {
    reader: R,
    state: State,
    /// Of an object of lists, where its keys are noted.
    keys: Option<ListKeys>,
    /// Lists met in objects.
    lists: usize,
    split: Option<ListKey>,
    rows: u64,
    buffer: Vec<u8>,
    limit: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Outside any value.
    Top,
    /// In an object, before a key.
    Object,
    /// In a list of rows, before a row.
    Row,
    /// In a list of rows, after a row.
    AfterRow,
    /// Nothing more can be read.
    Done,
}

impl<R: BufRead> Json<R> {
    /// With `keys`, the layout is an object of lists, else an array.
    pub(super) fn new(reader: R, keys: Option<ListKeys>, limit: usize) -> Self {
        Self { reader, state: State::Top, keys, lists: 0, split: None, rows: 0, buffer: Vec::new(), limit }
    }

    fn row(&mut self, cells: Result<Vec<Cell>, String>) -> RawRow {
        self.rows += 1;
        RawRow { line: self.rows, cells }
    }

    /// A bad row after which nothing more can be made out.
    fn lost(&mut self, reason: &str) -> RawRow {
        self.state = State::Done;
        self.buffer.clear();
        self.row(Err(reason.to_owned()))
    }

    /// The next byte that is not white space, not consumed.
    fn peek(&mut self) -> io::Result<Option<u8>> {
        loop {
            let bytes = self.reader.fill_buf()?;
            if bytes.is_empty() {
                return Ok(None);
            }
            let blank = bytes.iter().position(|byte| !byte.is_ascii_whitespace());
            let (blank, found) = blank.map_or((bytes.len(), None), |at| (at, Some(bytes[at])));
            self.reader.consume(blank);
            if found.is_some() {
                return Ok(found);
            }
        }
    }

    /// Reads the value that begins here into the buffer: up to its closing bracket or quote, or up to what ends a
    /// number or a word.
    fn read_value(&mut self, limit: usize) -> io::Result<Extent> {
        self.buffer.clear();
        let mut too_long = false;
        let mut depth = 0_usize;
        let mut in_string = false;
        let mut escaped = false;
        let mut first = true;
        loop {
            let bytes = self.reader.fill_buf()?;
            if bytes.is_empty() {
                return Ok(Extent::Cut);
            }
            let mut taken = bytes.len();
            let mut complete = false;
            for (at, &byte) in bytes.iter().enumerate() {
                if in_string {
                    match byte {
                        _ if escaped => escaped = false,
                        b'\\' => escaped = true,
                        b'"' => in_string = false,
                        _ => {}
                    }
                    complete = !in_string && depth == 0;
                } else {
                    match byte {
                        b'"' if depth > 0 || first => in_string = true,
                        b'{' | b'[' if depth > 0 || first => depth += 1,
                        b'}' | b']' if depth > 0 => {
                            depth -= 1;
                            complete = depth == 0;
                        }
                        b',' | b':' | b'}' | b']' | b'{' | b'[' | b'"' | b' ' | b'\t' | b'\r' | b'\n'
                            if depth == 0 && !first =>
                        {
                            taken = at;
                            complete = true;
                            break;
                        }
                        _ => {}
                    }
                }
                first = false;
                if complete {
                    taken = at + 1;
                    break;
                }
            }
            if self.buffer.len() + taken > limit {
                too_long = true;
                self.buffer = Vec::new();
            }
            if !too_long {
                self.buffer.extend_from_slice(&bytes[..taken]);
            }
            self.reader.consume(taken);
            if complete {
                return Ok(if too_long { Extent::TooLong } else { Extent::Complete });
            }
        }
    }

    /// Reads `"key":` and, if a list follows, its opening bracket. `false` if something else stands here.
    fn read_key(&mut self) -> io::Result<bool> {
        if self.read_value(self.limit)? != Extent::Complete {
            return Ok(false);
        }
        let Ok(key) = serde_json::from_slice::<String>(&self.buffer) else { return Ok(false) };
        if self.peek()? != Some(b':') {
            return Ok(false);
        }
        self.reader.consume(1);
        match self.peek()? {
            Some(b'[') => {
                self.reader.consume(1);
                let list = ListKey { number: self.lists, key: key.into() };
                if let Some(keys) = &self.keys {
                    keys.note(&list);
                }
                self.lists += 1;
                self.split = Some(list);
                self.state = State::Row;
            }
            Some(b',' | b':' | b'}' | b']') | None => return Ok(false),
            // Not a list of rows: passed over without being held.
            Some(_) => return Ok(self.read_value(0)? != Extent::Cut),
        }
        Ok(true)
    }
}

/// How [`Json::read_value`] ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Extent {
    Complete,
    TooLong,
    /// By the end of the file.
    Cut,
}

impl<R: BufRead + Send> RowReader for Json<R> {
    fn next_row(&mut self, columns: &mut Columns) -> Result<Option<RawRow>> {
        loop {
            let byte = match self.state {
                State::Done => return Ok(None),
                _ => self.peek()?,
            };
            match (self.state, byte) {
                (State::Top, None) => return Ok(None),
                (_, None) => return Ok(Some(self.lost("the file ends before its last bracket is closed"))),
                (State::Top, Some(b'[')) => (self.state, self.split) = (State::Row, None),
                (State::Top, Some(b'{')) | (State::Object, Some(b',')) => self.state = State::Object,
                (State::Object, Some(b'}')) => self.state = State::Top,
                (State::Object, Some(b'"')) => {
                    if !self.read_key()? {
                        return Ok(Some(self.lost("expected a key and a list of rows, got something else")));
                    }
                    continue;
                }
                (State::Top | State::Object | State::Done, Some(byte)) => {
                    let reason = format!("expected a list of rows, got {:?}", char::from(byte));
                    return Ok(Some(self.lost(&reason)));
                }
                (State::Row | State::AfterRow, Some(b']')) => {
                    self.state = if self.split.is_some() { State::Object } else { State::Top };
                }
                (State::AfterRow, Some(b',')) => self.state = State::Row,
                (State::Row | State::AfterRow, Some(byte @ (b',' | b':' | b'}'))) => {
                    self.reader.consume(1);
                    self.buffer.clear();
                    return Ok(Some(self.row(Err(format!("expected a row, got {:?}", char::from(byte))))));
                }
                (State::Row | State::AfterRow, Some(_)) => {
                    let cells = match self.read_value(self.limit)? {
                        Extent::Cut => return Ok(Some(self.lost("the file ends within this row"))),
                        Extent::TooLong => Err(too_long(self.limit)),
                        Extent::Complete if self.state == State::AfterRow => {
                            Err("invalid JSON: expected `,` before this row".to_owned())
                        }
                        Extent::Complete => {
                            let mut cells = Vec::new();
                            if let Some(list) = &self.split
                                && let Some(number) = columns.number(SPLIT_COLUMN)
                            {
                                put(&mut cells, number, Cell::Json(Value::String(list.key.as_ref().to_owned())));
                            }
                            decode(&self.buffer, columns, cells)
                        }
                    };
                    self.state = State::AfterRow;
                    return Ok(Some(self.row(cells)));
                }
            }
            self.reader.consume(1);
        }
    }
    fn original(&self) -> Option<Original> {
        let json = || self.buffer.clone();
        match (&self.keys, &self.split) {
            _ if self.buffer.is_empty() => None,
            (None, None) => Some(Original::new(Content::Element(json()))),
            (Some(_), Some(list)) => Some(Original::new(Content::Member(list.clone(), json()))),
            // A list after an object, or an object after a list.
            _ => None,
        }
    }
}
