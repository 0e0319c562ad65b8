//! Which of many texts the report shows.

use std::collections::BTreeMap;

use crate::cluster::{medoid, varied_members};
use crate::report::findings::Findings;
use crate::vectors::EmbeddingMatrix;

/// Characters of a text that the report shows.
pub(super) const SHOWN_CHARACTERS: usize = 300;
/// Texts per region that its name is made from: the first in the order of content hashes, a random sample.
pub(super) const NAMING_TEXTS: usize = 1_000;
/// Characters of a text that a name is made from.
const NAMING_CHARACTERS: usize = 500;
/// Examples of a region, beside its medoid.
const EXAMPLES: usize = 4;
/// Duplicate groups.
const DUPLICATE_GROUPS: usize = 50;
/// Points on the map, outliers aside: the first texts in the order of content hashes.
const MAP_POINTS: usize = 5_000;

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
    /// Ascending.
    pub(super) map: Vec<u32>,
}

impl Shown {
    pub(super) fn choose(vectors: &EmbeddingMatrix, found: &Findings, outliers_shown: usize) -> Self {
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

        let mut map: Vec<u32> = (0..vectors.len().min(MAP_POINTS) as u32).chain(outliers.iter().copied()).collect();
        map.sort_unstable();
        map.dedup();
        Self { medoids, examples, outliers, duplicated, map }
    }

    /// The rows whose texts are needed, for the report and for the names of regions, and how many characters of each.
    pub(super) fn wanted(&self, found: &Findings) -> BTreeMap<u32, usize> {
        let row = |&text: &u32| found.tally.kept[text as usize];
        let shown =
            [&self.medoids, &self.outliers, &self.duplicated, &self.map].into_iter().chain(&self.examples).flatten();
        let named = found.members.iter().flat_map(|members| members.iter().take(NAMING_TEXTS));
        let mut wanted: BTreeMap<u32, usize> = shown.map(row).map(|row| (row, SHOWN_CHARACTERS)).collect();
        wanted.extend(named.map(row).map(|row| (row, NAMING_CHARACTERS)));
        wanted
    }
}
