//! Which of many texts the report shows.

use std::collections::BTreeMap;

use crate::cluster::{LEAF_TEXTS, NAMING_CHARACTERS, REGION_TEXTS, medoid, varied_members};
use crate::coverage::{HoleTest, LeafTest};
use crate::map::POINT_CHARACTERS;
use crate::report::beside::Beside;
use crate::report::findings::Findings;
use crate::report::reference::Reference;
use crate::vectors::EmbeddingMatrix;

/// Characters of a text that the report shows.
pub(super) const SHOWN_CHARACTERS: usize = 300;
/// Examples of a region, beside its medoid.
const EXAMPLES: usize = 4;
/// Gaps, holes and surplus leaves that are shown with examples, and how many of these.
const ILLUSTRATED: usize = 50;
const ILLUSTRATIONS: usize = 3;
/// Duplicate groups.
const DUPLICATE_GROUPS: usize = 50;

/// The texts that the report shows.
pub(super) struct Shown {
    /// Per region, the text nearest to its centroid.
    pub(super) medoids: Vec<u32>,
    /// Per region, varied texts beside the medoid.
    pub(super) examples: Vec<Vec<u32>>,
    /// Highest score first.
    pub(super) outliers: Vec<u32>,
    /// Texts that several records have, most records first.
    pub(super) duplicated: Vec<u32>,
    /// What illustrates the comparison with the reference.
    pub(super) beside: Option<ShownBeside>,
}

/// Texts that illustrate a comparison; each list stands in the order of what it illustrates, and ends where only less
/// significant ones follow.
pub(super) struct ShownBeside {
    /// Per significant gap, reference texts that nothing covers.
    pub(super) gaps: Vec<Vec<u32>>,
    /// Per hole, reference texts that nothing covers.
    pub(super) holes: Vec<Vec<u32>>,
    /// Per surplus leaf, corpus texts.
    pub(super) surplus: Vec<Vec<u32>>,
    /// Per novel group, corpus texts.
    pub(super) novel: Vec<Vec<u32>>,
    /// Per leaf, reference texts that name it.
    pub(super) naming: Vec<Vec<u32>>,
    /// Per region without corpus texts, the reference's nearest to its centroid and varied others; empty for others.
    pub(super) missing: Vec<Vec<u32>>,
}

impl Shown {
    pub(super) fn choose(
        vectors: &EmbeddingMatrix,
        reference: Option<&Reference>,
        found: &Findings,
        outliers_shown: usize,
    ) -> Self {
        let Findings { codebook, members, tally, .. } = found;
        let medoids: Vec<u32> = members
            .iter()
            .enumerate()
            .map(|(region, members)| medoid(vectors, members, codebook.region(region as u32)).unwrap_or_default())
            .collect();
        let examples = members
            .iter()
            .zip(&medoids)
            .map(|(members, &medoid)| varied_members(vectors, members, medoid, EXAMPLES))
            .collect();

        let mut outliers: Vec<u32> = (0..vectors.len() as u32).collect();
        let score = |text: u32| found.outlier.score[text as usize];
        outliers.sort_by(|&a, &b| score(b).total_cmp(&score(a)).then(a.cmp(&b)));
        outliers.truncate(outliers_shown);

        let mut duplicated: Vec<u32> =
            (0..vectors.len() as u32).filter(|&text| tally.rows[text as usize] > 1).collect();
        duplicated.sort_by_key(|&text| (std::cmp::Reverse(tally.rows[text as usize]), text));
        duplicated.truncate(DUPLICATE_GROUPS);

        let beside = reference.zip(found.beside.as_ref());
        let beside = beside.map(|(reference, (beside, leaf))| {
            ShownBeside::choose(vectors, reference.vectors(), found, beside, &leaf.members(codebook.n_leaves()))
        });
        Self { medoids, examples, outliers, duplicated, beside }
    }

    /// The rows whose texts are needed, for the report, for the names of regions and for the map, and how many characters
    /// of each.
    pub(super) fn wanted(&self, found: &Findings, mapped: &[u32]) -> BTreeMap<u32, usize> {
        let row = |&text: &u32| found.tally.kept[text as usize];
        let beside = self.beside.iter().flat_map(|beside| beside.surplus.iter().chain(&beside.novel));
        let shown = [&self.medoids, &self.outliers, &self.duplicated];
        let shown = shown.into_iter().chain(&self.examples).chain(beside).flatten();
        let leaves = found.leaf.members(found.codebook.n_leaves());
        let leaves = leaves.iter().flat_map(|members| members.iter().take(LEAF_TEXTS));
        let named = found.members.iter().flat_map(|members| members.iter().take(REGION_TEXTS)).chain(leaves);
        let mut wanted: BTreeMap<u32, usize> = mapped.iter().map(row).map(|row| (row, POINT_CHARACTERS)).collect();
        wanted.extend(shown.map(row).map(|row| (row, SHOWN_CHARACTERS)));
        wanted.extend(named.map(row).map(|row| (row, NAMING_CHARACTERS)));
        wanted
    }
}

impl ShownBeside {
    fn choose(
        corpus: &EmbeddingMatrix,
        reference: &EmbeddingMatrix,
        found: &Findings,
        beside: &Beside,
        reference_members: &[Vec<u32>],
    ) -> Self {
        let leaves = &found.codebook;
        let corpus_members = found.leaf.members(leaves.n_leaves());
        let gap = |test: &LeafTest| {
            let all = &reference_members[test.leaf as usize];
            let uncovered: Vec<u32> =
                all.iter().copied().filter(|&text| beside.is_covered(text) == Some(false)).collect();
            let from = if uncovered.is_empty() { all } else { &uncovered };
            illustrations(reference, from, leaves.leaf(test.leaf))
        };
        let hole = |test: &HoleTest| {
            let mut texts: Vec<&(u32, f32)> =
                beside.excess.iter().filter(|(text, _)| reference_members[test.leaf as usize].contains(text)).collect();
            texts.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
            texts.into_iter().take(ILLUSTRATIONS).map(|(text, _)| *text).collect()
        };
        let surplus =
            |test: &LeafTest| illustrations(corpus, &corpus_members[test.leaf as usize], leaves.leaf(test.leaf));
        let mut missing = vec![Vec::new(); leaves.n_regions()];
        for (leaf, texts) in reference_members.iter().enumerate() {
            let region = leaves.region_of_leaf[leaf] as usize;
            if found.members[region].is_empty() {
                missing[region].extend_from_slice(texts);
            }
        }
        let missing =
            missing.iter().zip(0..).map(|(texts, region)| illustrations(reference, texts, leaves.region(region)));
        let significant = beside.gaps.iter().filter(|test| test.significant);
        Self {
            gaps: significant.take(ILLUSTRATED).map(gap).collect(),
            holes: beside.holes.iter().take(ILLUSTRATED).map(|(test, _)| hole(test)).collect(),
            surplus: beside.surplus.iter().take(ILLUSTRATED).map(surplus).collect(),
            novel: beside
                .novel
                .iter()
                .flatten()
                .map(|group| illustrations(corpus, group, &mean(corpus, group)))
                .collect(),
            missing: missing.collect(),
            naming: reference_members.iter().map(|texts| texts.iter().copied().take(LEAF_TEXTS).collect()).collect(),
        }
    }

    /// The reference's texts that are needed, and how many characters of each.
    pub(super) fn wanted(&self, mapped: &[u32]) -> BTreeMap<u32, usize> {
        let mut wanted: BTreeMap<u32, usize> = mapped.iter().map(|&text| (text, POINT_CHARACTERS)).collect();
        let shown = self.gaps.iter().chain(&self.holes).chain(&self.missing).flatten();
        wanted.extend(shown.map(|&text| (text, SHOWN_CHARACTERS)));
        wanted.extend(self.naming.iter().flatten().map(|&text| (text, NAMING_CHARACTERS)));
        wanted
    }
}

/// The text nearest to a centroid, and varied others.
fn illustrations(vectors: &EmbeddingMatrix, texts: &[u32], centroid: &[f32]) -> Vec<u32> {
    let Some(first) = medoid(vectors, texts, centroid) else { return Vec::new() };
    let mut chosen = vec![first];
    chosen.extend(varied_members(vectors, texts, first, ILLUSTRATIONS - 1));
    chosen
}

/// The direction of the mean of some rows.
fn mean(vectors: &EmbeddingMatrix, texts: &[u32]) -> Vec<f32> {
    let mut sum = vec![0.0; vectors.dim()];
    let mut row = vec![0.0; vectors.dim()];
    for &text in texts {
        vectors.read_row(text as usize, &mut row);
        sum.iter_mut().zip(&row).for_each(|(sum, x)| *sum += x);
    }
    sum
}
