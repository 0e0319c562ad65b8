//! A 2-D map of vectors: their first two principal components.
//!
//! Exact, from the eigenvectors of the covariance, which the [`Moments`] hold. An eigenvector's sign is free: here its
//! component of largest size (the first of several) is positive. Cost: dim^3, and n dim for the coordinates.

use nalgebra::SymmetricEigen;
use rayon::prelude::*;

use super::moments::Moments;
use super::{Rows, tile};

/// Mean and the two directions of largest variance.
#[derive(Clone, Debug, PartialEq)]
pub struct Pca {
    mean: Vec<f64>,
    axes: [Vec<f64>; 2],
}

impl Pca {
    /// From the moments of the rows to be shown. Axes along which nothing varies are zero.
    #[must_use]
    pub fn fit(moments: &Moments) -> Self {
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
        Self { axes: [axis(0), axis(1)], mean }
    }

    /// Coordinates (x, y) of every row.
    #[must_use]
    pub fn coordinates<'a>(&self, rows: impl Into<Rows<'a>>) -> Vec<[f32; 2]> {
        let rows = rows.into();
        let mut coordinates = vec![[0.0; 2]; rows.len()];
        coordinates.par_chunks_mut(tile::ROWS).enumerate().for_each(|(index, coordinates)| {
            let mut row = vec![0.0; rows.dim()];
            for (i, place) in coordinates.iter_mut().enumerate() {
                rows.read_row(index * tile::ROWS + i, &mut row);
                let along = |axis: &[f64]| {
                    let terms = row.iter().zip(&self.mean).zip(axis);
                    terms.map(|((&x, mean), axis)| (f64::from(x) - mean) * axis).sum::<f64>() as f32
                };
                *place = [along(&self.axes[0]), along(&self.axes[1])];
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
        let found = Pca::fit(&Moments::of(&matrix)).coordinates(&matrix);
        let want = [[0.6, 0.0], [-0.6, 0.0], [0.0, 0.28], [0.0, -0.28]];
        for (found, want) in found.iter().flatten().zip(want.iter().flatten()) {
            assert!((found - want).abs() < 1e-3, "{found} {want}"); // f16 components: 2^-11 each
        }
    }

    #[test]
    fn nothing_varies() {
        for rows in [vec![], vec![0.6, 0.8], [0.6, 0.8].repeat(9), vec![0.0, 0.0]] {
            let matrix = EmbeddingMatrix::from_f32(2, &rows);
            let found = Pca::fit(&Moments::of(&matrix)).coordinates(&matrix);
            assert!(found.iter().flatten().all(|&x| x == 0.0), "{found:?}");
        }
        let matrix = EmbeddingMatrix::from_f32(1, &[1.0, -1.0]);
        assert_eq!(Pca::fit(&Moments::of(&matrix)).coordinates(&matrix), [[1.0, 0.0], [-1.0, 0.0]]);
    }
}
