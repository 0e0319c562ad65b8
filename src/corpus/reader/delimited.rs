//! CSV and TSV (RFC 4180): quoted delimiters, newlines and doubled quotes.
//!
//! Read with a parser of our own because nothing may be lost: a quote that is opened and never closed, or closed in
//! the middle of a field, makes its first line a bad row, and reading goes on with the next line, where the usual
//! parsers silently swallow the rows up to the next quote.

use std::io::{self, BufRead};

use serde_json::Value;

use super::columns::{Cell, Columns, put};
use super::lines::{Line, Lines, content, original, too_long, utf8};
use super::{RawRow, RowReader};
use crate::Result;
use crate::corpus::original::Original;

/// How the fields of a file are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::corpus) struct Dialect {
    /// Between fields.
    pub(in crate::corpus) delimiter: u8,
    /// Whether `"` quotes.
    pub(in crate::corpus) quoting: bool,
    /// Whether the first row names the columns.
    pub(in crate::corpus) header: bool,
    /// Column names: of the header, or `0`, `1`, ….
    pub(in crate::corpus) names: Vec<String>,
}

/// Fields of one record, or why there are none.
pub(super) type Fields = Result<Vec<Vec<u8>>, String>;

/// Reads records: the raw fields and the line on which they begin.
pub(super) struct FieldReader<R> {
    lines: Lines<R>,
    delimiter: u8,
    quoting: bool,
    limit: usize,
    /// The lines of the record read last, with their terminators, and what was looked at behind them.
    buffer: Vec<u8>,
    record_bytes: usize,
    /// Lines up to this one were tried as part of a record that failed. Read again they are records of one line, so
    /// that no line is read more than twice.
    tried: u64,
}

impl<R: BufRead> FieldReader<R> {
    pub(super) fn new(reader: R, delimiter: u8, quoting: bool, limit: usize) -> Self {
        let lines = Lines::new(reader, limit);
        Self { lines, delimiter, quoting, limit, buffer: Vec::new(), record_bytes: 0, tried: 0 }
    }

    /// The lines of the record read last, of which a bad one has one; none if it was above the limit.
    fn record(&self) -> &[u8] {
        &self.buffer[..self.record_bytes]
    }

    /// The next record; blank lines are no records.
    pub(super) fn next_record(&mut self) -> io::Result<Option<(u64, Fields)>> {
        loop {
            self.buffer.clear();
            match self.lines.read(&mut self.buffer)? {
                Line::End => return Ok(None),
                Line::TooLong => {
                    self.record_bytes = 0;
                    return Ok(Some((self.lines.number(), Err(too_long(self.limit)))));
                }
                Line::Read if content(&self.buffer).is_empty() => {}
                Line::Read if self.quoting && self.buffer.contains(&b'"') => return self.quoted_record().map(Some),
                Line::Read => {
                    self.record_bytes = self.buffer.len();
                    let fields = content(&self.buffer).split(|&byte| byte == self.delimiter).map(<[u8]>::to_vec);
                    return Ok(Some((self.lines.number(), Ok(fields.collect()))));
                }
            }
        }
    }

    /// The record that begins with the line in the buffer, and may go on over further lines.
    fn quoted_record(&mut self) -> io::Result<(u64, Fields)> {
        let first = self.lines.number();
        let first_end = self.buffer.len();
        let mut parser = FieldParser::default();
        let mut parsed = 0;
        let mut too_long = false;
        let (reason, tried) = loop {
            let line = &self.buffer[parsed..];
            let text = content(line);
            if !parser.feed(text, self.delimiter) {
                // The record may be one that begins with this very line, and goes on.
                break ("expected the field to end after its closing quote, got more text", self.lines.number() - 1);
            }
            if parser.state != FieldState::Quoted {
                parser.end_field();
                self.record_bytes = self.buffer.len();
                return Ok((first, Ok(parser.fields)));
            }
            parser.field.extend_from_slice(&line[text.len()..]);
            parsed = self.buffer.len();
            if first <= self.tried {
                break ("a quote opened in this row is never closed", self.tried);
            }
            if parsed > self.limit {
                break ("a quote opened in this row is not closed within the longest row allowed", self.lines.number());
            }
            match self.lines.read(&mut self.buffer)? {
                Line::Read => {}
                Line::TooLong => {
                    too_long = true;
                    break ("a quote opened in this row is not closed before an overlong line", self.lines.number());
                }
                Line::End => break ("a quote opened in this row is never closed", self.lines.number()),
            }
        };
        self.record_bytes = first_end;
        self.tried = self.tried.max(tried);
        self.lines.unread(&self.buffer[first_end..], too_long, first + 1);
        Ok((first, Err(reason.to_owned())))
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum FieldState {
    #[default]
    Start,
    Unquoted,
    Quoted,
    /// After a quote within a quoted field: it ends the field, or is the first of a doubled one.
    QuoteInQuoted,
}

#[derive(Debug, Default)]
struct FieldParser {
    state: FieldState,
    field: Vec<u8>,
    fields: Vec<Vec<u8>>,
}

impl FieldParser {
    /// Goes on over (the rest of) a record without its line end; `false` where a quote is misplaced.
    fn feed(&mut self, text: &[u8], delimiter: u8) -> bool {
        for &byte in text {
            self.state = match (self.state, byte) {
                (FieldState::Quoted, b'"') => FieldState::QuoteInQuoted,
                (FieldState::Start, b'"') => FieldState::Quoted,
                (FieldState::Quoted, _) | (FieldState::QuoteInQuoted, b'"') => {
                    self.field.push(byte);
                    FieldState::Quoted
                }
                (_, byte) if byte == delimiter => {
                    self.end_field();
                    FieldState::Start
                }
                (FieldState::QuoteInQuoted, _) => return false,
                (FieldState::Start | FieldState::Unquoted, _) => {
                    self.field.push(byte);
                    FieldState::Unquoted
                }
            };
        }
        true
    }

    fn end_field(&mut self) {
        self.fields.push(std::mem::take(&mut self.field));
    }
}

/// Rows of a CSV or TSV file.
pub(super) struct Delimited<R> {
    records: FieldReader<R>,
    dialect: Dialect,
    header_due: bool,
    header: Vec<u8>,
}

impl<R: BufRead> Delimited<R> {
    pub(super) fn new(reader: R, dialect: Dialect, limit: usize) -> Self {
        let records = FieldReader::new(reader, dialect.delimiter, dialect.quoting, limit);
        Self { records, header_due: dialect.header, header: Vec::new(), dialect }
    }
}

impl<R: BufRead + Send> RowReader for Delimited<R> {
    fn next_row(&mut self, columns: &mut Columns) -> Result<Option<RawRow>> {
        if std::mem::take(&mut self.header_due) {
            self.records.next_record()?;
            self.header = self.records.record().to_vec();
        }
        let Some((line, fields)) = self.records.next_record()? else { return Ok(None) };
        let width = self.dialect.names.len();
        let cells = fields.and_then(|fields| {
            if fields.len() != width {
                return Err(format!("expected {width} columns, got {}", fields.len()));
            }
            let mut cells = Vec::new();
            for (name, field) in self.dialect.names.iter().zip(fields) {
                if let Some(number) = columns.number(name) {
                    let text = utf8(&field).map_err(|reason| format!("column {name}: {reason}"))?;
                    put(&mut cells, number, Cell::Json(Value::String(text.to_owned())));
                }
            }
            Ok(cells)
        });
        Ok(Some(RawRow { line, cells }))
    }

    fn original(&self) -> Option<Original> {
        original(self.records.record())
    }

    fn header(&self) -> &[u8] {
        &self.header
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(text: &str, limit: usize) -> Vec<(u64, Result<Vec<String>, String>)> {
        let mut reader = FieldReader::new(text.as_bytes(), b',', true, limit);
        std::iter::from_fn(|| reader.next_record().unwrap())
            .map(|(line, fields)| {
                let text = |field: Vec<u8>| String::from_utf8(field).unwrap();
                (line, fields.map(|fields| fields.into_iter().map(text).collect()))
            })
            .collect()
    }

    #[expect(clippy::unnecessary_wraps, reason = "it is compared with results")]
    fn ok(fields: &[&str]) -> Result<Vec<String>, String> {
        Ok(fields.iter().map(|&field| field.to_owned()).collect())
    }

    #[test]
    fn quotes_newlines_and_line_ends() {
        let text = "a,\"b,\"\"x\"\"\r\nc\",\r\n\r\n\"\",5\" tall,z\n\"last\"";
        let expected = [(1, ok(&["a", "b,\"x\"\r\nc", ""])), (4, ok(&["", "5\" tall", "z"])), (5, ok(&["last"]))];
        assert_eq!(records(text, 1000), expected);
    }

    #[test]
    fn lines_that_never_close_their_quote_take_linear_time() {
        let rows = records(&"a\",\"b\n".repeat(50_000), 1 << 30);
        assert_eq!(rows.len(), 50_000);
        assert!(rows.iter().all(|(_, row)| row.as_ref().unwrap_err().contains("never closed")));
    }

    #[test]
    fn a_record_of_several_lines_is_read_after_a_stray_quote() {
        let rows = records("a,\"b\nc,d\ne,\"f\ng\"\n", 1000);
        assert_eq!(rows[1..], [(2, ok(&["c", "d"])), (3, ok(&["e", "f\ng"]))]);
    }

    #[test]
    fn a_stray_quote_costs_one_row() {
        let rows = records("a,\"b\nc,d\ne,f\n", 1000);
        assert!(rows[0].0 == 1 && rows[0].1.as_ref().unwrap_err().contains("never closed"));
        assert_eq!(rows[1..], [(2, ok(&["c", "d"])), (3, ok(&["e", "f"]))]);
        let rows = records("a,\"b\nc,d\ne,\"f\"\n", 1000);
        assert!(rows[0].0 == 1 && rows[0].1.as_ref().unwrap_err().contains("closing quote"));
        assert_eq!(rows[1..], [(2, ok(&["c", "d"])), (3, ok(&["e", "f"]))]);
        let rows = records("a,\"b\nc,d\ne,f\ng,h\ni,j\n", 10);
        assert!(rows[0].1.as_ref().unwrap_err().contains("longest row"));
        assert_eq!(rows.len(), 5);
        let rows = records("a,\"b\nc,d\n01234567890\ni,j\n", 10);
        assert!(rows[0].1.as_ref().unwrap_err().contains("overlong") && rows[2].1.is_err());
        assert_eq!((&rows[1], &rows[3]), (&(2, ok(&["c", "d"])), &(4, ok(&["i", "j"]))));
    }
}
