//! The relative Mahalanobis distance: to the nearest class, less that to the reference as a whole (Ren et al. 2021,
//! arXiv 2106.09022).
//!
//! ```text
//! s(x) = min_c (x - m_c)^T S_W^-1 (x - m_c)  -  (x - m_0)^T S_0^-1 (x - m_0)
//! ```
//! with `m_c` the means of the classes, `m_0` that of all rows, `S_0` the covariance of all rows and `S_W` that within
//! classes, which is `S_0` less the covariance of the classes' means. The difference forgives what is odd in directions
//! in which every row is odd to some degree.
//!
//! Departures:
//! 1. Classes are the leaves of a codebook: there are no labels.
//! 2. Both covariances are shrunk, S <- .95 S + .05 tr(S)/dim I: a few hundred rows leave some of 384 directions without
//!    any variance (Ledoit & Wolf 2004, <https://doi.org/10.1016/S0047-259X(03)00096-4>, without their estimate of the
//!    weight).
//! 3. The distance to a class is `(x - m_0)^T S_W^-1 (x - m_0)` and a linear function of x, so that the nearest class is
//!    found by a product of matrices, in which rows are whitened as well.
//!
//! Sums, classes and factors are f64, the product f32. A row of the reference can be scored as if it were not part of it:
//! both covariances change by a rank of one (Sherman & Morrison 1950, <https://doi.org/10.1214/aoms/1177729893>). Of the
//! classes only its own and the 8 nearest other ones are then considered, and the trace in the shrinkage stays as it was,
//! which is of the order of 1/n. The division into classes stays, too: a row that the classes were fitted to remains
//! nearer than others.
//!
//! Cost: dim^2 (dim + classes) multiplications for the fit; rows x (classes + 2 dim) x dim for scores. Memory: (2 classes
//! + 2 dim) x dim numbers.

use nalgebra::{DMatrix, DVector};
use rayon::prelude::*;

use crate::embed::kernel::Columns;
use crate::vectors::moments::Moments;
use crate::vectors::{Rows, tile};

/// Weight of the covariance; the rest goes to the multiple of the identity of the same trace.
const KEPT: f64 = 0.95;

/// Classes beside its own that may be the nearest one to a row that is left out.
const CANDIDATES: usize = 8;

/// The least trace of a covariance: below lies what rounding to half precision makes of equal vectors.
const LEAST_TRACE: f64 = 1e-6;

/// A reference of classes with one covariance.
#[derive(Clone, Debug, PartialEq)]
pub struct MahalanobisScore {
    dim: usize,
    /// Rows of every class.
    rows: Vec<f64>,
    /// What rows are multiplied with: the rows of the inverse Cholesky factors of `S_W` and of `S_0`, and
    /// `S_W^-1 (m_c - m_0)` of every class.
    columns: Vec<f32>,
    /// `m_c - m_0` of every class.
    differences: Vec<f32>,
    /// What belongs to each column: its product with `m_0`; for a class with `m_0 + m_c`, infinite if it has no rows.
    offsets: Vec<f64>,
}

impl MahalanobisScore {
    /// From the moments of all rows, the number of rows in every class, and their sums: classes x dim components.
    /// `None` where rows do not vary within classes, or the sums are not those of rows with such moments.
    ///
    /// # Panics
    /// If the sums are not one of dim components per class.
    #[must_use]
    pub fn fit(moments: &Moments, rows: &[u64], sums: &[f64]) -> Option<Self> {
        let (dim, n) = (moments.dim(), moments.n() as f64);
        assert_eq!(sums.len(), rows.len() * dim, "one sum per class");
        if moments.n() < 2 || rows.iter().map(|&rows| u128::from(rows)).sum::<u128>() != u128::from(moments.n()) {
            return None;
        }
        let rows: Vec<f64> = rows.iter().map(|&rows| rows as f64).collect();
        let second = moments.outer() / n;
        let mean = DVector::from_iterator(dim, moments.sum().map(|sum| sum / n));
        // Sums of classes as columns, each times its rows^-1/2: with their transpose they give the sum of n_c m_c m_c^T.
        let mut classes = DMatrix::from_column_slice(dim, rows.len(), sums);
        let scaled = |classes: &mut DMatrix<f64>, of_rows: fn(f64) -> f64| {
            for (mut class, &rows) in classes.column_iter_mut().zip(&rows) {
                class *= if rows > 0.0 { of_rows(rows) } else { 0.0 };
            }
        };
        scaled(&mut classes, |rows| rows.sqrt().recip());
        let within = whitening(&second - &classes * classes.transpose() / n)?;
        let total = whitening(second - &mean * mean.transpose())?;

        // From sums to means.
        scaled(&mut classes, |rows| rows.sqrt().recip());
        let differences = DMatrix::from_fn(dim, rows.len(), |i, class| classes[(i, class)] - mean[i]);
        let linear = within.transpose() * (&within * &differences);
        let with_mean = |factor: &DMatrix<f64>| (factor * &mean).iter().copied().collect::<Vec<_>>();
        let of_class = |(class, &rows): (usize, &f64)| {
            let both = classes.column(class) + &mean;
            if rows > 0.0 { both.dot(&linear.column(class)) } else { f64::INFINITY }
        };
        let mut offsets = [with_mean(&within), with_mean(&total)].concat();
        offsets.extend(rows.iter().enumerate().map(of_class));
        // A transposed matrix in the order of columns is the matrix in the order of rows.
        let columns = [within.transpose(), total.transpose(), linear];
        let columns = columns.iter().flat_map(|columns| columns.iter().map(|&x| x as f32)).collect();
        let differences = differences.iter().map(|&x| x as f32).collect();
        Some(Self { dim, rows, columns, differences, offsets })
    }

    /// Scores of rows that are not in the reference.
    ///
    /// # Panics
    /// If the rows have another number of components than the reference.
    #[must_use]
    pub fn score(&self, queries: Rows<'_>) -> Vec<f32> {
        self.distances(queries, None).into_iter().map(|found| (found.others[0].0 - found.total) as f32).collect()
    }

    /// Scores of rows that are in the reference, each in the class named, as if the row were not part of it; 0 where
    /// there is no other row.
    ///
    /// # Panics
    /// If the rows have another number of components than the reference, there is not one class for each, or one
    /// of them is not there.
    #[must_use]
    pub fn left_out(&self, rows: Rows<'_>, classes: &[u32]) -> Vec<f32> {
        assert_eq!(rows.len(), classes.len(), "one class per row");
        let found = self.distances(rows, Some(classes)).into_iter().zip(classes);
        found.map(|(found, &class)| self.without(&found, class)).collect()
    }

    /// The score without the row. Leaving it out moves a mean of n rows away from it, by a factor n / (n - 1), and takes
    /// n / (n - 1) v v^T from the sum of squares, with v its distance from that mean.
    fn without(&self, found: &Distances, class: u32) -> f32 {
        let n: f64 = self.rows.iter().sum();
        let fewer = (n - 1.0) / n;
        let own_rows = self.rows[class as usize];
        // w^T (R - g v v^T)^-1 w, for q = w^T R^-1 w, h = w^T R^-1 v and p = v^T R^-1 v. Exact numbers have g p < 1; the
        // rows of a profile's sample are rounded.
        let updated = |q: f64, h: f64, p: f64, g: f64| q + g * h * h / (1.0 - g * p).max(1e-3);
        // A class of one row has no part in the covariance, and goes with the row.
        let (own, g) = if own_rows > 1.0 {
            let away = own_rows / (own_rows - 1.0);
            let g = KEPT * away / n;
            (away * away * updated(found.own, found.own, found.own, g), g)
        } else {
            (f64::INFINITY, 0.0)
        };
        let others = found.others.iter().filter(|(distance, _)| distance.is_finite()).map(|&(distance, other)| {
            let between = f64::midpoint(distance, found.own) - self.squared(class, other) / 2.0;
            updated(distance, between, found.own, g)
        });
        let nearest = others.fold(own, f64::min) * fewer;
        let total = updated(found.total, found.total, found.total, KEPT / (n - 1.0)) / fewer;
        if nearest.is_finite() && total.is_finite() { (nearest - total) as f32 } else { 0.0 }
    }

    /// The squared distance of two classes' means, by the covariance within classes.
    fn squared(&self, a: u32, b: u32) -> f64 {
        let linear = &self.columns[2 * self.dim * self.dim..];
        let of = |values: &[f32], i: usize| {
            f64::from(values[a as usize * self.dim + i]) - f64::from(values[b as usize * self.dim + i])
        };
        (0..self.dim).map(|i| of(&self.differences, i) * of(linear, i)).sum()
    }

    /// The distances of every row; its own class, if one is given, is kept apart from the others.
    fn distances(&self, rows: Rows<'_>, own: Option<&[u32]>) -> Vec<Distances> {
        assert_eq!(rows.dim(), self.dim, "rows and reference have the same components");
        let mut found = vec![Distances::default(); rows.len()];
        let (whitened, all) = (self.dim, 2 * self.dim);
        tile::for_each(
            rows,
            &Columns::new(self.dim, &self.columns),
            found.par_chunks_mut(tile::ROWS).enumerate(),
            |(tile, found), columns| {
                let own = own.map(|own| all + own[*tile * tile::ROWS + columns.row_in_tile] as usize);
                let found = &mut found[columns.row_in_tile];
                for (column, &value) in (columns.column..).zip(columns.values) {
                    let (value, offset) = (f64::from(value), self.offsets[column]);
                    if column < whitened {
                        found.within += (value - offset) * (value - offset);
                    } else if column < all {
                        found.total += (value - offset) * (value - offset);
                    } else {
                        let distance = (found.within + offset - 2.0 * value).max(0.0);
                        if own == Some(column) {
                            found.own = distance;
                        } else if distance < found.others[CANDIDATES - 1].0 {
                            let place = found.others.partition_point(|other| other.0 <= distance);
                            found.others[place..].rotate_right(1);
                            found.others[place] = (distance, (column - all) as u32);
                        }
                    }
                }
            },
        );
        found
    }
}

/// Squared Mahalanobis distances of a row.
#[derive(Clone, Copy, Debug)]
struct Distances {
    /// To the mean of all rows, by the covariance within classes.
    within: f64,
    /// To the mean of all rows, by the covariance of all rows.
    total: f64,
    /// To its own class.
    own: f64,
    /// To the nearest other classes, nearest first, and these classes.
    others: [(f64, u32); CANDIDATES],
}

impl Default for Distances {
    fn default() -> Self {
        Self { within: 0.0, total: 0.0, own: f64::INFINITY, others: [(f64::INFINITY, 0); CANDIDATES] }
    }
}

/// The inverse of the Cholesky factor of a covariance, shrunk; `None` where nothing varies.
fn whitening(mut covariance: DMatrix<f64>) -> Option<DMatrix<f64>> {
    let dim = covariance.nrows();
    let trace = covariance.trace();
    if trace.is_nan() || trace < LEAST_TRACE {
        return None;
    }
    covariance *= KEPT;
    for i in 0..dim {
        covariance[(i, i)] += (1.0 - KEPT) * trace / dim as f64;
    }
    covariance.cholesky()?.l().solve_lower_triangular(&DMatrix::identity(dim, dim))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::kmeans::tests::bundles;
    use crate::vectors::EmbeddingMatrix;

    fn row(matrix: &EmbeddingMatrix, i: usize) -> DVector<f64> {
        let mut row = vec![0.0; matrix.dim()];
        matrix.read_row(i, &mut row);
        DVector::from_iterator(row.len(), row.iter().map(|&x| f64::from(x)))
    }

    fn fit(matrix: &EmbeddingMatrix, classes: &[u32], n_classes: usize) -> Option<MahalanobisScore> {
        let mut rows = vec![0; n_classes];
        let mut sums = vec![0.0; n_classes * matrix.dim()];
        for (i, &class) in classes.iter().enumerate() {
            rows[class as usize] += 1;
            for (sum, x) in sums[class as usize * matrix.dim()..].iter_mut().zip(row(matrix, i).iter()) {
                *sum += x;
            }
        }
        MahalanobisScore::fit(&Moments::of(matrix), &rows, &sums)
    }

    /// The definition, with inverse matrices, over the rows of the reference but `without`.
    fn naive(matrix: &EmbeddingMatrix, classes: &[u32], x: &DVector<f64>, without: Option<usize>) -> f64 {
        let dim = matrix.dim();
        let rows: Vec<usize> = (0..matrix.len()).filter(|&i| Some(i) != without).collect();
        let mean_of =
            |rows: &[usize]| rows.iter().fold(DVector::zeros(dim), |sum, &i| sum + row(matrix, i)) / rows.len() as f64;
        let mut means = vec![None; 1 + *classes.iter().max().unwrap() as usize];
        for (class, mean) in means.iter_mut().enumerate() {
            let members: Vec<usize> = rows.iter().copied().filter(|&i| classes[i] as usize == class).collect();
            *mean = (!members.is_empty()).then(|| mean_of(&members));
        }
        let mean = mean_of(&rows);
        let inverse = |mean_of: &dyn Fn(usize) -> DVector<f64>| {
            let mut s = DMatrix::zeros(dim, dim);
            for &i in &rows {
                let v = row(matrix, i) - mean_of(i);
                s += &v * v.transpose() / rows.len() as f64;
            }
            let identity = DMatrix::identity(dim, dim) * (0.05 * s.trace() / dim as f64);
            (s * 0.95 + identity).try_inverse().unwrap()
        };
        let within = inverse(&|i| means[classes[i] as usize].clone().unwrap());
        let total = inverse(&|_| mean.clone());
        let squared = |v: DVector<f64>, s: &DMatrix<f64>| (v.transpose() * s * &v)[0];
        let nearest = means.iter().flatten().map(|mean| squared(x - mean, &within)).fold(f64::INFINITY, f64::min);
        nearest - squared(x - mean, &total)
    }

    /// Classes around (.8, 0) and (0, .8), with `S_W` = .18 I, which shrinking leaves as it is. `S_0` is .34 on the
    /// diagonal and -.16 beside it, -.152 once shrunk: .188 along (1, 1), .492 along (1, -1).
    #[test]
    fn by_hand() {
        let rows = [[0.8, 0.6], [0.8, -0.6], [0.6, 0.8], [-0.6, 0.8]].concat();
        let score = fit(&EmbeddingMatrix::from_f32(2, &rows), &[0, 0, 2, 2], 3).unwrap();
        let queries = EmbeddingMatrix::from_f32(2, &[1.0, 0.0, -1.0, 0.0]);
        // From (1, 0) to the first class .2^2 / .18, to the middle (.4, .4) .02 / .188 + .5 / .492; from (-1, 0) to the
        // other class 1.64 / .18, to the middle 1.62 / .188 + .5 / .492.
        let want = [0.04 / 0.18 - 0.02 / 0.188 - 0.5 / 0.492, 1.64 / 0.18 - 1.62 / 0.188 - 0.5 / 0.492];
        for (found, want) in score.score((&queries).into()).iter().zip(want) {
            // Components in half precision move a square of up to 9 by some 2^-10 of it.
            assert!((f64::from(*found) - want).abs() < 0.01, "{found} {want}");
        }
    }

    #[test]
    fn agrees_with_the_definition() {
        for (clusters, each, dim, spread) in [(4, 50, 8, 0.5), (9, 30, 24, 0.8), (40, 3, 16, 0.3), (5, 9, 40, 0.8)] {
            let matrix = bundles(clusters, each, dim, spread);
            let n = matrix.len();
            let classes: Vec<u32> = (0..n).map(|i| (i * 7 % clusters) as u32).collect();
            let score = fit(&matrix, &classes, clusters + 2).unwrap();
            let queries = bundles(3, 50, dim, 3.0);
            for (i, &found) in score.score((&queries).into()).iter().enumerate() {
                let want = naive(&matrix, &classes, &row(&queries, i), None);
                // f32 products of whitened rows: some 1e-6 of squares that are up to a hundred times larger.
                assert!((f64::from(found) - want).abs() < 2e-3 * (1.0 + want.abs()), "{found} {want}");
            }
            let left_out = score.left_out((&matrix).into(), &classes);
            for i in (0..n).step_by(11) {
                let want = naive(&matrix, &classes, &row(&matrix, i), Some(i));
                let within = naive(&matrix, &classes, &row(&matrix, i), None);
                let found = f64::from(left_out[i]);
                // The difference that a row makes, up to 1/n of it for each of its two covariances, and the f32 products.
                let tolerance = 2.0 / n as f64 * (want - within).abs() + 0.02;
                assert!((found - want).abs() < tolerance, "{found} {want} {within}");
            }
        }
    }

    #[test]
    fn more_classes_than_a_block_and_any_number_of_threads() {
        let matrix = bundles(1_500, 2, 12, 0.4);
        let classes: Vec<u32> = (0..3_000).map(|i| (i * 7 % 1_500) as u32).collect();
        let score = fit(&matrix, &classes, 1_500).unwrap();
        let found = [1, 3].map(|threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| score.score((&matrix).into()))
        });
        assert_eq!(found[0], found[1]);
        for i in [0, 1_400, 2_999] {
            let rows = [i as u32];
            let alone = score.score(Rows::of(&matrix, &rows))[0];
            assert_eq!(alone, found[0][i], "a row's score does not depend on its batch");
        }
    }

    #[test]
    fn nothing_to_compare_with() {
        let equal = EmbeddingMatrix::from_f32(2, &[0.6, 0.8].repeat(9));
        assert_eq!(fit(&equal, &[0; 9], 1), None);
        let single = EmbeddingMatrix::from_f32(2, &[1.0, 0.0, 0.0, 1.0]);
        assert_eq!(fit(&single, &[0, 1], 2), None, "no row varies within its class");
        assert_eq!(MahalanobisScore::fit(&Moments::new(2), &[0], &[0.0; 2]), None);
        assert_eq!(MahalanobisScore::fit(&Moments::of(&single), &[1], &[1.0, 0.0]), None, "a row has no class");
        // Sums of vectors longer than the moments allow leave no positive covariance.
        assert_eq!(MahalanobisScore::fit(&Moments::of(&single), &[2], &[9.0, 9.0]), None);
        let one_class = fit(&single, &[0, 0], 1).unwrap();
        assert!(one_class.left_out((&single).into(), &[0, 0]).iter().all(|score| score.is_finite()));
        assert_eq!(one_class.score(Rows::from(&single).prefix(0)), [0.0; 0]);
    }
}
