//! What a corpus is compared with.

use std::collections::BTreeMap;

use super::comparison::{ReferenceKind, ReferenceSummary};
use super::document::Example;
use crate::cluster::{Assignment, Codebook, CodebookParams, assign, fit_together};
use crate::corpus::{CollectedTexts, ContentHash, Corpus, Input, RecordTable, TextTally, cut, read_again};
use crate::embed::{EmbeddedCorpus, EncoderId};
use crate::profile::Profile;
use crate::progress::Progress;
use crate::vectors::EmbeddingMatrix;
use crate::{Error, Result};

/// What should be covered, embedded by the same encoder.
#[derive(Debug)]
pub struct Reference(Kind);

#[derive(Debug)]
enum Kind {
    Corpus {
        corpus: Corpus,
        embedded: Box<EmbeddedCorpus>,
        tally: TextTally,
    },
    /// `vectors` are those of the profile's sample: none if it is compact.
    Profile {
        name: String,
        profile: Box<Profile>,
        vectors: EmbeddingMatrix,
    },
}

/// A corpus and its reference under one codebook.
pub(super) struct Placing {
    pub(super) codebook: Codebook,
    /// Whether the codebook is a profile's; else it was fitted to both together.
    pub(super) frozen: bool,
    pub(super) corpus: Assignment,
    /// The leaves of the texts known of the reference.
    pub(super) reference: Assignment,
    /// The reference's texts in every leaf, as far as they may be counted.
    pub(super) counted: Vec<u64>,
    /// What is counted of the corpus.
    pub(super) counts: Counted,
}

/// What a comparison counts of a corpus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Counted {
    /// Every distinct text.
    Texts,
    /// Distinct texts of the half that no codebook was fitted to: the codebook may be this corpus' own.
    HeldOutTexts,
    /// Records, as a compact profile counts them.
    Records,
}

impl Reference {
    /// A corpus as the reference, embedded without its records marked synthetic. `corpus` is read once more in an
    /// analysis, for the texts that are shown.
    #[must_use]
    pub fn of_corpus(corpus: Corpus, embedded: EmbeddedCorpus) -> Self {
        let tally = TextTally::new(&embedded.records, embedded.vectors.len());
        Self(Kind::Corpus { corpus, embedded: Box::new(embedded), tally })
    }

    /// A profile as the reference; `name` is its file, as the user named it.
    #[must_use]
    pub fn of_profile(name: String, profile: Profile) -> Self {
        let dim = profile.encoder.dim;
        let vectors = profile.sample.as_ref().map_or(EmbeddingMatrix::from_f32(dim, &[]), |sample| sample.matrix(dim));
        Self(Kind::Profile { name, profile: Box::new(profile), vectors })
    }

    /// The vectors of the texts known of it, in the order of content hashes.
    #[must_use]
    pub fn vectors(&self) -> &EmbeddingMatrix {
        match &self.0 {
            Kind::Corpus { embedded, .. } => &embedded.vectors,
            Kind::Profile { vectors, .. } => vectors,
        }
    }

    /// Puts a corpus beside it.
    ///
    /// The codebook is fitted to both together. Of a profile only the sample can be: where more texts were held out from
    /// the profile's own codebook than the sample has, that one is taken as it is, and those texts are counted.
    pub(super) fn place(
        &self,
        corpus: &EmbeddedCorpus,
        params: &CodebookParams,
        progress: &dyn Progress,
    ) -> Result<Placing> {
        if let Kind::Profile { profile, vectors, .. } = &self.0
            && let counted = profile.held_out_texts_per_leaf()
            && (profile.sample.is_none() || counted.iter().sum::<u64>() > vectors.len() as u64)
        {
            let codebook = profile.codebook.clone();
            let counts = match profile {
                _ if profile.sample.is_none() => Counted::Records,
                _ if profile.provenance.fitted => Counted::Texts,
                _ => Counted::HeldOutTexts,
            };
            let [corpus, reference] = [&corpus.vectors, vectors].map(|rows| assign(rows, &codebook.leaves));
            return Ok(Placing { codebook, frozen: true, corpus, reference, counted, counts });
        }
        let hashes: Vec<u64> = corpus.hashes.iter().map(ContentHash::prefix).collect();
        let reference_hashes: Vec<u64> = match &self.0 {
            Kind::Corpus { embedded, .. } => embedded.hashes.iter().map(ContentHash::prefix).collect(),
            Kind::Profile { profile, .. } => profile.sample.as_ref().map_or(Vec::new(), |sample| sample.hashes.clone()),
        };
        let both = [(&corpus.vectors, hashes.as_slice()), (self.vectors(), reference_hashes.as_slice())];
        let (codebook, corpus, reference) = fit_together(both, params, progress)?;
        let counted = reference.counts(codebook.n_leaves());
        Ok(Placing { codebook, frozen: false, corpus, reference, counted, counts: Counted::Texts })
    }

    /// The names of leaves and regions, where the reference gives them with its codebook.
    pub(super) fn names(&self) -> Option<(&[String], &[String])> {
        match &self.0 {
            Kind::Corpus { .. } => None,
            Kind::Profile { profile, .. } => Some((&profile.leaf_names, &profile.region_names)),
        }
    }

    /// The id of the record that stands for a text.
    pub(super) fn id(&self, text: u32) -> &str {
        match &self.0 {
            Kind::Corpus { embedded, tally, .. } => embedded.records.id(tally.kept[text as usize] as usize),
            Kind::Profile { profile, .. } => profile.sample.as_ref().map_or("", |sample| &sample.ids[text as usize]),
        }
    }

    /// The place among [`rows`](Self::rows) of the record that stands for a text.
    pub(super) fn row(&self, text: u32) -> usize {
        match &self.0 {
            Kind::Corpus { tally, .. } => tally.kept[text as usize] as usize,
            Kind::Profile { .. } => text as usize,
        }
    }

    /// Its records; a profile has none.
    pub(super) fn records(&self) -> Option<&RecordTable> {
        match &self.0 {
            Kind::Corpus { embedded, .. } => Some(&embedded.records),
            Kind::Profile { .. } => None,
        }
    }

    /// Its distinct texts, known or only counted.
    pub(super) fn distinct_texts(&self) -> u64 {
        match &self.0 {
            Kind::Corpus { embedded, .. } => embedded.vectors.len() as u64,
            Kind::Profile { profile, .. } => profile.distinct_texts(),
        }
    }

    /// Every record known of it: its id, its text, and the id of the record whose text it repeats.
    pub(super) fn rows(&self) -> Box<dyn Iterator<Item = (&str, Option<u32>, Option<&str>)> + '_> {
        match &self.0 {
            Kind::Corpus { embedded, tally, .. } => {
                let records = &embedded.records;
                Box::new((0..records.len()).map(move |row| {
                    let text = records.text(row);
                    let kept = text.map(|text| tally.kept[text as usize] as usize);
                    (records.id(row), text, kept.filter(|&kept| kept != row).map(|kept| records.id(kept)))
                }))
            }
            Kind::Profile { vectors, .. } => {
                Box::new((0..vectors.len() as u32).map(|text| (self.id(text), Some(text), None)))
            }
        }
    }

    /// The text of every record of [`rows`](Self::rows), in that order. It reads a corpus once more; a profile has texts
    /// only where it was written with examples, cut and in normal form.
    pub(super) fn row_texts(&self) -> Box<dyn Iterator<Item = Result<Option<String>>> + '_> {
        match &self.0 {
            Kind::Corpus { corpus, embedded, .. } => {
                Box::new(read_again(corpus, &embedded.records).map(|record| Ok(Some(record?.text))))
            }
            Kind::Profile { profile, vectors, .. } => {
                let texts = profile.sample.as_ref().and_then(|sample| sample.texts.as_ref());
                Box::new((0..vectors.len()).map(move |text| Ok(texts.map(|texts| texts[text].clone()))))
            }
        }
    }

    /// Whether it has texts, and vectors that can be compared with those of an encoder.
    pub(super) fn check(&self, encoder: &EncoderId) -> Result<()> {
        let (place, ours, texts) = match &self.0 {
            Kind::Corpus { corpus, embedded, .. } => (
                corpus.inputs().iter().map(Input::path).collect::<Vec<_>>().join(", "),
                &embedded.encoder,
                embedded.counts.distinct_texts,
            ),
            Kind::Profile { name, profile, .. } => (name.clone(), &profile.encoder, profile.distinct_texts()),
        };
        if texts == 0 {
            let left_out = match &self.0 {
                Kind::Corpus { embedded, .. } => embedded.counts.left_out,
                Kind::Profile { profile, .. } => profile.observed.synthetic,
            };
            return Err(Error::Corpus {
                place,
                expected: "a reference with at least one text".to_owned(),
                got: format!("none beside {left_out} records marked synthetic, which are no reference"),
                help: "name the column that holds its text with `--reference-text COLUMN`, or that of the marks with \
                       `--synthetic COLUMN`"
                    .to_owned(),
            });
        }
        match ours.difference(encoder) {
            None => Ok(()),
            Some(difference) => Err(Error::Corpus {
                place,
                expected: format!("the corpus' encoder, {} {}", difference.field, difference.theirs),
                got: format!("{} {}", difference.field, difference.ours),
                help: "embed both with the same encoder (`--encoder`, `--prompt`, `--device`)".to_owned(),
            }),
        }
    }

    /// Fetches texts: `wanted` holds the most characters to keep of each. A profile has its texts only where it was
    /// written with examples.
    pub(super) fn texts(&self, wanted: &BTreeMap<u32, usize>, progress: &dyn Progress) -> Result<ReferenceTexts<'_>> {
        let texts = match &self.0 {
            Kind::Corpus { corpus, embedded, tally, .. } => {
                let rows = wanted.iter().map(|(&text, &characters)| (tally.kept[text as usize], characters)).collect();
                CollectedTexts::read(corpus, &embedded.records, &rows, progress)?
            }
            Kind::Profile { .. } => CollectedTexts::default(),
        };
        Ok(ReferenceTexts { reference: self, texts })
    }

    pub(super) fn summary(&self, frozen: bool, sample: usize, counted: u64) -> ReferenceSummary {
        let (sample, texts) = (sample as u64, self.vectors().len() as u64);
        match &self.0 {
            Kind::Corpus { corpus, embedded, .. } => {
                let mut files: Vec<String> = corpus.inputs().iter().map(|input| input.path().to_owned()).collect();
                files.sort_unstable();
                ReferenceSummary {
                    kind: ReferenceKind::Corpus,
                    files,
                    rows: embedded.counts.rows - embedded.counts.empty,
                    distinct_texts: texts,
                    synthetic: embedded.counts.left_out,
                    sample,
                    counted,
                    frozen,
                }
            }
            Kind::Profile { name, profile, .. } => ReferenceSummary {
                kind: ReferenceKind::Profile,
                files: vec![name.clone()],
                rows: profile.rows_with_text(),
                distinct_texts: profile.distinct_texts(),
                synthetic: profile.observed.synthetic,
                sample,
                counted,
                frozen,
            },
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

    /// What a text that was asked for is named by: itself, or the name that its leaf has in a profile without examples.
    pub(super) fn naming(&self, text: u32) -> &str {
        match &self.reference.0 {
            Kind::Profile { profile, .. } => match &profile.sample {
                Some(sample) if sample.texts.is_none() => &profile.leaf_names[sample.leaves[text as usize] as usize],
                _ => self.get(text),
            },
            Kind::Corpus { .. } => self.get(text),
        }
    }

    /// A text that was asked for; empty for another, and of a profile without examples.
    pub(super) fn get(&self, text: u32) -> &str {
        match &self.reference.0 {
            Kind::Corpus { tally, .. } => self.texts.get(tally.kept[text as usize]),
            Kind::Profile { profile, .. } => {
                let texts = profile.sample.as_ref().and_then(|sample| sample.texts.as_ref());
                texts.map_or("", |texts| &texts[text as usize])
            }
        }
    }
}
