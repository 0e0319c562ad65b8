//! Lines of bytes in bounded memory.

use std::io::{self, BufRead, Read};

use crate::corpus::original::{Content, Original};

/// What [`Lines::read`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// A line, in the buffer, with its terminator.
    Read,
    /// A line above the limit; it was skipped.
    TooLong,
    /// The end of the file.
    End,
}

/// Reads lines and counts them.
pub(super) struct Lines<R> {
    reader: R,
    number: u64,
    limit: usize,
    /// Lines given back, from `unread_at` on.
    unread: Vec<u8>,
    unread_at: usize,
    /// Whether a line above the limit came after the lines given back.
    unread_too_long: bool,
}

impl<R: BufRead> Lines<R> {
    pub(super) fn new(reader: R, limit: usize) -> Self {
        Self { reader, number: 0, limit, unread: Vec::new(), unread_at: 0, unread_too_long: false }
    }

    /// The number of the line read last, from 1.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// Appends the next line to `buffer`.
    pub(super) fn read(&mut self, buffer: &mut Vec<u8>) -> io::Result<Line> {
        if self.unread_at < self.unread.len() {
            let rest = &self.unread[self.unread_at..];
            let length = rest.iter().position(|&byte| byte == b'\n').map_or(rest.len(), |end| end + 1);
            buffer.extend_from_slice(&rest[..length]);
            self.unread_at += length;
            self.number += 1;
            return Ok(Line::Read);
        }
        if std::mem::take(&mut self.unread_too_long) {
            self.number += 1;
            return Ok(Line::TooLong);
        }
        let before = buffer.len();
        let read = (&mut self.reader).take(self.limit as u64 + 1).read_until(b'\n', buffer)?;
        if read == 0 {
            return Ok(Line::End);
        }
        self.number += 1;
        if read > self.limit {
            if buffer.last() != Some(&b'\n') {
                self.reader.skip_until(b'\n')?;
            }
            buffer.truncate(before);
            buffer.shrink_to(64 << 10);
            return Ok(Line::TooLong);
        }
        Ok(Line::Read)
    }

    /// Gives back the lines read last, and a line above the limit after them: they will be read again, the first of
    /// them as line `number`.
    pub(super) fn unread(&mut self, lines: &[u8], too_long_after: bool, number: u64) {
        self.unread_too_long |= too_long_after;
        if self.unread[..self.unread_at].ends_with(lines) {
            self.unread_at -= lines.len();
        } else {
            self.unread = [lines, &self.unread[self.unread_at..]].concat();
            self.unread_at = 0;
        }
        self.number = number - 1;
    }
}

/// A line without its `\n` or `\r\n`.
pub(super) fn content(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// The original of a row in these lines; `None` where there are none, since they were above the limit.
pub(super) fn original(lines: &[u8]) -> Option<Original> {
    (!lines.is_empty()).then(|| Original::new(Content::Lines(lines.to_vec())))
}

/// Why a line above the limit is a bad row.
pub(super) fn too_long(limit: usize) -> String {
    format!("expected at most {limit} bytes, got a longer row")
}

/// Bytes as text, or why they are not.
pub(super) fn utf8(bytes: &[u8]) -> Result<&str, String> {
    std::str::from_utf8(bytes).map_err(|error| format!("invalid UTF-8 at byte {}", error.valid_up_to() + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_are_skipped_and_counted() {
        let mut lines = Lines::new(&b"12345\n1234\r\n123\n1234567890"[..], 6);
        let mut buffer = Vec::new();
        let mut seen = Vec::new();
        loop {
            buffer.clear();
            match lines.read(&mut buffer).unwrap() {
                Line::End => break,
                line => seen.push((lines.number(), line, content(&buffer).to_vec())),
            }
        }
        let expected = [
            (1, Line::Read, b"12345".to_vec()),
            (2, Line::Read, b"1234".to_vec()),
            (3, Line::Read, b"123".to_vec()),
            (4, Line::TooLong, Vec::new()),
        ];
        assert_eq!(seen, expected);
    }

    #[test]
    fn lines_given_back_are_read_again() {
        let mut lines = Lines::new(&b"a\nb\nc\nd\n"[..], 100);
        let mut buffer = Vec::new();
        for _ in 0..3 {
            lines.read(&mut buffer).unwrap();
        }
        lines.unread(&buffer[2..], false, 2);
        lines.unread(b"", true, 2);
        buffer.clear();
        let mut too_long = 0;
        loop {
            match lines.read(&mut buffer).unwrap() {
                Line::Read => {}
                Line::TooLong => too_long = lines.number(),
                Line::End => break,
            }
        }
        assert_eq!(buffer, b"b\nc\nd\n");
        assert_eq!((too_long, lines.number()), (4, 5));
    }
}
