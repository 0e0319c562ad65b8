//! The local score: distance to the nearest reference rows, made comparable across tight and loose regions.
//!
//! ```text
//! s(x) = mean_j d(x, j) - lambda mean_j r_j      d = 1 - cos
//! ```
//! with j the k nearest reference rows of x, and the radius of j, r, its mean distance to its own k nearest other
//! reference rows. The radii do what the local
//! density of LOF does (Breunig et al. 2000, <https://doi.org/10.1145/335191.335388>), as a difference where LOF
//! divides, which is stable where radii are near 0. Without them it is the kNN score of Sun et al. 2022
//! (arXiv 2204.06507; there the distance to the k-th neighbour, here the mean over k): [`LocalParts::knn`].
//!
//! k = 5 and lambda = 1/2 unless a reference [chooses](super::choose) others.
//!
//! A row of the reference is scored as if it were not part of it: neither among its own neighbours nor in their radii.
//!
//! Neighbours are found in 8 bits and judged in f32 ([`Index`]).
//!
//! Cost: (reference + queries) x reference x dim multiplications of 8 bits.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::progress::Progress;
use crate::vectors::knn::Neighbours;
use crate::vectors::{Index, Rows};
use crate::{Error, Result};

/// Settings of the local score.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LocalParams {
    /// Nearest rows that a row is compared with, k; at least 1. Default 5.
    pub neighbours: usize,
    /// Weight of their radii, 0 (the kNN score) to 1. Default 0.5.
    pub lambda: f64,
}

impl Default for LocalParams {
    fn default() -> Self {
        Self { neighbours: 5, lambda: 0.5 }
    }
}

impl LocalParams {
    /// Checks both settings.
    ///
    /// # Errors
    /// [`Error::Setting`] for the first value out of its range.
    pub fn check(&self) -> Result<()> {
        let refused =
            |setting, expected: &str, got| Err(Error::Setting { setting, expected: expected.to_owned(), got });
        if self.neighbours == 0 {
            return refused("neighbours", "at least 1", "0".to_owned());
        }
        if !(0.0..=1.0).contains(&self.lambda) {
            return refused("lambda", "a weight from 0 to 1", self.lambda.to_string());
        }
        Ok(())
    }
}

/// The two parts of a local score.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct LocalParts {
    /// Mean distance to the nearest reference rows, 0 to 2: the kNN score.
    pub distance: f64,
    /// Mean radius of these rows, 0 to 2.
    pub radius: f64,
}

impl LocalParts {
    /// The kNN score, which knows nothing of radii.
    #[must_use]
    pub fn knn(self) -> f32 {
        self.distance as f32
    }

    /// The local score; radii weigh `lambda`.
    #[must_use]
    pub fn local(self, lambda: f64) -> f32 {
        (self.distance - lambda * self.radius) as f32
    }

    /// Of a row whose nearest reference rows these are, nearest first, by the first k of them. `others` lists the
    /// neighbours of every reference row; a radius takes the first k that are not `left_out`.
    pub(super) fn of(
        (index, similarity): (&[u32], &[f32]),
        others: &Neighbours,
        k: usize,
        left_out: impl Fn(u32) -> bool,
    ) -> Self {
        let distance = |similarity: f32| 1.0 - f64::from(similarity);
        let radius = |row: u32| {
            let (index, similarity) = others.of(row as usize);
            let others = index.iter().zip(similarity).filter(|(index, _)| !left_out(**index));
            mean(others.take(k).map(|(_, &similarity)| distance(similarity)))
        };
        Self {
            distance: mean(similarity.iter().take(k).map(|&similarity| distance(similarity))),
            radius: mean(index.iter().take(k).map(|&row| radius(row))),
        }
    }
}

/// A reference and the radii of its rows.
#[derive(Clone, Debug)]
pub struct LocalScore<'a> {
    reference: Index<'a>,
    params: LocalParams,
    /// k + 1 neighbours of every reference row, so that one can be left out.
    others: Neighbours,
}

impl<'a> LocalScore<'a> {
    /// Finds the neighbours of every reference row.
    #[must_use]
    pub fn fit(reference: Rows<'a>, params: LocalParams, progress: &dyn Progress) -> Self {
        let index = Index::new(reference);
        let others = index.nearest_others(reference, params.neighbours + 1, progress);
        Self { reference: index, params, others }
    }

    /// Of a reference whose rows' neighbours are known, more than k of each where there are more rows.
    pub(super) fn of_neighbours(reference: Index<'a>, others: &Neighbours, params: LocalParams) -> Self {
        Self { reference, params, others: others.first(params.neighbours + 1) }
    }

    /// The settings.
    #[must_use]
    pub fn params(&self) -> LocalParams {
        self.params
    }

    /// Scores of the reference rows, each left out of the reference; 0 where there is no other row.
    #[must_use]
    pub fn left_out(&self) -> Vec<f32> {
        self.left_out_parts().into_iter().map(|parts| parts.local(self.params.lambda)).collect()
    }

    /// [`left_out`](Self::left_out) in parts, for either score.
    #[must_use]
    pub fn left_out_parts(&self) -> Vec<LocalParts> {
        let k = self.params.neighbours;
        (0..self.reference.len())
            .map(|row| LocalParts::of(self.others.of(row), &self.others, k, |other| other == row as u32))
            .collect()
    }

    /// Scores of rows that are not in the reference; 0 where the reference is empty.
    #[must_use]
    pub fn score(&self, queries: Rows<'_>, progress: &dyn Progress) -> Vec<f32> {
        self.score_parts(queries, progress).into_iter().map(|parts| parts.local(self.params.lambda)).collect()
    }

    /// [`score`](Self::score) in parts, for either score.
    #[must_use]
    pub fn score_parts(&self, queries: Rows<'_>, progress: &dyn Progress) -> Vec<LocalParts> {
        self.parts(&self.nearest(queries, progress))
    }

    /// The nearest reference rows of rows that are not in the reference.
    #[must_use]
    pub fn nearest(&self, queries: Rows<'_>, progress: &dyn Progress) -> Neighbours {
        self.reference.nearest(queries, self.params.neighbours, progress)
    }

    /// The scores, in parts, of rows whose nearest reference rows are known.
    #[must_use]
    pub fn parts(&self, found: &Neighbours) -> Vec<LocalParts> {
        let k = self.params.neighbours;
        (0..found.len()).map(|query| LocalParts::of(found.of(query), &self.others, k, |_| false)).collect()
    }
}

/// 0 for nothing.
fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (count, sum) = values.fold((0, 0.0), |(count, sum), value| (count + 1, sum + value));
    if count == 0 { 0.0 } else { sum / f64::from(count) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Silent;
    use crate::vectors::EmbeddingMatrix;

    fn fit(matrix: &EmbeddingMatrix, neighbours: usize) -> LocalScore<'_> {
        LocalScore::fit(matrix.into(), LocalParams { neighbours, ..LocalParams::default() }, &Silent)
    }

    /// On the axes of 3-space, d is 0 for the same axis, 1 for another, and 2 for the opposite direction.
    #[test]
    fn by_hand() {
        let x = [1.0, 0.0, 0.0];
        let y = [0.0, 1.0, 0.0];
        let not_x = [-1.0, 0.0, 0.0];
        let matrix = EmbeddingMatrix::from_f32(3, &[x, y, not_x].concat());
        let local = fit(&matrix, 1);
        // Radii: x 1 (to y), y 1 (to x), -x 1 (to y). Query x: nearest is x at 0.
        let query = EmbeddingMatrix::from_f32(3, &[x, [0.0, 0.0, 1.0]].concat());
        assert_eq!(local.score((&query).into(), &Silent), [-0.5, 0.5]);
        // Left out: x's nearest is y at 1, whose nearest without x is -x at 1. y's nearest is x at 1, whose nearest
        // without y is -x at 2.
        assert_eq!(local.left_out(), [0.5, 0.0, 0.5]);
        // The distances alone are the kNN score.
        let knn = |parts: Vec<LocalParts>| parts.into_iter().map(LocalParts::knn).collect::<Vec<_>>();
        assert_eq!(knn(local.score_parts((&query).into(), &Silent)), [0.0, 1.0]);
        assert_eq!(knn(local.left_out_parts()), [1.0, 1.0, 1.0]);
        let all_of_it = LocalScore { params: LocalParams { lambda: 1.0, ..local.params() }, ..local };
        assert_eq!(all_of_it.left_out(), [0.0, -1.0, 0.0]);
    }

    /// Leaving a row out gives what fitting without it gives.
    #[test]
    fn left_out_is_out() {
        let n = 30;
        let all = crate::cluster::kmeans::tests::bundles(3, 10, 8, 0.7);
        let mut data = Vec::new();
        all.gather(0..n, &mut data);
        let left_out = fit(&all, 4).left_out();
        for (row, &left_out) in left_out.iter().enumerate() {
            let mut rest = data.clone();
            let query: Vec<f32> = rest.splice(row * 8..(row + 1) * 8, []).collect();
            let (rest, query) = (EmbeddingMatrix::from_f32(8, &rest), EmbeddingMatrix::from_f32(8, &query));
            let score = fit(&rest, 4).score((&query).into(), &Silent)[0];
            // Rows rounded to f16 a second time, 2^-12 per component. A row counted in radii it left moves them by .01.
            assert!((score - left_out).abs() < 3e-4, "{score} {left_out}");
        }
    }

    #[test]
    fn tiny_references() {
        let one = EmbeddingMatrix::from_f32(2, &[1.0, 0.0]);
        assert_eq!(fit(&one, 5).left_out(), [0.0]);
        let none = LocalScore::fit(Rows::from(&one).prefix(0), LocalParams::default(), &Silent);
        assert_eq!(none.score((&one).into(), &Silent), [0.0]);
    }
}
