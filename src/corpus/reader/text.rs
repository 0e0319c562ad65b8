//! Plain text: one record a line, in the column `text`; blank lines are no records.

use std::io::BufRead;

use serde_json::Value;

use super::columns::{Cell, Columns, put};
use super::lines::{Line, Lines, content, original, too_long, utf8};
use super::{RawRow, RowReader};
use crate::Result;
use crate::corpus::original::Original;

/// The one column of plain text, and of JSON rows that are strings.
pub(super) const TEXT_COLUMN: &str = "text";

pub(super) struct Text<R> {
    lines: Lines<R>,
    buffer: Vec<u8>,
    limit: usize,
}

impl<R: BufRead> Text<R> {
    pub(super) fn new(reader: R, limit: usize) -> Self {
        Self { lines: Lines::new(reader, limit), buffer: Vec::new(), limit }
    }
}

impl<R: BufRead + Send> RowReader for Text<R> {
    fn next_row(&mut self, columns: &mut Columns) -> Result<Option<RawRow>> {
        loop {
            self.buffer.clear();
            let cells = match self.lines.read(&mut self.buffer)? {
                Line::End => return Ok(None),
                Line::TooLong => Err(too_long(self.limit)),
                Line::Read => utf8(content(&self.buffer)).map(|text| {
                    let mut cells = Vec::new();
                    if let Some(number) = columns.number(TEXT_COLUMN).filter(|_| !text.trim().is_empty()) {
                        put(&mut cells, number, Cell::Json(Value::String(text.to_owned())));
                    }
                    cells
                }),
            };
            if cells.as_ref().is_ok_and(Vec::is_empty) {
                continue;
            }
            return Ok(Some(RawRow { line: self.lines.number(), cells }));
        }
    }

    fn original(&self) -> Option<Original> {
        original(&self.buffer)
    }
}
