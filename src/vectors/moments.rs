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

/// Bits of a weight that one product takes.
const DIGIT_BITS: usize = 14;

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
        Self::sums(rows.into(), None)
    }

    /// Moments of some rows, row `i` of which counts `weights[i]` times; fewer than 2^31 in all.
    ///
    /// # Panics
    /// If `weights` has another length than `rows`.
    #[must_use]
    pub fn weighted<'a>(rows: impl Into<Rows<'a>>, weights: &[u64]) -> Self {
        let rows = rows.into();
        assert_eq!(rows.len(), weights.len(), "one weight per row");
        Self::sums(rows, Some(weights))
    }

    fn sums(rows: Rows<'_>, weights: Option<&[u64]>) -> Self {
        let tiles = rows.len().div_ceil(tile::ROWS);
        // Integers add up to the same sums however rayon divides the tiles.
        (0..tiles)
            .into_par_iter()
            .with_min_len(16)
            .fold(
                || (Self::new(rows.dim()), Vec::new()),
                |(mut moments, mut buffer), index| {
                    let start = index * tile::ROWS;
                    let end = rows.len().min(start + tile::ROWS);
                    rows.gather(start..end, &mut buffer);
                    moments
                        .add(&buffer, weights.map_or(&[1; tile::ROWS][..end - start], |weights| &weights[start..end]));
                    (moments, buffer)
                },
            )
            .map(|(moments, _)| moments)
            .reduce(|| Self::new(rows.dim()), Self::merged)
    }

    /// Adds rows of one tile.
    ///
    /// The products of weights, taken 14 bits at a time, and of two components stay below 2^46, and the sums of 128 of
    /// them below 2^53.
    fn add(&mut self, rows: &[f32], weights: &[u64]) {
        let columns = DMatrix::from_iterator(
            self.dim,
            rows.len() / self.dim,
            rows.iter().map(|&x| (f64::from(x) * SCALE).round()),
        );
        for (column, &weight) in columns.column_iter().zip(weights) {
            for (sum, &x) in self.sum.iter_mut().zip(column.iter()) {
                *sum += x as i64 * weight as i64;
            }
            self.n += weight;
        }
        let transposed = columns.transpose();
        let heaviest = weights.iter().copied().max().unwrap_or(0);
        for shift in (0..64).step_by(DIGIT_BITS).take_while(|&shift| heaviest >> shift > 0) {
            let mut weighted = columns.clone();
            for (mut column, &weight) in weighted.column_iter_mut().zip(weights) {
                column *= ((weight >> shift) & ((1 << DIGIT_BITS) - 1)) as f64;
            }
            let products = weighted * &transposed;
            for (outer, &x) in self.outer.iter_mut().zip(products.iter()) {
                *outer += (x as i64) << shift;
            }
        }
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

    /// Components of a row.
    #[must_use]
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// Sum of the rows, in units of 2^-16: dim integers.
    #[must_use]
    pub fn sum_units(&self) -> &[i64] {
        &self.sum
    }

    /// Sum of x x^T over the rows, in units of 2^-32: the rows of its upper triangle, dim (dim + 1) / 2 integers.
    pub fn upper_units(&self) -> impl Iterator<Item = i64> {
        let dim = self.dim;
        (0..dim).flat_map(move |i| self.outer[i * dim + i..(i + 1) * dim].iter().copied())
    }

    /// Moments from what [`n`](Self::n), [`sum_units`](Self::sum_units) and [`upper_units`](Self::upper_units) give;
    /// `None` where the triangle is not one of `sum.len()` rows.
    #[must_use]
    pub fn from_units(n: u64, sum: Vec<i64>, upper: &[i64]) -> Option<Self> {
        let dim = sum.len();
        if dim.checked_mul(dim + 1)? / 2 != upper.len() {
            return None;
        }
        let mut outer = vec![0; dim * dim];
        let mut upper = upper.iter();
        for i in 0..dim {
            for j in i..dim {
                let &product = upper.next()?;
                (outer[i * dim + j], outer[j * dim + i]) = (product, product);
            }
        }
        Some(Self { dim, n, sum, outer })
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
    fn a_weight_counts_as_copies() {
        let matrix = bundles(9, 50, 13, 0.4);
        let weights: Vec<u64> = (0..450).map(|i| i % 4).collect();
        let copies: Vec<u32> = (0..450).flat_map(|i| std::iter::repeat_n(i, weights[i as usize] as usize)).collect();
        assert_eq!(Moments::weighted(&matrix, &weights), Moments::of(Rows::of(&matrix, &copies)));

        // Weights of several digits add up as their parts do.
        let heavy: Vec<u64> = (0..450).map(|i| 1 + i * 99_991 % (1 << 21)).collect();
        let low: Vec<u64> = heavy.iter().map(|weight| weight / 3).collect();
        let high: Vec<u64> = heavy.iter().zip(&low).map(|(weight, low)| weight - low).collect();
        let parts = Moments::weighted(&matrix, &low).merged(Moments::weighted(&matrix, &high));
        assert_eq!(Moments::weighted(&matrix, &heavy), parts);
        let upper: Vec<i64> = parts.upper_units().collect();
        assert_eq!(Moments::from_units(parts.n(), parts.sum_units().to_vec(), &upper), Some(parts));
        assert_eq!(Moments::from_units(1, vec![1, 2], &[1, 2]), None);
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
