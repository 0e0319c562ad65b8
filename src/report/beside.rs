//! What the stages find of a corpus beside its reference, before anything is put in words.

use std::collections::BTreeMap;

use crate::Result;
use crate::cluster::assign;
use crate::cluster::kmeans::KMeansParams;
use crate::corpus::RecordTable;
use crate::coverage::{Balls, CoverageScore, Covered, HoleTest, LeafTest, find_gaps, find_holes, find_surplus};
use crate::embed::EmbeddedCorpus;
use crate::ood::{Calibration, LocalParams, LocalScore};
use crate::profile::{HELD_OUT, half};
use crate::progress::{Progress, Silent, Stage};
use crate::report::ReportParams;
use crate::report::reference::{Counted, Placing};
use crate::report::tally::members;
use crate::stats::Rates;
use crate::vectors::{EmbeddingMatrix, Rows, knn};

/// p-value up to which a corpus text lies outside the reference.
pub(super) const NOVEL_ALPHA: f32 = 0.01;
/// Neighbours of the outlier score against the reference.
const NEIGHBOURS: usize = 5;
/// Balls drawn in any case.
const LEAST_BALLS: usize = 20;
/// Novel texts per group, and groups at most.
const TEXTS_PER_GROUP: usize = 15;
const GROUPS: usize = 10;

/// What is found beside a reference. Reference texts stand in the order of content hashes; those of the sample come
/// first.
#[derive(Debug)]
pub(super) struct Beside {
    /// Whether the codebook is a profile's.
    pub(super) frozen: bool,
    /// The reference's texts in every leaf, as the tests count them.
    pub(super) counted: Vec<u64>,
    /// The corpus' texts in every leaf, counted in the same way.
    corpus_counted: Vec<u64>,
    /// Every leaf that the reference has, most significant first.
    pub(super) gaps: Vec<LeafTest>,
    /// Leaves that the corpus has significantly more of, most significant first.
    pub(super) surplus: Vec<LeafTest>,
    pub(super) score: Option<CoverageScore>,
    /// What lies in the balls of the reference's sample.
    pub(super) covered: Covered,
    /// Holes inside leaves that are no gaps, with the mean excess distance, most significant first.
    pub(super) holes: Vec<(HoleTest, f64)>,
    /// Corpus texts outside the reference, in groups of close meaning, largest first; `None` where the sample is too
    /// small to tell.
    pub(super) novel: Option<Vec<Vec<u32>>>,
    /// The bit of each source in `covered.sources`.
    pub(super) source_bits: SourceBits,
    /// Uncovered texts of the sample, with the excess of their distance to the corpus.
    pub(super) excess: Vec<(u32, f32)>,
}

impl Beside {
    /// Compares a corpus with the texts known of its reference.
    pub(super) fn find(
        embedded: &EmbeddedCorpus,
        reference: &EmbeddingMatrix,
        placing: &Placing,
        params: &ReportParams,
        progress: &dyn Progress,
    ) -> Result<Self> {
        let leaves = placing.codebook.n_leaves();
        let (corpus, records, reference_leaf) = (&embedded.vectors, &embedded.records, &placing.reference.nearest);
        let (corpus_counts, reference_counts) = (counts(embedded, placing), placing.counted.clone());
        let gaps = find_gaps(&reference_counts, &corpus_counts);
        let mut surplus = find_surplus(&reference_counts, &corpus_counts);
        surplus.retain(|test| test.significant);

        let sample = Rows::from(reference).prefix(params.sample);
        progress.start(Stage::Compare, Some(2 * corpus.len() as u64));
        let source_bits = SourceBits::of(records, corpus.len());
        // In a much smaller corpus what one topic lacks another would make up for.
        let with_balls = sample.prefix(corpus.len().max(LEAST_BALLS));
        let balls = Balls::around(with_balls);
        let covered = balls.count(corpus.into(), &source_bits.of_text);
        let score = balls.score(&covered, corpus.len());
        progress.advance(corpus.len() as u64, 0);

        let mut in_gap = vec![false; leaves];
        gaps.iter().filter(|gap| gap.significant).for_each(|gap| in_gap[gap.leaf as usize] = true);
        let excess = excess(reference, with_balls, corpus, &covered);
        let expected = score.map_or(1.0, |score| score.expected);
        let is_covered = covered.texts.iter().map(|&texts| texts > 0);
        let holes = find_holes(&reference_leaf[..with_balls.len()], is_covered, &in_gap, expected);
        let mean_excess = |hole: &HoleTest| {
            let of_leaf = excess.iter().filter(|(text, _)| reference_leaf[*text as usize] == hole.leaf);
            of_leaf.map(|(_, excess)| f64::from(*excess)).sum::<f64>() / hole.uncovered as f64
        };
        let holes =
            holes.into_iter().map(|hole| (mean_excess(&hole), hole)).map(|(excess, hole)| (hole, excess)).collect();
        let novel = novel(corpus, sample, params.seed, progress)?;
        progress.finish();
        Ok(Self {
            frozen: placing.frozen,
            counted: reference_counts,
            corpus_counted: corpus_counts,
            gaps,
            surplus,
            score,
            covered,
            holes,
            novel,
            source_bits,
            excess,
        })
    }

    /// The counts of some leaves together.
    pub(super) fn rates(&self, leaves: &[u32]) -> Rates {
        let of = |counts: &[u64]| leaves.iter().map(|&leaf| counts[leaf as usize]).sum();
        Rates {
            reference: of(&self.counted),
            reference_total: self.counted.iter().sum(),
            corpus: of(&self.corpus_counted),
            corpus_total: self.corpus_counted.iter().sum(),
        }
    }

    /// Whether the corpus covers a text of the sample; `None` of others.
    pub(super) fn is_covered(&self, text: u32) -> Option<bool> {
        self.covered.texts.get(text as usize).map(|&texts| texts > 0)
    }
}

/// The corpus' texts or records in every leaf, as far as they may be counted.
fn counts(embedded: &EmbeddedCorpus, placing: &Placing) -> Vec<u64> {
    let mut counts = vec![0; placing.codebook.n_leaves()];
    let leaf = |text: u32| placing.corpus.nearest[text as usize] as usize;
    match placing.counts {
        Counted::Texts => return placing.corpus.counts(counts.len()),
        Counted::HeldOutTexts => {
            let texts = (0..).zip(&embedded.hashes).filter(|(_, hash)| half(**hash) == HELD_OUT);
            texts.for_each(|(text, _)| counts[leaf(text)] += 1);
        }
        Counted::Records => {
            let texts = (0..embedded.records.len()).filter_map(|row| embedded.records.text(row));
            texts.for_each(|text| counts[leaf(text)] += 1);
        }
    }
    counts
}

/// For every uncovered text of the sample: the distance to its 5th nearest corpus text less that to its 5th nearest
/// other reference text.
fn excess(
    reference: &EmbeddingMatrix,
    sample: Rows<'_>,
    corpus: &EmbeddingMatrix,
    covered: &Covered,
) -> Vec<(u32, f32)> {
    let uncovered: Vec<u32> = (0..sample.len() as u32).filter(|&text| covered.texts[text as usize] == 0).collect();
    let queries = Rows::of(reference, &uncovered);
    let to_corpus = knn::nearest(queries, corpus.into(), NEIGHBOURS, &Silent);
    let to_reference = knn::nearest_others(queries, sample, NEIGHBOURS, &Silent);
    let furthest = |similarity: &[f32]| similarity.last().copied().unwrap_or(0.0);
    let excess = |query: usize| furthest(to_reference.of(query).1) - furthest(to_corpus.of(query).1);
    (0..uncovered.len()).map(|query| (uncovered[query], excess(query))).collect()
}

/// Corpus texts further out than all but 1 % of the reference's own, in groups.
fn novel(
    corpus: &EmbeddingMatrix,
    sample: Rows<'_>,
    seed: u64,
    progress: &dyn Progress,
) -> Result<Option<Vec<Vec<u32>>>> {
    // Below, no p-value is small enough.
    if ((sample.len() + 1) as f32) < 1.0 / NOVEL_ALPHA {
        return Ok(None);
    }
    let local = LocalScore::fit(sample, LocalParams { neighbours: NEIGHBOURS, ..LocalParams::default() }, &Silent);
    let calibration = Calibration::new(local.left_out());
    let scores = local.score(corpus.into(), progress);
    let novel: Vec<u32> =
        (0..corpus.len() as u32).filter(|&text| calibration.p_value(scores[text as usize]) <= NOVEL_ALPHA).collect();
    if novel.is_empty() {
        return Ok(Some(Vec::new()));
    }
    let rows = Rows::of(corpus, &novel);
    let k = (novel.len() / TEXTS_PER_GROUP).clamp(1, GROUPS);
    let centroids =
        KMeansParams { seed, n_init: 4, ..KMeansParams::new(k) }.check()?.fit(rows, None, &Silent).centroids;
    let groups = members(&assign(rows, &centroids).nearest, k);
    let mut groups: Vec<Vec<u32>> =
        groups.into_iter().map(|group| group.into_iter().map(|row| novel[row as usize]).collect()).collect();
    groups.retain(|group| !group.is_empty());
    groups.sort_by_key(|group| (std::cmp::Reverse(group.len()), group[0]));
    Ok(Some(groups))
}

/// Sources as bits: the 63 with most records, and one bit for all others.
#[derive(Debug)]
pub(super) struct SourceBits {
    /// For each bit the source (`None`: records without one) and its records; none if the corpus names no sources.
    pub(super) sources: Vec<(Option<String>, u64)>,
    /// The sources of each text.
    pub(super) of_text: Vec<u64>,
}

/// The name of the bit for all sources that have none of their own.
const OTHERS: &str = "(others)";

impl SourceBits {
    fn of(records: &RecordTable, texts: usize) -> Self {
        let mut bits = Self { sources: Vec::new(), of_text: vec![0; texts] };
        if records.sources.is_empty() {
            return bits;
        }
        let with_text = || (0..records.len()).filter_map(|row| Some((row, records.text(row)?)));
        let mut rows: BTreeMap<Option<&str>, u64> = BTreeMap::new();
        with_text().for_each(|(row, _)| *rows.entry(records.sources.get(row)).or_default() += 1);
        let mut largest: Vec<(Option<&str>, u64)> = rows.into_iter().collect();
        largest.sort_by_key(|&(_, rows)| std::cmp::Reverse(rows));
        let last = u64::BITS as usize - 1;
        let others = largest.get(last..).unwrap_or_default().iter().map(|(_, rows)| rows).sum();
        let bit_of: BTreeMap<Option<&str>, usize> =
            largest.iter().enumerate().map(|(bit, &(source, _))| (source, bit.min(last))).collect();
        for (row, text) in with_text() {
            bits.of_text[text as usize] |= 1 << bit_of[&records.sources.get(row)];
        }
        bits.sources = largest.iter().take(last).map(|&(source, rows)| (source.map(str::to_owned), rows)).collect();
        if others > 0 {
            bits.sources.push((Some(OTHERS.to_owned()), others));
        }
        bits
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::Record;

    #[test]
    fn more_sources_than_bits() {
        let mut records = RecordTable::default();
        for text in 0..70_u32 {
            for _ in 0..70 - text {
                let record = Record { source: Some(format!("s{text:02}")), ..Record::default() };
                records.push(&record, Some(text));
            }
        }
        records.push(&Record::default(), Some(0));
        let bits = SourceBits::of(&records, 70);
        assert_eq!((bits.sources.len(), bits.sources[0].1), (64, 70));
        assert_eq!(bits.sources[63], (Some(OTHERS.to_owned()), (1..=7).sum::<u64>() + 1));
        assert_eq!((bits.of_text[1], bits.of_text[69]), (2, 1 << 63));
        assert_eq!(bits.of_text[0], 1 | 1 << 63, "of a source and of none");
    }
}
