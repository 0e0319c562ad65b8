//! JSON: an array of rows, or an object of lists of rows, a row a line, each with its own bytes.

use std::io::{self, Write};

use crate::corpus::original::ListKey;
use crate::corpus::reader::ListKeys;

pub(super) struct Array<W> {
    pub(super) writer: W,
    /// Elements written.
    rows: u64,
}

impl<W: Write> Array<W> {
    pub(super) fn new(mut writer: W) -> io::Result<Self> {
        writer.write_all(b"[")?;
        Ok(Self { writer, rows: 0 })
    }

    pub(super) fn write(&mut self, json: &[u8]) -> io::Result<()> {
        element(&mut self.writer, &mut self.rows, json)
    }

    pub(super) fn finish(mut self) -> io::Result<W> {
        close(&mut self.writer, self.rows, b"]\n")?;
        Ok(self.writer)
    }
}

pub(super) struct Lists<W> {
    pub(super) writer: W,
    keys: ListKeys,
    /// Lists of the input that were begun or passed over; the last of them is open if it was begun.
    begun: usize,
    /// Lists written.
    written: u64,
    /// Elements written of the open list; `None` before the first.
    rows: Option<u64>,
}

impl<W: Write> Lists<W> {
    pub(super) fn new(mut writer: W, keys: ListKeys) -> io::Result<Self> {
        writer.write_all(b"{")?;
        Ok(Self { writer, keys, begun: 0, written: 0, rows: None })
    }

    /// Adds a row; `false` if its list was closed before.
    pub(super) fn write(&mut self, list: &ListKey, json: &[u8]) -> io::Result<bool> {
        if list.number >= self.begun {
            while self.begun < list.number {
                self.begin_known()?;
            }
            self.begin(&list.key)?;
        }
        match &mut self.rows {
            Some(rows) if list.number + 1 == self.begun => element(&mut self.writer, rows, json)?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    pub(super) fn finish(mut self) -> io::Result<W> {
        while self.begin_known()? {}
        self.end()?;
        close(&mut self.writer, self.written, b"}\n")?;
        Ok(self.writer)
    }

    /// Begins the next list of the input, which has no row here, if its key is known.
    fn begin_known(&mut self) -> io::Result<bool> {
        let key = self.keys.get(self.begun);
        match &key {
            Some(key) => self.begin(key)?,
            None => self.begun += 1,
        }
        Ok(key.is_some())
    }

    fn begin(&mut self, key: &str) -> io::Result<()> {
        self.end()?;
        let key = format!("{}: [", serde_json::Value::from(key));
        element(&mut self.writer, &mut self.written, key.as_bytes())?;
        self.rows = Some(0);
        self.begun += 1;
        Ok(())
    }

    fn end(&mut self) -> io::Result<()> {
        self.rows.take().map_or(Ok(()), |rows| close(&mut self.writer, rows, b"]"))
    }
}

/// Writes an element on a line of its own.
fn element(writer: &mut impl Write, before: &mut u64, json: &[u8]) -> io::Result<()> {
    writer.write_all(if *before == 0 { b"\n" } else { b",\n" })?;
    *before += 1;
    writer.write_all(json)
}

/// Writes a closing bracket, below the elements if there are any.
fn close(writer: &mut impl Write, elements: u64, bracket: &[u8]) -> io::Result<()> {
    if elements > 0 {
        writer.write_all(b"\n")?;
    }
    writer.write_all(bracket)
}
