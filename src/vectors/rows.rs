//! A view of some rows of a matrix.

use std::ops::Range;

use half::f16;

use super::EmbeddingMatrix;

/// Some rows of a matrix, all of them or [some](Self::of): every `step`-th, from `first`.
///
/// Rows stand in the order of content hashes, which has nothing to do with their meaning. So a [prefix](Self::prefix)
/// is a random sample that does not depend on the order of files, and so is a [fold](Self::fold).
#[derive(Clone, Copy, Debug)]
pub struct Rows<'a> {
    matrix: &'a EmbeddingMatrix,
    /// The rows to choose from; all of the matrix where it is `None`.
    chosen: Option<&'a [u32]>,
    first: usize,
    step: usize,
    len: usize,
}

impl<'a> Rows<'a> {
    /// The matrix whose rows these are.
    #[must_use]
    pub(crate) fn matrix(&self) -> &'a EmbeddingMatrix {
        self.matrix
    }

    /// The rows at these indices, in this order.
    #[must_use]
    pub fn of(matrix: &'a EmbeddingMatrix, indices: &'a [u32]) -> Self {
        Self { matrix, chosen: Some(indices), first: 0, step: 1, len: indices.len() }
    }
}

impl Rows<'_> {
    /// At most `n` rows: those of smallest content hash.
    #[must_use]
    pub fn prefix(self, n: usize) -> Self {
        Self { len: self.len.min(n), ..self }
    }

    /// All but the first `n` rows.
    #[must_use]
    pub fn skip(self, n: usize) -> Self {
        let n = n.min(self.len);
        Self { first: self.first + n * self.step, len: self.len - n, ..self }
    }

    /// Fold `fold` of `folds` disjoint ones of nearly equal size.
    ///
    /// # Panics
    /// If `fold >= folds`.
    #[must_use]
    pub fn fold(self, fold: usize, folds: usize) -> Self {
        assert!(fold < folds, "fold {fold} of {folds}");
        Self {
            first: self.first + fold * self.step,
            step: self.step * folds,
            len: (self.len + folds - 1 - fold) / folds,
            ..self
        }
    }

    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Components per row.
    #[must_use]
    pub fn dim(&self) -> usize {
        self.matrix.dim()
    }

    /// The index in the matrix of the `i`-th row of the view.
    #[must_use]
    pub fn index(&self, i: usize) -> usize {
        let place = self.first + i * self.step;
        self.chosen.map_or(place, |chosen| chosen[place] as usize)
    }

    /// Whether both view the same matrix, so that equal [indices](Self::index) mean the same row.
    #[must_use]
    pub fn same_matrix(&self, other: &Rows<'_>) -> bool {
        std::ptr::eq(self.matrix, other.matrix)
    }

    /// Writes the rows `range` of the view as unit vectors to `out` (cleared first).
    pub fn gather(&self, range: Range<usize>, out: &mut Vec<f32>) {
        self.matrix.gather(range.map(|i| self.index(i)), out);
    }

    /// Row `i` of the view as stored.
    #[must_use]
    pub fn row(&self, i: usize) -> &[f16] {
        self.matrix.row(self.index(i))
    }

    /// Writes row `i` of the view as a unit vector to `out`, of length `dim`.
    pub fn read_row(&self, i: usize, out: &mut [f32]) {
        self.matrix.read_row(self.index(i), out);
    }
}

impl<'a> From<&'a EmbeddingMatrix> for Rows<'a> {
    fn from(matrix: &'a EmbeddingMatrix) -> Self {
        Self { matrix, chosen: None, first: 0, step: 1, len: matrix.len() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folds_part_the_rows() {
        for n in 0..8 {
            let matrix = EmbeddingMatrix::from_f32(1, &vec![1.0; n]);
            for folds in 1..4 {
                let mut seen: Vec<usize> = (0..folds)
                    .flat_map(|fold| {
                        let rows = Rows::from(&matrix).fold(fold, folds);
                        (0..rows.len()).map(move |i| rows.index(i))
                    })
                    .collect();
                seen.sort_unstable();
                assert_eq!(seen, (0..n).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn prefix_of_a_fold() {
        let matrix = EmbeddingMatrix::from_f32(1, &[1.0; 9]);
        let indices = |rows: Rows<'_>| (0..rows.len()).map(|i| rows.index(i)).collect::<Vec<_>>();
        let rows = Rows::from(&matrix).fold(1, 2);
        assert_eq!(indices(rows.prefix(3)), [1, 3, 5]);
        assert_eq!(indices(rows.skip(3)), [7]);
        assert_eq!(indices(rows.skip(9)), [0; 0]);
        let chosen = Rows::of(&matrix, &[8, 0, 4, 5]);
        assert_eq!((indices(chosen), indices(chosen.fold(1, 2))), (vec![8, 0, 4, 5], vec![0, 5]));
    }
}
