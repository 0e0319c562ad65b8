//! Principal components of vectors: two for a map, more to shorten them.
//!
//! Exact, from the eigenvectors of the covariance, which the [`Moments`] hold. An eigenvector's sign is free: here its
//! component of largest size (the first of several) is positive. Cost: dim^3, and n dim for each coordinate.

use nalgebra::SymmetricEigen;
use rayon::prelude::*;

use super::moments::Moments;
use super::{Rows, tile};

/// Mean and the directions of largest variance.
#[derive(Clone, Debug, PartialEq)]
pub struct Pca {
    mean: Vec<f64>,
    /// Components x axes.
    axes: Vec<f64>,
}

impl Pca {
    /// The first `axes` directions, from the moments of some rows. Axes along which nothing varies are zero.
    #[must_use]
    pub fn fit(moments: &Moments, axes: usize) -> Self {
        let n = moments.n().max(1) as f64;
        let mean: Vec<f64> = moments.sum().map(|sum| sum / n).collect();
        let mut covariance = moments.outer() / n;
        for ((i, j), x) in (0..mean.len()).flat_map(|j| (0..mean.len()).map(move |i| (i, j))).zip(covariance.iter_mut())
        {
            *x -= mean[i] * mean[j];
        }
        let eigen = SymmetricEigen::new(covariance);
        let mut order: Vec<usize> = (0..mean.len()).collect();
        order.sort_by(|&a, &b| eigen.eigenvalues[b].total_cmp(&eigen.eigenvalues[a]));
        let axis = |rank: usize| match order.get(rank) {
            // Below lies the rounding of the moments.
            Some(&column) if eigen.eigenvalues[column] > 1e-9 => {
                with_sign(eigen.eigenvectors.column(column).iter().copied().collect())
            }
            _ => vec![0.0; mean.len()],
        };
        let columns: Vec<Vec<f64>> = (0..axes).map(axis).collect();
        let axes = (0..mean.len()).flat_map(|component| columns.iter().map(move |axis| axis[component])).collect();
        Self { mean, axes }
    }

    /// Coordinates of a row, one for each of the first `out.len()` axes.
    ///
    /// # Panics
    /// If the row has not as many components as those that this was fitted to, or `out` is longer than there are axes.
    pub fn project(&self, row: &[f32], out: &mut [f32]) {
        assert_eq!(row.len(), self.mean.len(), "components of a row");
        let mut sums = vec![0.0; out.len()];
        let width = self.axes.len() / self.mean.len().max(1);
        for ((&x, mean), axes) in row.iter().zip(&self.mean).zip(self.axes.chunks_exact(width.max(1))) {
            let x = f64::from(x) - mean;
            sums.iter_mut().zip(&axes[..out.len()]).for_each(|(sum, axis)| *sum += x * axis);
        }
        out.iter_mut().zip(sums).for_each(|(out, sum)| *out = sum as f32);
    }

    /// Coordinates (x, y) of every row, along the first two axes.
    #[must_use]
    pub fn coordinates<'a>(&self, rows: impl Into<Rows<'a>>) -> Vec<[f32; 2]> {
        let rows = rows.into();
        let mut coordinates = vec![[0.0; 2]; rows.len()];
        coordinates.par_chunks_mut(tile::ROWS).enumerate().for_each(|(index, coordinates)| {
            let mut row = vec![0.0; rows.dim()];
            for (i, place) in coordinates.iter_mut().enumerate() {
                rows.read_row(index * tile::ROWS + i, &mut row);
                self.project(&row, place);
            }
        });
        coordinates
    }
}

fn with_sign(mut axis: Vec<f64>) -> Vec<f64> {
    let largest = axis.iter().fold(0.0_f64, |largest, &x| if x.abs() > largest.abs() { x } else { largest });
    if largest < 0.0 {
        for x in &mut axis {
            *x = -*x;
        }
    }
    axis
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vectors::EmbeddingMatrix;

    /// Unit vectors near e1: e2 varies most, e3 less, by known amounts.
    #[test]
    fn axes_of_known_variance() {
        let rows = [[0.8, 0.6, 0.0], [0.8, -0.6, 0.0], [0.96, 0.0, 0.28], [0.96, 0.0, -0.28]].concat();
        let matrix = EmbeddingMatrix::from_f32(3, &rows);
        let found = Pca::fit(&Moments::of(&matrix), 2).coordinates(&matrix);
        let want = [[0.6, 0.0], [-0.6, 0.0], [0.0, 0.28], [0.0, -0.28]];
        for (found, want) in found.iter().flatten().zip(want.iter().flatten()) {
            assert!((found - want).abs() < 1e-3, "{found} {want}"); // f16 components: 2^-11 each
        }
    }

    #[test]
    fn nothing_varies() {
        for rows in [vec![], vec![0.6, 0.8], [0.6, 0.8].repeat(9), vec![0.0, 0.0]] {
            let matrix = EmbeddingMatrix::from_f32(2, &rows);
            let found = Pca::fit(&Moments::of(&matrix), 2).coordinates(&matrix);
            assert!(found.iter().flatten().all(|&x| x == 0.0), "{found:?}");
        }
        let matrix = EmbeddingMatrix::from_f32(1, &[1.0, -1.0]);
        assert_eq!(Pca::fit(&Moments::of(&matrix), 2).coordinates(&matrix), [[1.0, 0.0], [-1.0, 0.0]]);
    }
}
