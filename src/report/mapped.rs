//! The corpus and its reference on one map.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::corpus::{Categories, CollectedTexts, RecordTable, cut};
use crate::map::{Layout, MapParams, MapPoint, MapPoints, Mark, POINT_CHARACTERS, Side, draw, lay_out};
use crate::progress::Progress;
use crate::report::ReportParams;
use crate::report::findings::Findings;
use crate::report::reference::{Reference, ReferenceTexts};
use crate::report::rows::RowNeighbors;
use crate::vectors::{EmbeddingMatrix, Rows};

/// p-value up to which a corpus text is drawn in any case.
const KEPT: f32 = 0.01;

/// Where the texts drawn lie, corpus before reference, each in the order of content hashes.
#[derive(Debug)]
pub(super) struct Mapped {
    pub(super) layout: Layout,
    /// The texts drawn of corpus and reference, ascending.
    pub(super) texts: [Vec<u32>; 2],
    /// Distinct texts of both.
    of: [u64; 2],
    /// Texts to review, ascending.
    review: Vec<u32>,
}

impl Mapped {
    /// Draws and lays out; `review` lists the corpus texts to review, most important first.
    pub(super) fn of(
        corpus: &EmbeddingMatrix,
        reference: Option<&Reference>,
        found: &Findings,
        review: &[u32],
        params: &ReportParams,
        progress: &dyn Progress,
    ) -> Self {
        let region_of_leaf = &found.codebook.region_of_leaf;
        let reference_leaf = found.beside.as_ref().map_or(&[][..], |(_, leaf)| &leaf.nearest);
        let reference_region: Vec<u32> = reference_leaf.iter().map(|&leaf| region_of_leaf[leaf as usize]).collect();
        let (score, p_value) = (&found.outlier.score, &found.outlier.p_value);
        let mut low: Vec<u32> = (0..corpus.len() as u32).filter(|&text| p_value[text as usize] <= KEPT).collect();
        low.sort_by(|&a, &b| score[b as usize].total_cmp(&score[a as usize]).then(a.cmp(&b)));
        let keep: Vec<u32> = review.iter().copied().chain(low).collect();
        let texts = match params.map_points {
            0 => [Vec::new(), Vec::new()],
            limit => draw([&found.region, &reference_region], &keep, limit),
        };

        let all = match reference {
            Some(reference) if !reference_region.is_empty() => {
                EmbeddingMatrix::joined(corpus.clone(), reference.vectors().clone())
            }
            _ => corpus.clone(),
        };
        let n = corpus.len() as u32;
        let indices: Vec<u32> = texts[0].iter().copied().chain(texts[1].iter().map(|&text| n + text)).collect();
        let map_params = MapParams { seed: params.seed, ..MapParams::default() };
        let layout = lay_out(Rows::of(&all, &indices), &map_params, progress);
        let mut review = review.to_vec();
        review.sort_unstable();
        let of = [corpus.len() as u64, reference.map_or(0, Reference::distinct_texts)];
        Self { layout, texts, of, review }
    }

    /// Which point a text is.
    fn point(&self, side: Side, text: u32) -> Option<usize> {
        match side {
            Side::Corpus => self.texts[0].binary_search(&text).ok(),
            Side::Reference => self.texts[1].binary_search(&text).ok().map(|place| self.texts[0].len() + place),
        }
    }

    /// The place of a text, and its neighbours by the rows of a table of all records: `rows` gives the row of the record
    /// that stands for a text.
    pub(super) fn row(
        &self,
        side: Side,
        text: u32,
        rows: impl Fn(Side, u32) -> usize,
    ) -> (Option<[f32; 2]>, Option<RowNeighbors>) {
        let Some(point) = self.point(side, text) else { return (None, None) };
        let drawn = self.texts[0].len();
        let row = |point: u32| match (point as usize).checked_sub(drawn) {
            None => rows(Side::Corpus, self.texts[0][point as usize]),
            Some(point) => rows(Side::Reference, self.texts[1][point]),
        };
        let (ids, distances) =
            self.layout.neighbors[point].iter().map(|&(other, distance)| (row(other) as i64, distance)).unzip();
        (Some(self.layout.xy[point]), Some(RowNeighbors { ids, distances }))
    }

    /// What a page draws.
    pub(super) fn points(
        &self,
        records: &RecordTable,
        found: &Findings,
        texts: &CollectedTexts,
        reference: Option<&ReferenceTexts<'_>>,
    ) -> MapPoints {
        let [mut sources, mut labels] = [Names::of(&records.sources), Names::of(&records.labels)];
        let mut points = Vec::with_capacity(self.layout.xy.len());
        for (&text, &xy) in self.texts[0].iter().zip(&self.layout.xy) {
            let row = found.tally.kept[text as usize] as usize;
            points.push(MapPoint {
                xy,
                side: Side::Corpus,
                region: found.region[text as usize],
                score: Some(found.outlier.score[text as usize]),
                mark: self.review.binary_search(&text).is_ok().then_some(Mark::Review),
                source: sources.get(row),
                label: labels.get(row),
                id: records.id(row).to_owned(),
                text: cut(texts.get(row as u32), POINT_CHARACTERS),
            });
        }
        if let (Some(reference), Some((_, leaf))) = (reference, &found.beside) {
            let table = reference.reference().records();
            let mut names = table.map(|records| [Names::of(&records.sources), Names::of(&records.labels)]);
            for (&text, &xy) in self.texts[1].iter().zip(&self.layout.xy[self.texts[0].len()..]) {
                let row = reference.reference().row(text);
                let mut name = |which: usize| names.as_mut().and_then(|names| names[which].get(row));
                points.push(MapPoint {
                    xy,
                    side: Side::Reference,
                    region: found.codebook.region_of_leaf[leaf.nearest[text as usize] as usize],
                    score: None,
                    mark: None,
                    source: name(0),
                    label: name(1),
                    id: reference.reference().id(text).to_owned(),
                    text: cut(reference.get(text), POINT_CHARACTERS),
                });
            }
        }
        MapPoints { method: self.layout.method, points, of: self.of }
    }
}

/// Names of a column, each held once.
struct Names<'a> {
    column: &'a Categories,
    held: BTreeMap<&'a str, Arc<str>>,
}

impl<'a> Names<'a> {
    fn of(column: &'a Categories) -> Self {
        Self { column, held: BTreeMap::new() }
    }

    fn get(&mut self, row: usize) -> Option<Arc<str>> {
        if self.column.is_empty() {
            return None;
        }
        let name = self.column.get(row)?;
        Some(self.held.entry(name).or_insert_with(|| name.into()).clone())
    }
}
