//! From an embedded corpus to its report.

use crate::corpus::{CollectedTexts, Corpus, Input, RecordTable, read_again};
use crate::embed::EmbeddedCorpus;
use crate::map::{MapPoints, Side};
use crate::plan::Budget;
use crate::progress::Progress;
use crate::report::Report;
use crate::report::assemble::Assembly;
use crate::report::findings::Findings;
use crate::report::mapped::Mapped;
use crate::report::reference::Reference;
use crate::report::rows::{RowRecord, RowWithText};
use crate::report::shown::Shown;
use crate::vectors::EmbeddingMatrix;
use crate::{Error, Result};

/// The settings of an analysis.
#[derive(Clone, Debug)]
pub struct ReportParams {
    /// Seed of everything random.
    pub seed: u64,
    /// Leaves of the codebook; by default from the number of distinct texts.
    pub leaves: Option<usize>,
    /// Regions of the codebook; by default from the number of leaves.
    pub regions: Option<usize>,
    /// Texts that outlier scores compare with.
    pub sample: usize,
    /// Examples to distribute over the regions.
    pub budget: Budget,
    /// Records to list for review.
    pub outliers: usize,
    /// Points of the map at most; 0 makes none.
    pub map_points: usize,
}

/// What an analysis found: the report, and what it found of every record.
#[derive(Debug)]
pub struct Analysis<'a> {
    /// The document.
    pub report: Report,
    /// The map of corpus and reference.
    pub map: MapPoints,
    pub(super) records: &'a RecordTable,
    pub(super) vectors: &'a EmbeddingMatrix,
    pub(super) reference: Option<&'a Reference>,
    pub(super) found: Findings,
    mapped: Mapped,
}

/// What the rows of the corpus, and those of the reference, have in the column `corpus`.
const CORPUS: &str = "corpus";
const REFERENCE: &str = "reference";

impl Analysis<'_> {
    /// What was found of every record, in the order read, and behind them of every record of the reference.
    pub fn rows(&self) -> impl Iterator<Item = RowRecord<'_>> {
        self.corpus_rows().chain(self.reference_rows())
    }

    /// [`rows`](Self::rows), each with its text: `corpus` and a reference corpus are read once more.
    ///
    /// # Errors
    /// If a file cannot be read again, or has changed.
    pub fn rows_with_texts<'s>(&'s self, corpus: &'s Corpus) -> impl Iterator<Item = Result<RowWithText<'s>>> {
        let of_corpus = read_again(corpus, self.records).map(|record| Ok(Some(record?.text)));
        let of_reference = self.reference.into_iter().flat_map(Reference::row_texts);
        self.rows().zip(of_corpus.chain(of_reference)).map(|(row, text)| Ok(RowWithText { row, text: text? }))
    }

    /// The row, among [`rows`](Self::rows), of the record that stands for a text.
    fn row_of(&self, side: Side, text: u32) -> usize {
        match side {
            Side::Corpus => self.found.tally.kept[text as usize] as usize,
            Side::Reference => self.records.len() + self.reference.map_or(0, |reference| reference.row(text)),
        }
    }

    fn reference_rows(&self) -> impl Iterator<Item = RowRecord<'_>> {
        let compared = self.reference.zip(self.found.beside.as_ref());
        compared.into_iter().flat_map(move |(reference, (beside, leaf))| {
            reference.rows().map(move |(id, text, kept)| {
                let Some(text) = text else {
                    return RowRecord { corpus: REFERENCE, id, ..RowRecord::default() };
                };
                let at = text as usize;
                let (xy, neighbors) = self.mapped.row(Side::Reference, text, |side, text| self.row_of(side, text));
                RowRecord {
                    corpus: REFERENCE,
                    id,
                    leaf: Some(leaf.nearest[at]),
                    region: Some(self.found.codebook.region_of_leaf[leaf.nearest[at] as usize]),
                    similarity: Some(f64::from(leaf.similarity[at])),
                    covered: beside.is_covered(text),
                    duplicate_of: kept,
                    x: xy.map(|[x, _]| x),
                    y: xy.map(|[_, y]| y),
                    neighbors,
                    ..RowRecord::default()
                }
            })
        })
    }

    fn corpus_rows(&self) -> impl Iterator<Item = RowRecord<'_>> {
        (0..self.records.len()).map(|row| {
            let id = self.records.id(row);
            let Some(text) = self.records.text(row).map(|text| text as usize) else {
                return RowRecord { corpus: CORPUS, id, ..RowRecord::default() };
            };
            let kept = self.found.tally.kept[text] as usize;
            let (xy, neighbors) = self.mapped.row(Side::Corpus, text as u32, |side, text| self.row_of(side, text));
            RowRecord {
                corpus: CORPUS,
                id,
                leaf: Some(self.found.leaf.nearest[text]),
                region: Some(self.found.region[text]),
                similarity: Some(f64::from(self.found.leaf.similarity[text])),
                score: Some(f64::from(self.found.outlier.score[text])),
                p_value: Some(f64::from(self.found.outlier.p_value[text])),
                covered: None,
                duplicate_of: (kept != row).then(|| self.records.id(kept)),
                x: xy.map(|[x, _]| x),
                y: xy.map(|[_, y]| y),
                neighbors,
            }
        })
    }
}

/// Analyzes an embedded corpus, beside a reference where there is one. `corpus` is read once more, for the texts that
/// the report shows.
///
/// # Errors
/// If no record has text, a setting cannot be used, the vectors of corpus and reference are not of one kind, or the
/// corpus cannot be read again.
pub fn analyze<'a>(
    corpus: &Corpus,
    embedded: &'a EmbeddedCorpus,
    reference: Option<&'a Reference>,
    params: &ReportParams,
    progress: &dyn Progress,
) -> Result<Analysis<'a>> {
    let (records, vectors) = (&embedded.records, &embedded.vectors);
    if vectors.is_empty() {
        return Err(Error::Corpus {
            place: corpus.inputs().iter().map(Input::path).collect::<Vec<_>>().join(", "),
            expected: "at least one record with text".to_owned(),
            got: format!("{} records without any", records.len()),
            help: "name the column that holds the text with `--text COLUMN`".to_owned(),
        });
    }

    if let Some(reference) = reference {
        reference.check(&embedded.encoder)?;
    }
    let found = Findings::of(embedded, reference, params, progress)?;
    let shown = Shown::choose(vectors, reference, &found, params.outliers);
    let mapped = Mapped::of(vectors, reference, &found, &shown.outliers, params, progress);
    let texts = CollectedTexts::read(corpus, records, &shown.wanted(&found, &mapped.texts[0]), progress)?;
    let reference_texts = match (reference, &shown.beside) {
        (Some(reference), Some(shown)) => Some(reference.texts(&shown.wanted(&mapped.texts[1]), progress)?),
        _ => None,
    };
    let assembly =
        Assembly { records, found: &found, shown: &shown, texts: &texts, reference: reference_texts.as_ref() };
    let report = assembly.report(corpus, embedded, params);
    let map = mapped.points(records, &found, &texts, reference_texts.as_ref());
    Ok(Analysis { report, map, records, vectors, reference, found, mapped })
}
