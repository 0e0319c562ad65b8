//! Embedding a corpus in bounded memory.
//!
//! Rows are read in windows. A window is the texts that are neither known from an earlier row nor in the vector store,
//! in normal form (so that no vector depends on which of two spellings of white space came first). While one window is
//! in the forward pass, longest texts first in batches of about one length, the next one is read and tokenized in the
//! same rayon pool. Nothing else of a text is kept: memory is two windows, and per distinct text about 100 bytes beside
//! its records' ids.

use super::tally::OnBadRow;
use super::{EmbedOptions, EmbeddedCorpus, Encoder, TokenizedText, batch, tally::Tally};
use crate::corpus::{ContentHash, Row, normalize};
use crate::progress::Progress;
use crate::vectors::VectorStore;
use crate::vectors::store::{Appender, Cached, Location};
use crate::{Error, Result};

/// A window is full at this many texts ...
const WINDOW_TEXTS: usize = 16_384;
/// ... or at this many bytes of them; the last text may exceed it.
const WINDOW_BYTES: usize = 8 << 20;

/// Reads all rows, embeds the distinct texts that `store` lacks, and adds them to it.
///
/// Work is parallel in the rayon pool of the caller. Whatever the outcome, what was embedded is in the store.
///
/// # Errors
/// What `rows`, `encoder`, `store` and `on_bad_row` fail with, and [`Error::TooManyBadRows`].
pub fn embed_corpus<R>(
    rows: R,
    encoder: &dyn Encoder,
    mut store: VectorStore,
    options: &EmbedOptions<'_>,
    progress: &dyn Progress,
    on_bad_row: OnBadRow<'_>,
) -> Result<EmbeddedCorpus>
where
    R: IntoIterator<Item = Result<Row>>,
    R::IntoIter: Send,
{
    let VectorStore { cached, appender, .. } = &mut store;
    let mut tally = Tally::new(options, progress, on_bad_row);
    tally.counts.tokens = Some(0);
    let mut reader = Reader { rows: rows.into_iter(), encoder, cached, tally };
    let outcome = embed_windows(&mut reader, appender, progress);
    let tally = reader.tally;
    if let Err(error) = outcome {
        // The error that ended the run is the one to report.
        let _ = appender.flush();
        return Err(error);
    }
    appender.flush()?;
    tally.finish(encoder.id().clone(), store)
}

fn embed_windows<I>(reader: &mut Reader<'_, '_, I>, appender: &mut Appender, progress: &dyn Progress) -> Result<()>
where
    I: Iterator<Item = Result<Row>> + Send,
{
    let encoder = reader.encoder;
    let mut window = reader.next_window()?;
    while !window.texts.is_empty() {
        let (embedded, next) = rayon::join(|| window.embed(encoder, appender, progress), || reader.next_window());
        for (text, location) in window.texts.iter().zip(embedded?) {
            reader.tally.place(text.number, location);
        }
        window = next?;
    }
    Ok(())
}

/// A text to embed.
#[derive(Clone, Copy)]
struct NewText {
    /// As [`Tally::add_text`] numbered it.
    number: u32,
    hash: ContentHash,
}

/// Texts to embed, tokenized, the longest first.
struct Window {
    texts: Vec<NewText>,
    tokenized: Vec<TokenizedText>,
}

impl Window {
    fn new(texts: Vec<NewText>, tokenized: Vec<TokenizedText>) -> Self {
        let mut both: Vec<_> = texts.into_iter().zip(tokenized).collect();
        both.sort_unstable_by_key(|(text, tokenized)| (std::cmp::Reverse(tokenized.ids.len()), text.hash));
        let (texts, tokenized) = both.into_iter().unzip();
        Self { texts, tokenized }
    }

    /// Embeds all texts and appends them to the store; gives their places, in order.
    fn embed(&self, encoder: &dyn Encoder, appender: &mut Appender, progress: &dyn Progress) -> Result<Vec<Location>> {
        let dim = encoder.id().dim;
        let mut locations = Vec::with_capacity(self.texts.len());
        let lengths = self.tokenized.iter().map(|text| text.ids.len());
        for batch in batch::batches(lengths, encoder.tokens_per_batch()) {
            let tokenized = &self.tokenized[batch.clone()];
            let vectors = encoder.encode(tokenized)?;
            check(encoder, tokenized.len() * dim, &vectors)?;
            for ((text, tokenized), vector) in self.texts[batch].iter().zip(tokenized).zip(vectors.chunks_exact(dim)) {
                let (tokens, truncated) = token_counts(tokenized);
                locations.push(appender.append(text.hash, vector, tokens, truncated)?);
            }
            let tokens = tokenized.iter().map(|text| text.ids.len() as u64).sum();
            progress.advance(tokenized.len() as u64, tokens);
        }
        Ok(locations)
    }
}

/// A vector that is none must not get into the store, where every later run would find it.
fn check(encoder: &dyn Encoder, components: usize, vectors: &[f32]) -> Result<()> {
    let problem = if vectors.len() != components {
        format!("expected {components} components of a batch, got {}", vectors.len())
    } else if let Some(component) = vectors.iter().find(|component| !component.is_finite()) {
        format!("expected finite components on {}, got {component}", encoder.device())
    } else {
        return Ok(());
    };
    let help = "try `--device cpu`".to_owned();
    Err(Error::Encoder { encoder: encoder.id().name.clone(), problem, help, source: None })
}

fn token_counts(text: &TokenizedText) -> (u32, u32) {
    (text.ids.len() as u32, u32::try_from(text.truncated).unwrap_or(u32::MAX))
}

/// Reads rows up to the next window.
struct Reader<'a, 's, I> {
    rows: I,
    encoder: &'s dyn Encoder,
    cached: &'s mut Cached,
    tally: Tally<'a>,
}

impl<I: Iterator<Item = Result<Row>>> Reader<'_, '_, I> {
    /// The next window; without texts if all rows are read.
    fn next_window(&mut self) -> Result<Window> {
        let (mut new, mut texts, mut bytes) = (Vec::new(), Vec::new(), 0);
        while new.len() < WINDOW_TEXTS && bytes < WINDOW_BYTES {
            let Some(row) = self.rows.next() else { break };
            if let Some((number, text)) = self.read(row?)? {
                bytes += text.len();
                texts.push(text);
                new.push(number);
            }
        }
        self.tally.report();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let tokenized = if texts.is_empty() { Vec::new() } else { self.encoder.tokenize(&texts)? };
        for (new, text) in new.iter().zip(&tokenized) {
            let (tokens, truncated) = token_counts(text);
            self.tally.add_tokens(new.number, tokens, truncated);
        }
        self.tally.counts.embedded += tokenized.len() as u64;
        Ok(Window::new(new, tokenized))
    }

    /// Takes a row in; gives its text, in normal form, if that is to be embedded.
    fn read(&mut self, Row { input, record, .. }: Row) -> Result<Option<(NewText, String)>> {
        let record = match record {
            Ok(record) => record,
            Err(bad) => return self.tally.add_bad(bad).map(|()| None),
        };
        if self.tally.leaves_out(&record) {
            return Ok(None);
        }
        let text = normalize(&record.text);
        if text.is_empty() {
            self.tally.add_empty(input, &record);
            return Ok(None);
        }
        let hash = ContentHash::of_normalized(&text);
        let Some(number) = self.tally.add_text(input, &record, hash) else { return Ok(None) };
        let Some(found) = self.cached.find(hash) else {
            return Ok(Some((NewText { number, hash }, text.into_owned())));
        };
        self.tally.place(number, found.location);
        self.tally.add_tokens(number, found.tokens, found.truncated);
        self.tally.counts.reused += 1;
        self.tally.done(1);
        Ok(None)
    }
}

#[cfg(test)]
mod tests;
