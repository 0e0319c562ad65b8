//! A corpus: files opened and understood, to be read any number of times.

use std::io::Read;
use std::iter::FusedIterator;

use super::inputs::{self, STDIN};
use super::options::CorpusOptions;
use super::original::Original;
use super::reader::{self, Cell, Columns, Layout, Purpose, RowReader, Source};
use super::schema::{Binding, Observed};
use super::{BadRow, Compression, Record, TextTemplate};
use crate::{Error, Result};

/// A stream of records read from files in bounded memory: one row at a time (of Parquet, 512), none above 64 MiB.
///
/// ```no_run
/// # fn main() -> semcov::Result<()> {
/// use semcov::corpus::{Corpus, CorpusOptions};
///
/// let corpus = Corpus::open(&["drops/*.jsonl.zst".to_owned()], &CorpusOptions::default())?;
/// for row in corpus.records() {
///     match row?.record {
///         Ok(record) => println!("{}: {}", record.id, record.text),
///         Err(bad) => eprintln!("{bad}"),
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Corpus {
    inputs: Vec<Input>,
}

/// One file of a corpus, or standard input.
#[derive(Debug)]
pub struct Input {
    pub(super) source: Source,
    pub(super) layout: Layout,
    /// The row that names the columns, as it stands in the file.
    pub(super) header: Vec<u8>,
    binding: Binding,
    recognised: String,
}

/// One row of a corpus.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Index into [`Corpus::inputs`].
    pub input: usize,
    /// Line (text formats) or row (JSON array, Parquet) of that input, from 1.
    pub line: u64,
    /// The record, or why the row is not one.
    pub record: Result<Record, BadRow>,
}

impl Corpus {
    /// Opens files, patterns (`data/*.jsonl`, their files sorted) and `-` for standard input, and finds out what each
    /// holds from its first rows.
    ///
    /// Standard input and pipes are copied to a temporary file, because a corpus is read more than once.
    ///
    /// # Errors
    /// A file that is missing, a folder, a pattern without files, content in no known format, a text column that is
    /// not recognised, or a named column that is not there.
    pub fn open(inputs: &[String], options: &CorpusOptions) -> Result<Self> {
        Self::open_with_stdin(inputs, options, std::io::stdin())
    }

    /// [`Corpus::open`] with something else for standard input.
    ///
    /// # Errors
    /// Like [`Corpus::open`].
    pub fn open_with_stdin(inputs: &[String], options: &CorpusOptions, stdin: impl Read) -> Result<Self> {
        let stdin = || Source::spooled(STDIN.to_owned(), stdin);
        Self::of(inputs::open(inputs, stdin, Source::spooled)?, options)
    }

    /// [`Corpus::open`] for one reading: standard input and pipes are not copied, and their rows come as they come in.
    ///
    /// Of these, the first 32 rows are looked at, and the first 32 lines where rows have none of their own (of a single
    /// line the first MiB). They are held until they are read, 65 MiB at most; the first row comes once they are there,
    /// or the input ends. Files are opened as by [`Corpus::open`], and so is Parquet from a pipe, which cannot be read
    /// from front to back.
    ///
    /// # Errors
    /// Like [`Corpus::open`]. A second reading of standard input or a pipe, even of its beginning, is an error.
    pub fn open_once(inputs: &[String], options: &CorpusOptions) -> Result<Self> {
        Self::open_once_with_stdin(inputs, options, std::io::stdin())
    }

    /// [`Corpus::open_once`] with something else for standard input.
    ///
    /// # Errors
    /// Like [`Corpus::open_once`].
    pub fn open_once_with_stdin(
        inputs: &[String],
        options: &CorpusOptions,
        stdin: impl Read + Send + 'static,
    ) -> Result<Self> {
        let not_in_order = |start: &[u8]| reader::is_parquet(start, options.format);
        let stdin = || Source::stream(STDIN.to_owned(), stdin, not_in_order);
        let piped = |name, file| Source::stream(name, file, not_in_order);
        Self::of(inputs::open(inputs, stdin, piped)?, options)
    }

    fn of(sources: Vec<Source>, options: &CorpusOptions) -> Result<Self> {
        let inputs = sources.into_iter().map(|source| Input::recognise(source, options));
        Ok(Self { inputs: inputs.collect::<Result<_>>()? })
    }

    /// The files, in the order in which they are read.
    #[must_use]
    pub fn inputs(&self) -> &[Input] {
        &self.inputs
    }

    /// Reads all rows, from the beginning, in the same order at every call. An error ends the iteration: a file that
    /// cannot be read on, or that is cut off.
    #[must_use]
    pub fn records(&self) -> Records<'_> {
        self.read(Purpose::Rows)
    }

    /// Reads all rows like [`Corpus::records`], each with its original, to be copied by a [`super::CopyWriter`]. Of
    /// Parquet, all columns are read, not only those of the records.
    ///
    /// A bad row has an original as well: the line, or the JSON value. It has none where it was too long to be held, or
    /// is only the place where something else than a row was met, such as the end of a file within a row.
    #[must_use]
    pub fn rows_with_originals(&self) -> RowsWithOriginals<'_> {
        RowsWithOriginals(self.read(Purpose::Originals))
    }

    fn read(&self, purpose: Purpose) -> Records<'_> {
        Records { inputs: &self.inputs, purpose, input: 0, open: None, failed: false }
    }
}

impl Input {
    fn recognise(source: Source, options: &CorpusOptions) -> Result<Self> {
        let wanted = options.columns().into_iter().flatten().map(String::as_str);
        let of_text = options.text.iter().flat_map(TextTemplate::columns).map(|(name, _)| name);
        let wanted: Vec<&str> = of_text.chain(wanted).collect();
        let layout = reader::detect(&source, options.format, options.header, &wanted)?;
        let mut rows = reader::open(&source, &layout, &Columns::all(), Purpose::Recognise)?;
        let observed =
            Observed::of(rows.as_mut(), source.first_rows()).map_err(|error| in_source(&source, error, 0))?;
        let problem = |expected: &str, got: String, help: &str| Error::Corpus {
            place: source.name.clone(),
            expected: expected.to_owned(),
            got,
            help: help.to_owned(),
        };
        match &observed.first_bad {
            _ if observed.rows > 0 => {}
            Some((line, reason)) if options.text.is_none() => {
                let got = format!("no readable row; the first, on line {line}: {reason}");
                let help = "if this is another format, say so with `--input-format`";
                return Err(problem(&format!("rows of {layout}"), got, help));
            }
            None if matches!(layout, Layout::JsonLists(_)) => {
                let help = "write one object a line (JSONL), or a list of objects";
                return Err(problem("an object of lists of rows", "an object without".to_owned(), help));
            }
            _ => {}
        }
        let binding = observed.bind(&source.name, &layout, options)?;
        let compression = match source.compression {
            Compression::None => String::new(),
            compression => format!(" ({compression})"),
        };
        let recognised = if observed.rows == 0 && observed.first_bad.is_none() {
            format!("{layout}{compression}, no rows")
        } else {
            format!("{layout}{compression}, {}", binding.described)
        };
        let header = rows.header().to_vec();
        Ok(Self { source, layout, header, binding, recognised })
    }

    /// The path as the user named it; `-` for standard input.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.source.name
    }

    /// What was recognised: `JSONL (zstd), text = {instruction}\n{input?}, id = id, label = category`.
    #[must_use]
    pub fn recognised(&self) -> &str {
        &self.recognised
    }

    /// A row's record. A row without an id is named by its place in its file.
    fn record(&self, line: u64, cells: &[Cell]) -> Result<Record, String> {
        let Binding { text, id, source, label, licence, group, synthetic, vectors, .. } = &self.binding;
        let name =
            |path: &Option<_>| path.as_ref().map_or(Ok(None), |path: &super::column::ColumnPath| path.name_in(cells));
        Ok(Record {
            text: text.render(cells)?,
            id: name(id)?.unwrap_or_else(|| format!("{}:{line}", self.source.name)),
            source: name(source)?,
            label: name(label)?,
            licence: name(licence)?,
            group: name(group)?,
            synthetic: name(synthetic)?.is_some_and(|value| is_yes(&value)),
            vector: vectors.as_ref().map(|path| path.vector_in(cells)).transpose()?.flatten(),
        })
    }
}

/// Whether a mark says yes: anything but the usual ways to say no. So a column that names the generator marks as well.
fn is_yes(mark: &str) -> bool {
    !["false", "0", "no", "n", "none", "null", "human", "real"].contains(&mark.trim().to_lowercase().as_str())
}

/// The rows of a [`Corpus`], see [`Corpus::records`].
pub struct Records<'a> {
    inputs: &'a [Input],
    purpose: Purpose,
    input: usize,
    open: Option<Open>,
    failed: bool,
}

/// The file being read.
struct Open {
    reader: Box<dyn RowReader>,
    columns: Columns,
    line: u64,
}

impl Records<'_> {
    fn next_row(&mut self) -> Result<Option<Row>> {
        while let Some(input) = self.inputs.get(self.input) {
            let open = match &mut self.open {
                Some(open) => open,
                none => {
                    let columns = Columns::only(input.binding.columns.clone());
                    let reader = reader::open(&input.source, &input.layout, &columns, self.purpose)?;
                    none.insert(Open { reader, columns, line: 0 })
                }
            };
            let row = open.reader.next_row(&mut open.columns);
            let Some(row) = row.map_err(|error| in_source(&input.source, error, open.line))? else {
                self.open = None;
                self.input += 1;
                continue;
            };
            open.line = row.line;
            let record = row.cells.and_then(|cells| input.record(row.line, &cells));
            let bad = |reason| BadRow { file: input.source.name.clone(), line: row.line, reason };
            return Ok(Some(Row { input: self.input, line: row.line, record: record.map_err(bad) }));
        }
        Ok(None)
    }
}

impl Iterator for Records<'_> {
    type Item = Result<Row>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let row = self.next_row();
        self.failed = row.is_err();
        row.transpose()
    }
}

impl FusedIterator for Records<'_> {}

/// The rows of a [`Corpus`] with their originals, see [`Corpus::rows_with_originals`].
pub struct RowsWithOriginals<'a>(Records<'a>);

impl Iterator for RowsWithOriginals<'_> {
    type Item = Result<(Row, Option<Original>)>;

    fn next(&mut self) -> Option<Self::Item> {
        let row = self.0.next()?;
        let original = self.0.open.as_ref().and_then(|open| open.reader.original());
        Some(row.map(|row| (row, original)))
    }
}

impl FusedIterator for RowsWithOriginals<'_> {}

/// Says of an I/O error which file it is about.
fn in_source(source: &Source, error: Error, line: u64) -> Error {
    match error {
        Error::Io(error) => source.failure(error, line),
        error => error,
    }
}
