//! What a corpus is compared with.

use std::collections::BTreeMap;

use super::comparison::{ReferenceKind, ReferenceSummary};
use super::document::Example;
use super::tally::TextTally;
use crate::cluster::{Assignment, Codebook, CodebookParams, fit_together};
use crate::corpus::{CollectedTexts, Corpus, Input, cut};
use crate::embed::{EmbeddedCorpus, EncoderId};
use crate::progress::Progress;
use crate::vectors::EmbeddingMatrix;
use crate::{Error, Result};

/// What should be covered: a corpus, embedded by the same encoder.
#[derive(Debug)]
pub struct Reference {
    corpus: Corpus,
    embedded: EmbeddedCorpus,
    tally: TextTally,
}

impl Reference {
    /// A corpus as the reference. `corpus` is read once more in an analysis, for the texts that are shown.
    #[must_use]
    pub fn of_corpus(corpus: Corpus, embedded: EmbeddedCorpus) -> Self {
        let tally = TextTally::new(&embedded.records, embedded.vectors.len());
        Self { corpus, embedded, tally }
    }

    /// The vectors of its texts, in the order of content hashes.
    pub(super) fn vectors(&self) -> &EmbeddingMatrix {
        &self.embedded.vectors
    }

    /// The codebook in which a corpus is compared with it, and the leaves of the corpus' and of its own texts.
    pub(super) fn place(
        &self,
        corpus: &EmbeddedCorpus,
        params: &CodebookParams,
        progress: &dyn Progress,
    ) -> Result<(Codebook, Assignment, Assignment)> {
        let hashes = |corpus: &EmbeddedCorpus| corpus.hashes.iter().map(|hash| hash.prefix()).collect::<Vec<_>>();
        let (of_corpus, of_reference) = (hashes(corpus), hashes(&self.embedded));
        let both = [(&corpus.vectors, of_corpus.as_slice()), (&self.embedded.vectors, of_reference.as_slice())];
        fit_together(both, params, progress)
    }

    /// The id of the record that stands for a text.
    pub(super) fn id(&self, text: u32) -> &str {
        self.embedded.records.id(self.tally.kept[text as usize] as usize)
    }

    /// Every record: its id, its text, and the id of the record whose text it repeats.
    pub(super) fn rows(&self) -> impl Iterator<Item = (&str, Option<u32>, Option<&str>)> {
        let records = &self.embedded.records;
        (0..records.len()).map(move |row| {
            let text = records.text(row);
            let kept = text.map(|text| self.tally.kept[text as usize] as usize);
            (records.id(row), text, kept.filter(|&kept| kept != row).map(|kept| records.id(kept)))
        })
    }

    /// Whether it has texts, and vectors that can be compared with those of an encoder.
    pub(super) fn check(&self, encoder: &EncoderId) -> Result<()> {
        let files = || self.corpus.inputs().iter().map(Input::path).collect::<Vec<_>>().join(", ");
        if self.embedded.vectors.is_empty() {
            return Err(Error::Corpus {
                place: files(),
                expected: "at least one record with text".to_owned(),
                got: format!("{} records without any", self.embedded.records.len()),
                help: "a reference without texts has nothing to be covered; name its column with `--reference-text`"
                    .to_owned(),
            });
        }
        if self.embedded.vectors.dim() != encoder.dim {
            return Err(Error::Corpus {
                place: files(),
                expected: format!("vectors of {} components, as the corpus has", encoder.dim),
                got: self.embedded.vectors.dim().to_string(),
                help: "embed both with the same encoder".to_owned(),
            });
        }
        Ok(())
    }

    /// Fetches texts: `wanted` holds the most characters to keep of each.
    pub(super) fn texts(&self, wanted: &BTreeMap<u32, usize>, progress: &dyn Progress) -> Result<ReferenceTexts<'_>> {
        let rows = wanted.iter().map(|(&text, &characters)| (self.tally.kept[text as usize], characters)).collect();
        let texts = CollectedTexts::read(&self.corpus, &self.embedded.records, &rows, progress)?;
        Ok(ReferenceTexts { reference: self, texts })
    }

    pub(super) fn summary(&self, sample: usize, counted: u64) -> ReferenceSummary {
        let counts = &self.embedded.counts;
        let mut files: Vec<String> = self.corpus.inputs().iter().map(|input| input.path().to_owned()).collect();
        files.sort_unstable();
        ReferenceSummary {
            kind: ReferenceKind::Corpus,
            files,
            rows: counts.rows - counts.empty,
            distinct_texts: counts.distinct_texts,
            synthetic: 0,
            sample: sample as u64,
            counted,
        }
    }
}

/// The texts of the reference that were asked for.
#[derive(Debug)]
pub(super) struct ReferenceTexts<'a> {
    reference: &'a Reference,
    texts: CollectedTexts,
}

impl ReferenceTexts<'_> {
    pub(super) fn reference(&self) -> &Reference {
        self.reference
    }

    /// The record that stands for a text that was asked for.
    pub(super) fn example(&self, text: u32, characters: usize) -> Example {
        Example { id: self.reference.id(text).to_owned(), text: cut(self.get(text), characters) }
    }

    /// A text that was asked for; empty for another.
    pub(super) fn get(&self, text: u32) -> &str {
        self.texts.get(self.reference.tally.kept[text as usize])
    }
}
