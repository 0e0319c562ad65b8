//! Copies rows as they stand, whatever their format.

use std::io::Write;
use std::mem::discriminant;

use super::json::{Array, Lists};
use super::lines::Lines;
use super::parquet::Parquet;
use crate::corpus::compression::Compressor;
use crate::corpus::original::Content;
use crate::corpus::reader::{Dialect, Footer, Layout};
use crate::corpus::{Compression, Corpus, Input, Original, cut};
use crate::{Error, Result};

/// Characters of a header or a schema that an error shows.
const SHOWN: usize = 300;

/// Writes a file of rows of a corpus, in the format they came in. Nothing is complete before [`CopyWriter::finish`].
///
/// - **JSONL, plain text, CSV, TSV**: lines and records as they stand, with their terminators; a byte order mark and
///   the header as they stand in the first file. All rows of a file give its bytes, but for blank lines.
/// - **JSON**: each row's own bytes, on a line of its own, in an array; of an object of lists, in the lists they came
///   from. A list without a row here is kept, empty, if the object has at most 1,000; what is no list is not kept.
/// - **Parquet**: all columns with the schema, the key-value metadata and the codec of the first file; a batch of rows
///   and a row group of 64 MiB are held.
///
/// ```no_run
/// # fn main() -> semcov::Result<()> {
/// use semcov::corpus::{Compression, CopyWriter, Corpus, CorpusOptions};
///
/// let corpus = Corpus::open_once(&["-".to_owned()], &CorpusOptions::default())?;
/// let mut short = CopyWriter::new(std::io::stdout(), &corpus, Compression::None)?;
/// for row in corpus.rows_with_originals() {
///     let (row, original) = row?;
///     if let (Ok(record), Some(original)) = (row.record, original)
///         && record.text.len() < 100
///     {
///         short.write(&original)?;
///     }
/// }
/// short.finish()?;
/// # Ok(())
/// # }
/// ```
#[must_use = "the file is not complete before it is finished"]
pub struct CopyWriter<W: Write + Send>(Format<W>);

enum Format<W: Write + Send> {
    Lines(Lines<Compressor<W>>),
    Array(Array<Compressor<W>>),
    Lists(Lists<Compressor<W>>),
    Parquet(Box<Parquet<Compressor<W>>>),
}

impl<W: Write + Send> CopyWriter<W> {
    /// Starts a file in `writer`, of the format of `corpus`. Nothing of its rows is read for it.
    ///
    /// # Errors
    /// If the files of the corpus do not go into one: other formats; CSV of other delimiters, quoting or columns;
    /// Parquet of other fields; several objects of lists. Empty files go with any. And if the writer fails.
    pub fn new(writer: W, corpus: &Corpus, compression: Compression) -> Result<Self> {
        let first = agreed(corpus)?;
        let mut writer = Compressor::new(writer, compression)?;
        if let Some(first) = first {
            writer.write_all(first.source.mark())?;
        }
        Ok(Self(match first.map(|first| (first, &first.layout)) {
            Some((_, Layout::JsonArray)) => Format::Array(Array::new(writer)?),
            Some((_, Layout::JsonLists(keys))) => Format::Lists(Lists::new(writer, keys.clone())?),
            Some((first, Layout::Parquet)) => {
                Format::Parquet(Box::new(Parquet::new(writer, Footer::read(&first.source)?)?))
            }
            Some((first, Layout::Delimited(_))) if !first.header.is_empty() => {
                let mut lines = Lines::new(writer);
                lines.write(&first.header)?;
                Format::Lines(lines)
            }
            _ => Format::Lines(Lines::new(writer)),
        }))
    }

    /// Adds a row of the corpus; rows come in the order in which they are read.
    ///
    /// # Errors
    /// If the writer fails, or the row is of a corpus of another format.
    pub fn write(&mut self, row: &Original) -> Result<()> {
        let fits = match (&mut self.0, row.content()) {
            (Format::Lines(lines), Content::Lines(bytes)) => lines.write(bytes).map(|()| true)?,
            (Format::Array(array), Content::Element(json)) => array.write(json).map(|()| true)?,
            (Format::Lists(lists), Content::Member(list, json)) => lists.write(list, json)?,
            (Format::Parquet(rows), Content::Row { batch, row, .. }) => rows.write(batch, *row)?,
            _ => false,
        };
        if fits { Ok(()) } else { Err(misplaced()) }
    }

    /// Hands on what is held of the rows so far; Parquet keeps the rows of the row group at hand.
    ///
    /// # Errors
    /// If the writer fails.
    pub fn flush(&mut self) -> Result<()> {
        match &mut self.0 {
            Format::Lines(lines) => lines.writer.flush()?,
            Format::Array(array) => array.writer.flush()?,
            Format::Lists(lists) => lists.writer.flush()?,
            Format::Parquet(_) => {}
        }
        Ok(())
    }

    /// Writes what is still held and what ends the file, and gives the writer back.
    ///
    /// # Errors
    /// If the writer fails.
    pub fn finish(self) -> Result<W> {
        let writer = match self.0 {
            Format::Lines(lines) => lines.writer,
            Format::Array(array) => array.finish()?,
            Format::Lists(lists) => lists.finish()?,
            Format::Parquet(rows) => rows.finish()?,
        };
        Ok(writer.finish()?)
    }
}

/// The input whose layout all others share; of inputs that are all empty, the first.
fn agreed(corpus: &Corpus) -> Result<Option<&Input>> {
    let mut inputs = corpus.inputs().iter().filter(|input| !matches!(input.layout, Layout::Empty));
    let Some(first) = inputs.next() else { return Ok(corpus.inputs().first()) };
    let mut schema = None;
    for other in inputs {
        let refuse = |expected: String, got: String| {
            Err(Error::Corpus {
                place: other.path().to_owned(),
                expected: format!("{expected}, as in {}", first.path()),
                got,
                help: "rows are copied as they stand: name files of one layout at a time".to_owned(),
            })
        };
        match (&first.layout, &other.layout) {
            (Layout::Delimited(one), Layout::Delimited(two)) if one != two => {
                return refuse(described(one), described(two));
            }
            (Layout::JsonLists(_), Layout::JsonLists(_)) => {
                return refuse("one object of lists".to_owned(), "another one".to_owned());
            }
            (Layout::Parquet, Layout::Parquet) => {
                let expected = match &mut schema {
                    Some(schema) => schema,
                    none => none.insert(Footer::read(&first.source)?.schema),
                };
                let found = Footer::read(&other.source)?.schema;
                if expected.fields() != found.fields() {
                    let shown = |schema: &arrow_schema::Schema| {
                        let fields: Vec<String> = schema.fields().iter().map(ToString::to_string).collect();
                        cut(&format!("the fields {}", fields.join(", ")), SHOWN)
                    };
                    return refuse(shown(expected), shown(&found));
                }
            }
            (one, two) if discriminant(one) != discriminant(two) => return refuse(one.to_string(), two.to_string()),
            _ => {}
        }
    }
    Ok(Some(first))
}

fn described(dialect: &Dialect) -> String {
    let quotes = if dialect.quoting { "quotes" } else { "no quotes" };
    let names = cut(&format!("{:?}", dialect.names), SHOWN);
    format!("{} with {quotes} and the columns {names}", Layout::Delimited(dialect.clone()))
}

fn misplaced() -> Error {
    Error::Corpus {
        place: "a copy of rows".to_owned(),
        expected: "the rows of the corpus that it was begun for, in their order".to_owned(),
        got: "another row".to_owned(),
        help: "begin a copy for every corpus".to_owned(),
    }
}
