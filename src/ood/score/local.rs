//! The local score: distance to the nearest reference rows, made comparable across tight and loose regions.
//!
//! ```text
//! s(x) = mean_j d(x, j) - 1/2 mean_j r_j      d = 1 - cos
//! ```
//! with j the k nearest reference rows of x, and the radius of j, r, its mean distance to its own k nearest other
//! reference rows. The radii do what the local
//! density of LOF does (Breunig et al. 2000, <https://doi.org/10.1145/335191.335388>), as a difference where LOF
//! divides, which is stable where radii are near 0. Without them it is the kNN score of Sun et al. 2022
//! (arXiv 2204.06507).
//!
//! A row of the reference is scored as if it were not part of it: neither among its own neighbours nor in their radii.
//!
//! Cost: (reference + queries) x reference x dim multiplications.

use crate::progress::Progress;
use crate::vectors::Rows;
use crate::vectors::knn::{Neighbours, nearest, nearest_others};

/// A reference and the radii of its rows.
#[derive(Clone, Debug)]
pub struct LocalScore<'a> {
    reference: Rows<'a>,
    k: usize,
    /// k + 1 neighbours of every reference row, so that one can be left out.
    others: Neighbours,
}

impl<'a> LocalScore<'a> {
    /// Finds the neighbours of every reference row; `k` is 5 in the default score.
    #[must_use]
    pub fn fit(reference: Rows<'a>, k: usize, progress: &dyn Progress) -> Self {
        let others = nearest_others(reference, reference, k + 1, progress);
        Self { reference, k, others }
    }

    /// Scores of the reference rows, each left out of the reference; 0 where there is no other row.
    #[must_use]
    pub fn left_out(&self) -> Vec<f32> {
        (0..self.reference.len()).map(|row| self.combine(self.others.of(row), Some(row as u32))).collect()
    }

    /// Scores of rows that are not in the reference; 0 where the reference is empty.
    #[must_use]
    pub fn score(&self, queries: Rows<'_>, progress: &dyn Progress) -> Vec<f32> {
        let neighbours = nearest(queries, self.reference, self.k, progress);
        (0..queries.len()).map(|query| self.combine(neighbours.of(query), None)).collect()
    }

    fn combine(&self, (index, similarity): (&[u32], &[f32]), without: Option<u32>) -> f32 {
        let distance = mean(similarity.iter().take(self.k).map(|&similarity| 1.0 - f64::from(similarity)));
        let radius = mean(index.iter().take(self.k).map(|&row| self.radius(row, without)));
        (distance - radius / 2.0) as f32
    }

    /// Mean distance of a reference row to its nearest others, as if `without` were not among them.
    fn radius(&self, row: u32, without: Option<u32>) -> f64 {
        let (index, similarity) = self.others.of(row as usize);
        let others = index.iter().zip(similarity).filter(|(index, _)| Some(**index) != without);
        mean(others.take(self.k).map(|(_, &similarity)| 1.0 - f64::from(similarity)))
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

    /// On the axes of 3-space, d is 0 for the same axis, 1 for another, and 2 for the opposite direction.
    #[test]
    fn by_hand() {
        let x = [1.0, 0.0, 0.0];
        let y = [0.0, 1.0, 0.0];
        let not_x = [-1.0, 0.0, 0.0];
        let matrix = EmbeddingMatrix::from_f32(3, &[x, y, not_x].concat());
        let local = LocalScore::fit((&matrix).into(), 1, &Silent);
        // Radii: x 1 (to y), y 1 (to x), -x 1 (to y). Query x: nearest is x at 0.
        let query = EmbeddingMatrix::from_f32(3, &[x, [0.0, 0.0, 1.0]].concat());
        assert_eq!(local.score((&query).into(), &Silent), [-0.5, 0.5]);
        // Left out: x's nearest is y at 1, whose nearest without x is -x at 1. y's nearest is x at 1, whose nearest
        // without y is -x at 2.
        assert_eq!(local.left_out(), [0.5, 0.0, 0.5]);
    }

    /// Leaving a row out gives what fitting without it gives.
    #[test]
    fn left_out_is_out() {
        let n = 30;
        let all = crate::cluster::kmeans::tests::bundles(3, 10, 8, 0.7);
        let mut data = Vec::new();
        all.gather(0..n, &mut data);
        let left_out = LocalScore::fit((&all).into(), 4, &Silent).left_out();
        for (row, &left_out) in left_out.iter().enumerate() {
            let mut rest = data.clone();
            let query: Vec<f32> = rest.splice(row * 8..(row + 1) * 8, []).collect();
            let (rest, query) = (EmbeddingMatrix::from_f32(8, &rest), EmbeddingMatrix::from_f32(8, &query));
            let score = LocalScore::fit((&rest).into(), 4, &Silent).score((&query).into(), &Silent)[0];
            // Rows rounded to f16 a second time, 2^-12 per component. A row counted in radii it left moves them by .01.
            assert!((score - left_out).abs() < 3e-4, "{score} {left_out}");
        }
    }

    #[test]
    fn tiny_references() {
        let one = EmbeddingMatrix::from_f32(2, &[1.0, 0.0]);
        assert_eq!(LocalScore::fit((&one).into(), 5, &Silent).left_out(), [0.0]);
        let none = LocalScore::fit(Rows::from(&one).prefix(0), 5, &Silent);
        assert_eq!(none.score((&one).into(), &Silent), [0.0]);
    }
}
