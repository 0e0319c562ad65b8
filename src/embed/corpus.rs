//! Embedding a corpus in bounded memory.
//!
//! Rows are read in windows. A window is the texts that are neither known from an earlier row nor in the vector store,
//! in normal form (so that no vector depends on which of two spellings of white space came first). While one window is
//! in the forward pass, longest texts first in batches of about one length, the next one is read and tokenized in the
//! same rayon pool. Nothing else of a text is kept: memory is two windows, and per distinct text about 100 bytes beside
//! its records' ids.
//!
//! Where the forward pass runs on GPUs, three stages follow each other: reading and tokenizing, which has the whole pool;
//! threads that hand batches to the GPUs and wait for them, two for each; and one that stores what they bring. Windows are
//! larger there, as a GPU is idle from the end of one to the beginning of the next.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use super::tally::OnBadRow;
use super::{EmbedOptions, EmbeddedCorpus, Encoder, TokenizedText, batch, tally::Tally};
use crate::corpus::{ContentHash, Row, normalize};
use crate::progress::Progress;
use crate::vectors::VectorStore;
use crate::vectors::store::{Appender, Cached, Location};
use crate::{Error, Result};

/// A window is full at this many texts ...
const WINDOW_TEXTS: usize = 16_384;
/// ... or at this many bytes of them; the last text may exceed it. For GPUs it is as many times as large ...
const WINDOW_BYTES: usize = 8 << 20;
/// ... as this.
const GPU_WINDOWS: usize = 4;

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
        let embed = || window.embed(encoder, appender, progress);
        let (embedded, next) = if encoder.calls_at_once() > 1 {
            // Waiting for a GPU must take no thread from the pool.
            std::thread::scope(|scope| {
                let embedding = scope.spawn(embed);
                let next = reader.next_window();
                (embedding.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)), next)
            })
        } else {
            rayon::join(embed, || reader.next_window())
        };
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
        let lengths = self.tokenized.iter().map(|text| text.ids.len());
        let batches = batch::batches(lengths, encoder.tokens_per_batch());
        let mut placed: Vec<(usize, Vec<Location>)> = Vec::with_capacity(batches.len());
        let mut store = |batch: &Range<usize>, vectors: &[f32]| {
            placed.push((batch.start, self.store(batch, encoder, vectors, appender)?));
            let tokens = self.tokenized[batch.clone()].iter().map(|text| text.ids.len() as u64).sum();
            progress.advance(batch.len() as u64, tokens);
            Ok(())
        };
        let calls = encoder.calls_at_once();
        if calls > 1 {
            self.embed_at_once(encoder, &batches, calls, &mut store)?;
        } else {
            for batch in &batches {
                store(batch, &encoder.encode(&self.tokenized[batch.clone()])?)?;
            }
        }
        placed.sort_unstable_by_key(|&(start, _)| start);
        Ok(placed.into_iter().flat_map(|(_, locations)| locations).collect())
    }

    /// Has `calls` threads embed batches, each the next one that nobody has taken, and stores them as they come.
    fn embed_at_once(
        &self,
        encoder: &dyn Encoder,
        batches: &[Range<usize>],
        calls: usize,
        mut store: impl FnMut(&Range<usize>, &[f32]) -> Result<()>,
    ) -> Result<()> {
        let taken = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            let (sender, ready) = mpsc::sync_channel(calls);
            for _ in 0..calls {
                let (sender, taken) = (sender.clone(), &taken);
                scope.spawn(move || {
                    while let Some(batch) = batches.get(taken.fetch_add(1, Ordering::Relaxed)) {
                        let vectors = encoder.encode(&self.tokenized[batch.clone()]);
                        // Nobody receives any more behind an error.
                        if sender.send((batch, vectors)).is_err() {
                            break;
                        }
                    }
                });
            }
            drop(sender);
            ready.into_iter().try_for_each(|(batch, vectors)| store(batch, &vectors?))
        })
    }

    /// Appends the vectors of a batch to the store; gives their places.
    fn store(
        &self,
        batch: &Range<usize>,
        encoder: &dyn Encoder,
        vectors: &[f32],
        appender: &mut Appender,
    ) -> Result<Vec<Location>> {
        let dim = encoder.id().dim;
        check(encoder, batch.len() * dim, vectors)?;
        let texts = self.texts[batch.clone()].iter().zip(&self.tokenized[batch.clone()]);
        let append = |((text, tokenized), vector): ((&NewText, &TokenizedText), &[f32])| {
            let (tokens, truncated) = token_counts(tokenized);
            appender.append(text.hash, vector, tokens, truncated)
        };
        texts.zip(vectors.chunks_exact(dim)).map(append).collect()
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
        let times = if self.encoder.calls_at_once() > 1 { GPU_WINDOWS } else { 1 };
        while new.len() < times * WINDOW_TEXTS && bytes < times * WINDOW_BYTES {
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
