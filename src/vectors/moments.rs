//! First and second moments of a set of unit vectors, as integers, so that they merge exactly.
//!
//! Every component is rounded to a multiple of 2^-16; sums of rows and of their outer products are integers in units
//! of 2^-16 and 2^-32. So they do not depend on the order or grouping of rows, and moments of parts add up to the
//! moments of the whole, bit by bit. i64 holds 2^31 rows. Rounding moves a component by at most 2^-17, far below the
//! 2^-12 of the half-precision rows.
//!
//! The outer products of a tile are one f64 matrix product of integers below 2^16, whose sums stay below 2^53: exact
//! in any order. Cost: n dim^2 multiplications. Memory: dim^2 numbers per thread.

use nalgebra::DMatrix;
use rayon::prelude::*;

use super::{Rows, tile};

/// Units per 1 of a component.
const SCALE: f64 = 65_536.0;

/// Number, sum and sum of outer products of some unit vectors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moments {
    dim: usize,
    n: u64,
    /// dim sums, in units of 2^-16.
    sum: Vec<i64>,
    /// dim x dim sums of products, in units of 2^-32.
    outer: Vec<i64>,
}

impl Moments {
    /// Moments of no rows.
    #[must_use]
    pub fn new(dim: usize) -> Self {
        Self { dim, n: 0, sum: vec![0; dim], outer: vec![0; dim * dim] }
    }

    /// Moments of some rows.
    #[must_use]
    pub fn of<'a>(rows: impl Into<Rows<'a>>) -> Self {
        let rows = rows.into();
        let tiles = rows.len().div_ceil(tile::ROWS);
        // Integers add up to the same sums however rayon divides the tiles.
        (0..tiles)
            .into_par_iter()
            .with_min_len(16)
            .fold(
                || (Self::new(rows.dim()), Vec::new()),
                |(mut moments, mut buffer), index| {
                    let start = index * tile::ROWS;
                    rows.gather(start..rows.len().min(start + tile::ROWS), &mut buffer);
                    moments.add(&buffer);
                    (moments, buffer)
                },
            )
            .map(|(moments, _)| moments)
            .reduce(|| Self::new(rows.dim()), Self::merged)
    }

    /// Adds rows of one tile.
    fn add(&mut self, rows: &[f32]) {
        let columns = DMatrix::from_iterator(
            self.dim,
            rows.len() / self.dim,
            rows.iter().map(|&x| (f64::from(x) * SCALE).round()),
        );
        for column in columns.column_iter() {
            for (sum, &x) in self.sum.iter_mut().zip(column.iter()) {
                *sum += x as i64;
            }
        }
        let products = &columns * columns.transpose();
        for (outer, &x) in self.outer.iter_mut().zip(products.iter()) {
            *outer += x as i64;
        }
        self.n += columns.ncols() as u64;
    }

    /// Moments of both sets of rows together.
    ///
    /// # Panics
    /// If the dimensions differ.
    #[must_use]
    pub fn merged(mut self, other: Self) -> Self {
        assert_eq!(self.dim, other.dim, "moments of one dimension");
        self.n += other.n;
        self.sum.iter_mut().zip(other.sum).for_each(|(sum, other)| *sum += other);
        self.outer.iter_mut().zip(other.outer).for_each(|(outer, other)| *outer += other);
        self
    }

    /// Number of rows.
    #[must_use]
    pub fn n(&self) -> u64 {
        self.n
    }

    /// Sum of the rows.
    pub fn sum(&self) -> impl Iterator<Item = f64> {
        self.sum.iter().map(|&x| x as f64 / SCALE)
    }

    /// Sum of x x^T over the rows.
    #[must_use]
    pub fn outer(&self) -> DMatrix<f64> {
        DMatrix::from_iterator(self.dim, self.dim, self.outer.iter().map(|&x| x as f64 / (SCALE * SCALE)))
    }

    /// Sum of the squared lengths of the rows: their number, up to rounding, if none is zero.
    #[must_use]
    pub fn trace(&self) -> f64 {
        self.outer.iter().step_by(self.dim + 1).map(|&x| x as f64 / (SCALE * SCALE)).sum()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::float_cmp, reason = "the values are exact")]

    use super::*;
    use crate::cluster::kmeans::tests::bundles;
    use crate::vectors::EmbeddingMatrix;

    #[test]
    fn by_hand() {
        let moments = Moments::of(&EmbeddingMatrix::from_f32(2, &[1.0, 0.0, 0.0, 1.0, -1.0, 0.0]));
        assert_eq!((moments.n(), moments.sum().collect::<Vec<_>>()), (3, vec![0.0, 1.0]));
        assert_eq!(moments.outer(), DMatrix::from_row_slice(2, 2, &[2.0, 0.0, 0.0, 1.0]));
        assert_eq!(moments.trace(), 3.0);
    }

    #[test]
    fn parts_merge_to_the_whole_at_any_number_of_threads() {
        let matrix = bundles(9, 50, 13, 0.4);
        let rows = Rows::from(&matrix);
        let whole = Moments::of(rows);
        assert_eq!(whole, Moments::of(rows.skip(77)).merged(Moments::of(rows.prefix(77))));
        for folds in [2, 3, 7] {
            let parts = (0..folds).rev().map(|fold| Moments::of(rows.fold(fold, folds)));
            assert_eq!(whole, parts.fold(Moments::new(13), Moments::merged));
        }
        for threads in [1, 5] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            assert_eq!(whole, pool.install(|| Moments::of(rows)));
        }
        assert!((whole.trace() - 450.0).abs() < 450.0 * 1e-5, "{}", whole.trace());
    }
}
