//! What becomes of rows that could not be read.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Result;
use semcov::Error;
use semcov::corpus::BadRow;
use semcov::embed::BadRowLimit;

use crate::console::Console;
use crate::output::OutputFile;

/// The rows of a corpus that could not be read: listed in a file, where one is asked for, and counted.
pub(crate) struct BadRows<'c> {
    console: &'c Console,
    file: Option<(PathBuf, OutputFile)>,
    limit: BadRowLimit,
    first: Option<BadRow>,
    bad: u64,
    rows: u64,
}

impl<'c> BadRows<'c> {
    pub(crate) fn new(path: Option<&Path>, limit: BadRowLimit, console: &'c Console) -> Result<Self> {
        let file = path.map(|path| Ok::<_, Error>((path.to_owned(), OutputFile::create(path)?))).transpose()?;
        Ok(Self { console, file, limit, first: None, bad: 0, rows: 0 })
    }

    pub(crate) fn list(&mut self, bad: &BadRow) -> semcov::Result<()> {
        self.console.detail(bad);
        if let Some((_, file)) = &mut self.file {
            let line = serde_json::json!({"file": bad.file, "line": bad.line, "reason": bad.reason});
            writeln!(file, "{line}")?;
        }
        Ok(())
    }

    /// Lists and counts a bad row.
    pub(crate) fn add(&mut self, bad: &BadRow) -> semcov::Result<()> {
        self.list(bad)?;
        self.first.get_or_insert_with(|| bad.clone());
        self.bad += 1;
        Ok(())
    }

    /// Counts rows, bad ones included, and fails once no good row to come could make up for the bad ones.
    pub(crate) fn seen(&mut self, rows: u64) -> Result<()> {
        self.rows += rows;
        match self.limit {
            BadRowLimit::Rows(_) => self.judge(false),
            BadRowLimit::Percent(_) => Ok(()),
        }
    }

    /// Fails if too many of all rows were bad. The list is kept either way: it says why.
    pub(crate) fn finish(mut self) -> Result<()> {
        let outcome = self.judge(true);
        self.commit()?;
        outcome
    }

    /// Whether too many rows were bad; or all of them, once `all` are read.
    fn judge(&mut self, all: bool) -> Result<()> {
        let all = all && self.bad > 0 && self.bad == self.rows;
        if !all && !self.limit.is_exceeded(self.bad, self.rows) {
            return Ok(());
        }
        self.commit()?;
        let allowed = if all { format!("{}, but never all,", self.limit) } else { self.limit.to_string() };
        let first = self.first.as_ref().map(ToString::to_string).unwrap_or_default();
        Err(Error::TooManyBadRows { bad: self.bad, rows: self.rows, allowed, first }.into())
    }

    pub(crate) fn commit(&mut self) -> Result<()> {
        if let Some((path, file)) = self.file.take() {
            file.commit()?;
            self.console.note(format_args!("wrote {}", path.display()));
        }
        Ok(())
    }
}
