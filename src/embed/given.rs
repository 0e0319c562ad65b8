//! A corpus that brings its vectors: a column of them, or an `.npy` file beside the rows.

use super::encoder::GIVEN;
use super::tally::{OnBadRow, Tally};
use super::{EmbedOptions, EmbeddedCorpus, EncoderId, Pooling};
use crate::corpus::{BadRow, ContentHash, Record, Row, normalize};
use crate::progress::Progress;
use crate::vectors::{self, NpyReader, VectorStore};
use crate::{Error, Result};

/// Takes the vectors that the records bring ([`Record::vector`]) instead of embedding their texts, which may be empty.
///
/// The first vector decides how long all have to be. Vectors of another length, with components that are not finite,
/// or of length zero are bad rows, and so are records with a text and no vector. Two records are duplicates if text and
/// vector are equal. The vectors lie in a temporary file, normalized and rounded to f16. `column` names where they came
/// from: the result's encoder is `vectors:COLUMN`.
///
/// # Errors
/// What `rows` and `on_bad_row` fail with, [`Error::TooManyBadRows`], [`Error::Corpus`] if no record has a vector, and
/// [`Error::Io`] if the temporary folder cannot be written.
pub fn given_vectors(
    rows: impl IntoIterator<Item = Result<Row>>,
    column: &str,
    options: &EmbedOptions<'_>,
    progress: &dyn Progress,
    on_bad_row: OnBadRow<'_>,
) -> Result<EmbeddedCorpus> {
    let mut tally = Tally::new(options, progress, on_bad_row);
    let mut store: Option<(EncoderId, VectorStore)> = None;
    for row in rows {
        let Row { input, line, record } = row?;
        let mut record = match record {
            Ok(record) => record,
            Err(bad) => {
                tally.add_bad(bad)?;
                continue;
            }
        };
        if tally.leaves_out(&record) {
            continue;
        }
        let text = normalize(&record.text).into_owned();
        let dim = store.as_ref().map(|(encoder, _)| encoder.dim);
        let mut vector = match check_vector(&record, dim) {
            Ok(true) => record.vector.take().unwrap_or_default(),
            Ok(false) => {
                tally.add_empty(input, &record);
                continue;
            }
            Err(reason) => {
                let file = options.inputs.get(input).cloned().unwrap_or_default();
                tally.add_bad(BadRow { file, line, reason })?;
                continue;
            }
        };
        let hash = ContentHash::of_pair(&text, &vector);
        if let Some(number) = tally.add_text(input, &record, hash) {
            if store.is_none() {
                let encoder = encoder_id(column, vector.len());
                let opened = VectorStore::temporary(&encoder)?;
                store = Some((encoder, opened));
            }
            if let Some((_, store)) = &mut store {
                vectors::normalize(&mut vector);
                tally.place(number, store.appender.append(hash, &vector, 0, 0)?);
            }
            tally.done(1);
        }
    }
    tally.judge()?;
    let Some((encoder, store)) = store else {
        return Err(Error::Corpus {
            place: format!("vectors:{column}"),
            expected: "a vector in at least one row".to_owned(),
            got: format!("none in {} rows", tally.counts.rows),
            help: "name the column of vectors with `--vectors COLUMN`, or leave the option out".to_owned(),
        });
    };
    tally.finish(encoder, store)
}

/// What stands for the encoder of vectors that the corpus brought.
fn encoder_id(column: &str, dim: usize) -> EncoderId {
    EncoderId {
        name: format!("{GIVEN}{column}"),
        weights: String::new(),
        pooling: Pooling::Mean,
        prompt: String::new(),
        max_tokens: 0,
        dim,
        precision: "f32".to_owned(),
    }
}

/// Whether a record brings a vector that can be used; a record without text need not. A zero vector is none.
///
/// # Errors
/// Why the row is bad, as a lower-case fragment: a text without vector, or a vector of another length than `dim`, with
/// components that are not finite, or of zeros.
pub fn check_vector(record: &Record, dim: Option<usize>) -> Result<bool, String> {
    let without_text = record.text.trim().is_empty();
    let Some(vector) = &record.vector else {
        return if without_text { Ok(false) } else { Err("expected a vector, got none".to_owned()) };
    };
    match dim {
        Some(dim) if vector.len() != dim => {
            return Err(format!("expected a vector of {dim} components, got {}", vector.len()));
        }
        None if vector.is_empty() => return Err("expected a vector, got one of 0 components".to_owned()),
        _ => {}
    }
    if let Some(i) = vector.iter().position(|component| !component.is_finite()) {
        return Err(format!("expected finite components, got {} as component {}", vector[i], i + 1));
    }
    if vector.iter().all(|&component| component == 0.0) {
        return if without_text { Ok(false) } else { Err("expected a direction, got a vector of zeros".to_owned()) };
    }
    Ok(true)
}

/// Gives each row its vector from an array: row i of the array belongs to row i of the corpus, bad rows included.
///
/// If the two have not the same number of rows, an [`Error::Corpus`] that names both ends the iteration.
pub fn with_npy<I>(rows: I, npy: NpyReader) -> impl Iterator<Item = Result<Row>> + use<I>
where
    I: IntoIterator<Item = Result<Row>>,
{
    WithNpy { rows: rows.into_iter(), npy, read: 0, over: false }
}

struct WithNpy<I> {
    rows: I,
    npy: NpyReader,
    read: u64,
    over: bool,
}

impl<I: Iterator<Item = Result<Row>>> Iterator for WithNpy<I> {
    type Item = Result<Row>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.over {
            return None;
        }
        let row = self.next_row().transpose();
        self.over = !matches!(row, Some(Ok(_)));
        row
    }
}

impl<I: Iterator<Item = Result<Row>>> WithNpy<I> {
    fn next_row(&mut self) -> Result<Option<Row>> {
        let row = self.rows.next().transpose()?;
        let vector = if row.is_some() { self.npy.next_row()? } else { None };
        match (row, vector) {
            (Some(Row { input, line, record }), Some(vector)) => {
                self.read += 1;
                let record = record.map(|record| Record { vector: Some(vector), ..record });
                Ok(Some(Row { input, line, record }))
            }
            (None, _) if self.read == self.npy.rows() => Ok(None),
            (row, _) => {
                let mut rows = self.read + u64::from(row.is_some());
                for row in self.rows.by_ref() {
                    row?;
                    rows += 1;
                }
                Err(Error::Corpus {
                    place: self.npy.path().to_owned(),
                    expected: format!("{rows} rows, one for each row of the corpus, bad rows included"),
                    got: self.npy.rows().to_string(),
                    help: "write the array again from this corpus, in its order".to_owned(),
                })
            }
        }
    }
}

#[cfg(test)]
mod tests;
