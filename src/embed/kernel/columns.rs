//! Products of rows with the same columns, in f32: all of them, or those that exceed a threshold.
//!
//! `value(i, j) = sum over l of row_i(l) x column_j(l)`. Columns are packed once. A tile of values ([`super::product`]) is
//! shown to the caller while it is in a core's first cache; or each row of it is compared with the row's threshold while it
//! is in registers, and only rows that hold something above leave them. The matrix of all values is never written.
//!
//! A value depends on its row and column alone. Levels add up in one order, but with and without fused multiplication.
//! Cost: rows x columns x dim multiplications, at the speed of [`super::product`].
#![expect(
    clippy::inline_always,
    reason = "code is compiled for a processor where it is inlined into a function that is"
)]

use std::ops::Range;

use super::panels::{Panels, PanelsView};
use super::product::{Epilogue, F32, Factor, Left, tile};
use super::simd::{LARGEST_TILE, Level, Simd, Task, TileWidth};

const MOST_ROWS: usize = LARGEST_TILE[0];
const MOST_COLUMNS: usize = LARGEST_TILE[1];

/// Columns packed for the best level of this processor: 4 dim bytes each.
#[derive(Clone, Debug)]
pub(crate) struct Columns {
    level: Level,
    panels: Panels,
    n: usize,
    dim: usize,
}

impl Columns {
    /// Packs columns of `dim` components, one after the other.
    ///
    /// # Panics
    /// If `components.len()` is no multiple of `dim`, or `dim` is 0.
    pub(crate) fn new(dim: usize, components: &[f32]) -> Self {
        assert!(dim > 0 && components.len().is_multiple_of(dim), "whole columns of {dim} components");
        Self::read(dim, components.len() / dim, slices(dim, components))
    }

    /// Packs `n` columns, in parallel. `read` writes the components of some of them, one after the other, to a buffer.
    pub(crate) fn read(dim: usize, n: usize, read: impl Fn(Range<usize>, &mut Vec<f32>) + Sync) -> Self {
        Self::for_level(Level::best(), dim, n, read)
    }

    /// As [`read`](Self::read), for one of the levels of this processor.
    pub(super) fn for_level(
        level: Level,
        dim: usize,
        n: usize,
        read: impl Fn(Range<usize>, &mut Vec<f32>) + Sync,
    ) -> Self {
        let (panels, _) = Panels::by_panel(level.run(TileWidth), dim, n, |columns, width, words: &mut [u32]| {
            let mut components: Vec<f32> = Vec::new();
            read(columns, &mut components);
            for (i, column) in components.chunks_exact(dim).enumerate() {
                for (step, x) in words.chunks_exact_mut(width).zip(column) {
                    step[i] = x.to_bits();
                }
            }
        });
        Self { level, panels, n, dim }
    }

    /// Components of a column.
    pub(super) fn dim(&self) -> usize {
        self.dim
    }

    /// Shows `visit` the values of every row, a part at a time: the row, a column, and the values from that column on. Each
    /// row's parts come in ascending order.
    ///
    /// # Panics
    /// If `rows` are not whole rows.
    pub(crate) fn each(&self, rows: &[f32], visit: impl FnMut(usize, usize, &[f32])) {
        self.level.run(Each { tiles: self.tiles(rows), visit });
    }

    /// Shows `found` every (row, column, value) whose value is above the row's threshold, each row's columns in ascending
    /// order. What `found` returns is the row's threshold from there on. There is a threshold for each row to begin with.
    ///
    /// # Panics
    /// If `rows` are not whole rows, or not as many as thresholds.
    pub(crate) fn scan(&self, rows: &[f32], thresholds: &mut [f32], found: impl FnMut(usize, usize, f32) -> f32) {
        self.level.run(Scan { tiles: self.tiles(rows), factor: F32, convert: AsTheyAre, thresholds, found });
    }

    fn tiles<'a>(&'a self, rows: &'a [f32]) -> Tiles<'a> {
        assert!(rows.len().is_multiple_of(self.dim), "whole rows of {} components", self.dim);
        let left = Left { words: bytemuck::cast_slice(rows), rows: rows.len() / self.dim, stride: self.dim };
        Tiles { left, right: self.panels.view(), n: self.n }
    }
}

/// Reads columns that lie one after the other.
pub(super) fn slices(dim: usize, components: &[f32]) -> impl Fn(Range<usize>, &mut Vec<f32>) + Sync {
    move |columns, to| {
        to.clear();
        to.extend_from_slice(&components[columns.start * dim..columns.end * dim]);
    }
}

/// The tiles of a product, panel by panel.
pub(super) struct Tiles<'a> {
    pub(super) left: Left<'a>,
    pub(super) right: PanelsView<'a>,
    /// Columns but for what fills up the last panel.
    pub(super) n: usize,
}

impl Tiles<'_> {
    /// The rows and the columns of every tile.
    #[inline(always)]
    fn all<S: Simd>(&self) -> impl Iterator<Item = [Range<usize>; 2]> + use<S> {
        let (n_rows, n_columns) = (self.left.rows, self.n);
        let width = S::LANES * S::VECTORS;
        (0..n_columns).step_by(width).flat_map(move |column| {
            let columns = column..n_columns.min(column + width);
            (0..n_rows).step_by(S::ROWS).map(move |row| [row..n_rows.min(row + S::ROWS), columns.clone()])
        })
    }
}

/// The values of a tile, row by row.
type Values = [[f32; MOST_COLUMNS]; MOST_ROWS];

#[inline(always)]
fn write<S: Simd, const VECTORS: usize>(simd: S, to: &mut [f32; MOST_COLUMNS], sums: &[S::Words; VECTORS]) {
    for (to, &sums) in to.chunks_exact_mut(S::LANES).zip(sums) {
        simd.write(to, sums);
    }
}

/// Keeps all values.
struct Keep<'a>(&'a mut Values);

impl Epilogue for Keep<'_> {
    #[inline(always)]
    fn take<S: Simd, const VECTORS: usize>(&mut self, simd: S, row: usize, sums: &[S::Words; VECTORS]) {
        write(simd, &mut self.0[row], sums);
    }
}

struct Each<'a, F> {
    tiles: Tiles<'a>,
    visit: F,
}

impl<F: FnMut(usize, usize, &[f32])> Task for Each<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S) {
        let Tiles { left, right, .. } = self.tiles;
        let mut values = [[0.0; MOST_COLUMNS]; MOST_ROWS];
        for [rows, columns] in self.tiles.all::<S>() {
            tile(simd, F32, left, rows.clone(), right, columns.start, Keep(&mut values));
            for (row, values) in rows.zip(&values) {
                (self.visit)(row, columns.start, &values[..columns.len()]);
            }
        }
    }
}

/// From sums to values.
pub(super) trait Convert: Copy {
    /// The values of a row from `column` on, a vector of them.
    fn convert<S: Simd>(self, simd: S, row: usize, column: usize, sums: S::Words) -> S::Words;
}

/// Sums are values.
#[derive(Clone, Copy)]
struct AsTheyAre;

impl Convert for AsTheyAre {
    #[inline(always)]
    fn convert<S: Simd>(self, _: S, _: usize, _: usize, sums: S::Words) -> S::Words {
        sums
    }
}

/// Keeps the rows with a value above their threshold, and a bit for each such value.
struct KeepAbove<'a, C> {
    convert: C,
    first_row: usize,
    first_column: usize,
    thresholds: &'a [f32],
    values: &'a mut Values,
    above: &'a mut [u64; MOST_ROWS],
}

impl<C: Convert> Epilogue for KeepAbove<'_, C> {
    #[inline(always)]
    fn take<S: Simd, const VECTORS: usize>(&mut self, simd: S, row: usize, sums: &[S::Words; VECTORS]) {
        let threshold = simd.number(self.thresholds[row]);
        let mut values = *sums;
        let mut above = 0;
        for (i, values) in values.iter_mut().enumerate() {
            *values = self.convert.convert(simd, self.first_row + row, self.first_column + i * S::LANES, *values);
            above |= u64::from(simd.above(*values, threshold)) << (i * S::LANES);
        }
        self.above[row] = above;
        if above != 0 {
            write(simd, &mut self.values[row], &values);
        }
    }
}

/// [`Columns::scan`], whatever the words are.
pub(super) struct Scan<'a, A, C, F> {
    pub(super) tiles: Tiles<'a>,
    pub(super) factor: A,
    pub(super) convert: C,
    pub(super) thresholds: &'a mut [f32],
    pub(super) found: F,
}

impl<A: Factor, C: Convert, F: FnMut(usize, usize, f32) -> f32> Task for Scan<'_, A, C, F> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S) {
        let Tiles { left, right, .. } = self.tiles;
        assert_eq!(left.rows, self.thresholds.len(), "a threshold for each row");
        let mut values = [[0.0; MOST_COLUMNS]; MOST_ROWS];
        let mut above = [0; MOST_ROWS];
        for [rows, columns] in self.tiles.all::<S>() {
            let thresholds = &mut self.thresholds[rows.clone()];
            let epilogue = KeepAbove {
                convert: self.convert,
                first_row: rows.start,
                first_column: columns.start,
                thresholds,
                values: &mut values,
                above: &mut above,
            };
            tile(simd, self.factor, left, rows.clone(), right, columns.start, epilogue);
            // What fills up the last panel is no column.
            let columns_there = u64::MAX >> (u64::BITS as usize - columns.len());
            for (((row, threshold), values), above) in rows.zip(thresholds).zip(&values).zip(&above) {
                let mut above = above & columns_there;
                while above != 0 {
                    let lane = above.trailing_zeros() as usize;
                    above &= above - 1;
                    if values[lane] > *threshold {
                        *threshold = (self.found)(row, columns.start + lane, values[lane]);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::random::SplitMix64;

    fn numbers(n: usize, random: &mut SplitMix64) -> Vec<f32> {
        (0..n).map(|_| random.next_f64() as f32 - 0.5).collect()
    }

    /// Every value, from [`Columns::each`].
    fn all(columns: &Columns, rows: &[f32]) -> Vec<f32> {
        let mut values = vec![f32::NAN; rows.len() / columns.dim * columns.n];
        let mut next = vec![0; rows.len() / columns.dim];
        columns.each(rows, |row, column, part| {
            assert_eq!(next[row], column, "parts in order");
            next[row] += part.len();
            values[row * columns.n + column..][..part.len()].copy_from_slice(part);
        });
        assert!(next.iter().all(|&next| next == columns.n));
        values
    }

    /// The best column of every row and its value, from [`Columns::scan`].
    fn best(columns: &Columns, rows: &[f32]) -> Vec<(usize, f32)> {
        let mut best = vec![(usize::MAX, f32::NEG_INFINITY); rows.len() / columns.dim];
        columns.scan(rows, &mut vec![f32::NEG_INFINITY; best.len()], |row, column, value| {
            best[row] = (column, value);
            value
        });
        best
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(60))]
        /// Values are sums of products; scans find, in order, what a loop over the values finds.
        #[test]
        fn every_level_agrees_with_a_loop(
            n_rows in 0usize..20, n in 1usize..120, dim in 1usize..70, threshold in -1.0_f32..1.0, seed: u64,
        ) {
            let mut random = SplitMix64::new(seed);
            let (rows, components) = (numbers(n_rows * dim, &mut random), numbers(n * dim, &mut random));
            for level in Level::available() {
                let columns = Columns::for_level(level, dim, n, slices(dim, &components));
                let values = all(&columns, &rows);
                for (i, &value) in values.iter().enumerate() {
                    let pairs = rows[i / n * dim..][..dim].iter().zip(&components[i % n * dim..][..dim]);
                    let exact: f64 = pairs.map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
                    // dim products of factors up to 1/2, each rounded twice at most.
                    let bound = (dim * dim) as f64 * 3e-8 + 1e-7;
                    proptest::prop_assert!((exact - f64::from(value)).abs() <= bound, "{level:?}: {exact} {value}");
                }
                for (row, (column, value)) in best(&columns, &rows).into_iter().enumerate() {
                    let values = &values[row * n..][..n];
                    let largest = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                    let first = values.iter().position(|&value| value == largest);
                    proptest::prop_assert_eq!((Some(column), value), (first, largest), "{:?}", level);
                }
                let mut found = Vec::new();
                columns.scan(&rows, &mut vec![threshold; n_rows], |row, column, value| {
                    found.push((row, column, value));
                    threshold
                });
                found.sort_by_key(|&(row, column, _)| (row, column));
                let expected = values.iter().enumerate().filter(|(_, value)| **value > threshold);
                let expected: Vec<_> = expected.map(|(i, &value)| (i / n, i % n, value)).collect();
                proptest::prop_assert_eq!(found, expected, "{:?}", level);
                // A row alone has the same bits.
                for (row, rows) in rows.chunks_exact(dim).enumerate() {
                    proptest::prop_assert_eq!(all(&columns, rows), &values[row * n..][..n]);
                }
            }
        }
    }

    /// Equal columns tie, wherever they stand in a tile; zeros, infinities and numbers that are none take no wrong turn.
    #[test]
    fn ties_zeros_and_what_is_no_number() {
        for level in Level::available() {
            for n in [1, 2, 15, 16, 17, 47, 48, 49, 64, 97] {
                let columns = Columns::for_level(level, 3, n, slices(3, &[0.3, -0.4, 0.5].repeat(n)));
                let rows = [[0.1, 0.2, 0.3], [0.0; 3], [-0.1, 0.2, -0.3], [f32::NAN; 3]].concat();
                let found: Vec<usize> = best(&columns, &rows).into_iter().map(|(column, _)| column).collect();
                // The third row's values are negative, and a panel is filled up with zeros.
                assert_eq!(found, [0, 0, 0, usize::MAX], "{level:?} {n}");
                let mut components = [0.3, -0.4, 0.5].repeat(n);
                components[(n - 1) * 3..].copy_from_slice(&[0.6, -0.8, 1.0]);
                let columns = Columns::for_level(level, 3, n, slices(3, &components));
                assert_eq!(best(&columns, &rows)[0].0, n - 1, "{level:?} {n}");
            }
            let none = Columns::for_level(level, 3, 0, slices(3, &[]));
            assert_eq!(best(&none, &[1.0; 3]), [(usize::MAX, f32::NEG_INFINITY)]);
        }
    }
}
