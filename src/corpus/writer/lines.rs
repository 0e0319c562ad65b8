//! Lines, and CSV records of several lines, as they stand in their files.

use std::io::{self, Write};

pub(super) struct Lines<W> {
    pub(super) writer: W,
    /// Whether the line written last has no terminator.
    open: bool,
    /// The terminator of the line before it, for that case.
    terminator: &'static [u8],
}

impl<W: Write> Lines<W> {
    pub(super) fn new(writer: W) -> Self {
        Self { writer, open: false, terminator: b"\n" }
    }

    /// Adds lines. A last line without a terminator gets one once others follow.
    pub(super) fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        if self.open {
            self.writer.write_all(self.terminator)?;
        }
        self.writer.write_all(lines)?;
        self.open = !lines.ends_with(b"\n");
        if !self.open {
            self.terminator = if lines.ends_with(b"\r\n") { b"\r\n" } else { b"\n" };
        }
        Ok(())
    }
}
