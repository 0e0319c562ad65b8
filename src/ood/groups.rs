//! The odd texts of a drop in groups, so that a reviewer decides on groups and not on rows.
//!
//! Average-linkage agglomerative clustering of the cosines (Sokal & Michener 1958), by nearest-neighbour chains
//! (Müllner 2011, arXiv 1109.2378; the crate `kodama`): groups are joined while the mean cosine between their texts is
//! at least the cut. Unlike k-means it needs no number of groups, and leaves alone what is like nothing else.
//!
//! A group is a *new topic* if it is large enough and its texts are nearer to the three nearest of their group than to
//! the nearest few of the reference: a topic that the reference lacks, to be taken in or refused as a whole. Everything else
//! is *noise*.
//!
//! Departure: only the first texts are linked. Every other one joins the group of the nearest of
//! these, if that is within the cut, else it stands alone.
//!
//! Cost: n^2 dim / 2 multiplications and n^2 for the linkage of n texts. Memory: 2 n^2 bytes, 32 MB at the default.

use std::cmp::Reverse;

use kodama::Method;
use rayon::prelude::*;

use crate::progress::Silent;
use crate::vectors::{EmbeddingMatrix, Rows, knn, tile};
use crate::{Error, Result};

/// Nearest texts of its own group that a text is compared with, beside those of the reference.
const NEAREST: usize = 3;

/// Settings of the groups, as typed; [`check`](Self::check) makes them usable.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupParams {
    /// Mean cosine down to which groups are joined, above 0 and up to 1. Default .35.
    pub similarity: f32,
    /// Texts from which a group can be a topic, at least 2. Default 5.
    pub min_topic: usize,
    /// Texts that are linked, the first ones; at least 1. Default 4,000.
    pub linked: usize,
}

impl Default for GroupParams {
    fn default() -> Self {
        Self { similarity: 0.35, min_topic: 5, linked: 4_000 }
    }
}

impl GroupParams {
    /// Checks every setting.
    ///
    /// # Errors
    /// [`Error::Setting`] for the first value out of its range.
    pub fn check(self) -> Result<ValidGroupParams> {
        let refused =
            |setting, expected: &str, got| Err(Error::Setting { setting, expected: expected.to_owned(), got });
        if !(self.similarity > 0.0 && self.similarity <= 1.0) {
            return refused("similarity", "a cosine above 0 and up to 1", self.similarity.to_string());
        }
        if self.min_topic < 2 {
            return refused("min_topic", "at least 2", self.min_topic.to_string());
        }
        if self.linked == 0 {
            return refused("linked", "at least 1", "0".to_owned());
        }
        Ok(ValidGroupParams(self))
    }
}

/// Settings that passed [`GroupParams::check`].
#[derive(Clone, Debug)]
pub struct ValidGroupParams(GroupParams);

/// What a group of odd texts is.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum GroupKind {
    /// Enough texts that are nearer to each other than to the reference.
    NewTopic,
    /// Few texts, or texts that are as near to the reference.
    Noise,
}

/// Odd texts that are alike.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// Positions of its texts in the rows that were grouped, the most central first: by the mean cosine to the others,
    /// and of equally central ones the lower position first.
    pub members: Vec<u32>,
    /// Mean cosine of two different texts of the group; 1 of a single text.
    pub similarity: f64,
    /// Mean cosine of its texts to the reference texts nearest to each.
    pub reference_similarity: f64,
    /// What it is.
    pub kind: GroupKind,
}

impl ValidGroupParams {
    /// The settings.
    #[must_use]
    pub fn params(&self) -> &GroupParams {
        &self.0
    }

    /// Groups the odd texts of a drop, in an order that does not depend on that of rows. `to_reference` holds the cosine of each to
    /// the reference texts nearest to it, in the mean. Topics come first, then the larger groups; of equal sizes the one with the
    /// lowest position first.
    ///
    /// # Panics
    /// If there is not one cosine per row.
    #[must_use]
    pub fn group<'a>(&self, odd: impl Into<Rows<'a>>, to_reference: &[f32]) -> Vec<Group> {
        let odd = odd.into();
        assert_eq!(odd.len(), to_reference.len(), "one cosine per row");
        let mut groups: Vec<Group> =
            self.members(odd).into_iter().map(|members| self.describe(odd, members, to_reference)).collect();
        groups.sort_by_key(|group| (group.kind, Reverse(group.members.len()), group.members.iter().min().copied()));
        groups
    }

    /// The members of every group, in ascending order.
    fn members(&self, odd: Rows<'_>) -> Vec<Vec<u32>> {
        let first = odd.prefix(self.0.linked);
        let mut groups = linked(first, self.0.similarity);
        let mut group_of = vec![0; first.len()];
        for (group, members) in groups.iter().enumerate() {
            for &member in members {
                group_of[member as usize] = group;
            }
        }
        let others = odd.skip(first.len());
        let neighbours = knn::nearest(others, first, 1, &Silent);
        for other in 0..others.len() {
            let (index, similarity) = neighbours.of(other);
            let row = (first.len() + other) as u32;
            match index.first() {
                Some(&near) if similarity[0] >= self.0.similarity => groups[group_of[near as usize]].push(row),
                _ => groups.push(vec![row]),
            }
        }
        groups
    }

    fn describe(&self, odd: Rows<'_>, members: Vec<u32>, to_reference: &[f32]) -> Group {
        let near = members.iter().map(|&row| f64::from(to_reference[row as usize]));
        let reference_similarity = near.sum::<f64>() / members.len() as f64;
        let (members, similarity) = by_centrality(odd, members);
        let topic = members.len() >= self.0.min_topic && among_themselves(odd, &members) > reference_similarity;
        let kind = if topic { GroupKind::NewTopic } else { GroupKind::Noise };
        Group { members, similarity, reference_similarity, kind }
    }
}

/// Mean cosine of the members of a group to the nearest of the others.
fn among_themselves(odd: Rows<'_>, members: &[u32]) -> f64 {
    let mut vectors = Vec::with_capacity(members.len() * odd.dim());
    let mut x = vec![0.0; odd.dim()];
    for &member in members {
        odd.read_row(member as usize, &mut x);
        vectors.extend_from_slice(&x);
    }
    let vectors = EmbeddingMatrix::from_f32(odd.dim(), &vectors);
    let found = knn::nearest_others((&vectors).into(), (&vectors).into(), NEAREST, &Silent);
    let cosines = (0..members.len()).flat_map(|member| found.of(member).1);
    let (n, sum) = cosines.fold((0, 0.0), |(n, sum), &cosine| (n + 1, sum + f64::from(cosine)));
    sum / f64::from(n.max(1))
}

/// Groups by average linkage, down to a mean cosine.
fn linked(rows: Rows<'_>, similarity: f32) -> Vec<Vec<u32>> {
    let n = rows.len();
    let mut groups: Vec<Vec<u32>> = (0..n as u32).map(|row| vec![row]).collect();
    // A step joins two earlier groups, and what it makes is the next one. The steps are sorted by distance.
    let steps = kodama::linkage(&mut distances(rows), n, Method::Average);
    for step in steps.steps().iter().take_while(|step| step.dissimilarity <= 1.0 - similarity) {
        let [first, second] = [step.cluster1, step.cluster2].map(|group| std::mem::take(&mut groups[group]));
        groups.push([first, second].concat());
    }
    groups.retain(|members| !members.is_empty());
    for members in &mut groups {
        members.sort_unstable();
    }
    groups
}

/// 1 - cos of every two rows, from 0 up: the first row beside all later ones, then the second, and so on.
fn distances(rows: Rows<'_>) -> Vec<f32> {
    let n = rows.len();
    let mut distances = vec![0.0; n * n.saturating_sub(1) / 2];
    let start_of = |row: usize| row * (2 * n - row - 1) / 2;
    let mut rest = distances.as_mut_slice();
    let mut tiles = Vec::with_capacity(n.div_ceil(tile::ROWS));
    for start in (0..n).step_by(tile::ROWS) {
        let end = n.min(start + tile::ROWS);
        let (tile, later) = std::mem::take(&mut rest).split_at_mut(start_of(end) - start_of(start));
        tiles.push((start, tile));
        rest = later;
    }
    tile::for_each(rows, &tile::columns(rows), tiles.into_par_iter(), |(start, tile), columns| {
        let row = *start + columns.row_in_tile;
        let later = (row + 1).saturating_sub(columns.column).min(columns.values.len());
        let place = (start_of(row) - start_of(*start)) + (columns.column + later).saturating_sub(row + 1);
        for (distance, cosine) in tile[place..].iter_mut().zip(&columns.values[later..]) {
            *distance = (1.0 - cosine).max(0.0);
        }
    });
    distances
}

/// Members, most central first, and the mean cosine of two of them, from the sum of their vectors; 1 of a single one.
fn by_centrality(rows: Rows<'_>, members: Vec<u32>) -> (Vec<u32>, f64) {
    if members.len() == 1 {
        return (members, 1.0);
    }
    let mut sum = vec![0.0; rows.dim()];
    let mut x = vec![0.0; rows.dim()];
    for &member in &members {
        rows.read_row(member as usize, &mut x);
        sum.iter_mut().zip(&x).for_each(|(sum, &x)| *sum += f64::from(x));
    }
    let others = (members.len() - 1) as f64;
    let mut centrality = |member: u32| {
        rows.read_row(member as usize, &mut x);
        sum.iter().zip(&x).map(|(sum, &x)| (sum - f64::from(x)) * f64::from(x)).sum::<f64>() / others
    };
    let mut ranked: Vec<(f64, u32)> = members.into_iter().map(|member| (centrality(member), member)).collect();
    let similarity = ranked.iter().map(|(centrality, _)| centrality).sum::<f64>() / ranked.len() as f64;
    ranked.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    (ranked.into_iter().map(|(_, member)| member).collect(), similarity.clamp(-1.0, 1.0))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::cluster::kmeans::tests::bundles;
    use crate::vectors::{EmbeddingMatrix, at};

    fn group(matrix: &EmbeddingMatrix, to_reference: f32, params: GroupParams) -> Vec<Group> {
        params.check().unwrap().group(matrix, &vec![to_reference; matrix.len()])
    }

    fn members(groups: &[Group]) -> Vec<Vec<u32>> {
        groups.iter().map(|group| group.members.clone()).collect()
    }

    fn cosine(degrees: f64) -> f64 {
        degrees.to_radians().cos()
    }

    #[test]
    fn by_hand() {
        // 0, 10 and 30 degrees; 180; 100 and 110 degrees. arccos .5 is 60 degrees.
        let matrix = at(&[0.0, 180.0, 30.0, 110.0, 10.0, 100.0]);
        let params = GroupParams { min_topic: 3, ..GroupParams::default() };
        let groups = group(&matrix, 0.5, params.clone());
        assert_eq!(members(&groups), [vec![4, 0, 2], vec![3, 5], vec![1]], "10 degrees is in the middle");
        assert_eq!(
            groups.iter().map(|g| g.kind).collect::<Vec<_>>(),
            [GroupKind::NewTopic, GroupKind::Noise, GroupKind::Noise]
        );
        // f16 components: 2^-12 each.
        let want = (cosine(10.0) + cosine(20.0) + cosine(30.0)) / 3.0;
        assert!((groups[0].similarity - want).abs() < 1e-3 && groups[2].similarity == 1.0);
        assert!((groups[0].reference_similarity - 0.5).abs() < 1e-6);
        // As near to the reference as to each other: no topic, and so behind the pair that is one.
        let near = GroupParams { min_topic: 2, ..params }.check().unwrap();
        let near = near.group(&matrix, &[0.99, 0.99, 0.99, 0.1, 0.99, 0.1]);
        assert_eq!(members(&near), [vec![3, 5], vec![4, 0, 2], vec![1]]);
        assert_eq!(near[1].kind, GroupKind::Noise);
    }

    /// Average linkage, word by word: join the two groups of the highest mean cosine while it is at least the cut.
    #[test]
    fn agrees_with_the_rule() {
        let matrix = bundles(12, 15, 6, 0.9);
        let row = |i: u32| {
            let mut row = vec![0.0; 6];
            matrix.read_row(i as usize, &mut row);
            row
        };
        let cosine = |a: u32, b: u32| row(a).iter().zip(row(b)).map(|(a, b)| f64::from(a * b)).sum::<f64>();
        let n = matrix.len() as u32;
        let cosines: Vec<Vec<f64>> = (0..n).map(|a| (0..n).map(|b| cosine(a, b)).collect()).collect();
        for cut in [0.5, 0.8, 0.95] {
            let mut want: Vec<Vec<u32>> = (0..n).map(|row| vec![row]).collect();
            loop {
                let mean = |a: usize, b: usize| {
                    let row = |a: &u32| want[b].iter().map(|&b| cosines[*a as usize][b as usize]).sum::<f64>();
                    want[a].iter().map(row).sum::<f64>() / (want[a].len() * want[b].len()) as f64
                };
                let pairs = (0..want.len()).flat_map(|b| (0..b).map(move |a| (a, b)));
                let best = pairs.map(|(a, b)| (mean(a, b), a, b)).max_by(|x, y| x.0.total_cmp(&y.0));
                let Some((_, a, b)) = best.filter(|(mean, ..)| *mean >= cut) else { break };
                let joined = want.swap_remove(b);
                want[a].extend(joined);
            }
            let sets = |groups: Vec<Vec<u32>>| {
                groups.into_iter().map(|group| group.into_iter().collect()).collect::<BTreeSet<BTreeSet<u32>>>()
            };
            let found = group(&matrix, 0.0, GroupParams { similarity: cut as f32, ..GroupParams::default() });
            assert!(found.len() > 5 && found[0].members.len() > 1);
            assert_eq!(sets(members(&found)), sets(want), "{cut}");
        }
    }

    /// More rows than a tile, and rows far apart in it: the distances stand where the linkage looks for them.
    #[test]
    fn distances_of_every_two() {
        for n in [1_usize, 2, 127, 128, 129, 300] {
            let degrees: Vec<f32> = (0..n).map(|i| (i * 37 % 360) as f32).collect();
            let matrix = at(&degrees);
            let found = distances((&matrix).into());
            let pairs = (0..n).flat_map(|a| (a + 1..n).map(move |b| (a, b)));
            let want: Vec<f64> = pairs.map(|(a, b)| 1.0 - cosine(f64::from(degrees[a] - degrees[b]))).collect();
            assert_eq!(found.len(), want.len());
            assert!(found.iter().zip(want).all(|(found, want)| (f64::from(*found) - want).abs() < 2e-3), "{n}");
        }
        assert!(distances(Rows::from(&at(&[1.0])).prefix(0)).is_empty());
    }

    #[test]
    fn texts_beyond_those_that_are_linked() {
        // The first three are linked: two groups. 5 and 175 degrees are near one of each; 270 is near none.
        let matrix = at(&[0.0, 10.0, 180.0, 5.0, 270.0, 175.0, 271.0]);
        let groups = group(&matrix, 0.0, GroupParams { linked: 3, min_topic: 3, ..GroupParams::default() });
        assert_eq!(members(&groups), [vec![3, 0, 1], vec![2, 5], vec![4], vec![6]]);
    }

    #[test]
    fn degenerate_rows() {
        let params = GroupParams::default;
        assert_eq!(group(&EmbeddingMatrix::from_f32(3, &[]), 0.0, params()), []);
        assert_eq!(members(&group(&at(&[7.0]), 0.0, params())), [[0]]);
        let copies = group(&EmbeddingMatrix::from_f32(3, &[0.3, 0.5, -0.2].repeat(9)), 0.9, params());
        assert_eq!(members(&copies), [[0, 1, 2, 3, 4, 5, 6, 7, 8]]);
        assert!(copies[0].kind == GroupKind::NewTopic && (copies[0].similarity - 1.0).abs() < 1e-6);
        // Vectors of nothing are like nothing, each other included.
        let zeros = group(&EmbeddingMatrix::from_f32(3, &[0.0; 21]), 0.0, params());
        assert_eq!(zeros.len(), 7);
        assert!(zeros.iter().all(|group| group.kind == GroupKind::Noise));
        let opposite = group(&at(&[0.0, 180.0]), 0.0, params());
        assert_eq!(opposite.len(), 2);
    }

    #[test]
    fn same_groups_at_any_number_of_threads() {
        let matrix = bundles(9, 60, 16, 0.6);
        let params = GroupParams { linked: 400, ..GroupParams::default() };
        let found = [1, 2, 5].map(|threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| group(&matrix, 0.4, params.clone()))
        });
        assert!(found[0] == found[1] && found[0] == found[2]);
        let mut all: Vec<u32> = members(&found[0]).concat();
        all.sort_unstable();
        assert_eq!(all, (0..540).collect::<Vec<_>>(), "every row is in one group");
    }

    #[test]
    fn refused_settings() {
        let params = GroupParams::default;
        for params in [
            GroupParams { similarity: 0.0, ..params() },
            GroupParams { similarity: 1.01, ..params() },
            GroupParams { similarity: f32::NAN, ..params() },
            GroupParams { min_topic: 1, ..params() },
            GroupParams { linked: 0, ..params() },
        ] {
            assert!(matches!(params.check(), Err(Error::Setting { .. })));
        }
    }
}
