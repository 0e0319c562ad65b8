//! The columns that may be among the nearest to a row: products in the fastest arithmetic, with a bound of their error.
//!
//! Where products of bytes are faster than those of f32, rows x and columns c are rounded to 8 bits as [`super::linear`] rounds
//! them, less the mean m of (the first) columns: `x.c = x.m + m.(c - m) + (x - m).(c - m)`, and only the last product is rounded. So
//! vectors that lie close together are told apart as well as others. With y' and d' what y = x - m and d = c - m are rounded to,
//! `|y.d - y'.d'| <= |y - y'| |d| + (|y| + |y - y'|) |d - d'|` (Cauchy-Schwarz), and all four lengths are known, not estimated.
//! So the k nearest columns are among those whose approximate product is at most two bounds below the k-th largest: of 384
//! components, some .02. Few columns are, and the caller multiplies them exactly.
//!
//! Cost: a pass over every row to round it, and the products of bytes, four times as fast as those of f32 with VNNI.
#![expect(
    clippy::inline_always,
    reason = "code is compiled for a processor where it is inlined into a function that is"
)]

use std::ops::Range;
use std::sync::atomic::{AtomicU32, Ordering};

use super::Precision;
use super::columns::{Columns, Convert, Scan, Tiles, slices};
use super::linear::{QuantizedRow, nearest_integer, quantize};
use super::panels::{Panels, padded};
use super::product::{Int8, Left};
use super::simd::{Level, MOST_LANES, Simd, Task, TileWidth};
use super::vector::{Dot, dot};

/// What a sum of `dim` products in f32 is off by at most, relative to the product of the lengths: of each product and sum half a
/// unit in the last place, and more than as much to spare.
fn rounding(dim: usize) -> f32 {
    (dim + 16) as f32 * f32::EPSILON
}

/// Columns prepared for a search.
#[derive(Clone, Debug)]
pub(crate) struct RoughColumns {
    /// The largest length of a column.
    length: f32,
    factors: Factors,
}

#[derive(Clone, Debug)]
enum Factors {
    F32(Columns),
    Int8(Bytes),
}

/// Columns in bytes.
#[derive(Clone, Debug)]
struct Bytes {
    level: Level,
    panels: Panels,
    n: usize,
    dim: usize,
    mean: Vec<f32>,
    /// What each column's integers are multiplied with, their sum, and `m.(c - m)`; filled up to whole vectors.
    scales: Vec<f32>,
    sums: Vec<f32>,
    offsets: Vec<f32>,
    /// The largest length of a column less the mean, that of what rounding took from one, and the largest scale.
    length: f32,
    error: f32,
    scale: f32,
}

/// Buffers of a scan, kept from one to the next.
#[derive(Debug, Default)]
pub(crate) struct RoughRows {
    padded: Vec<f32>,
    words: Vec<u32>,
    rows: Vec<RoughRow>,
    errors: Vec<f32>,
    thresholds: Vec<f32>,
}

/// A row in bytes, and its product with the mean of the columns.
#[derive(Clone, Copy, Debug)]
struct RoughRow {
    integers: QuantizedRow,
    of_mean: f32,
}

impl RoughColumns {
    /// Prepares columns of `dim` components, one after the other.
    ///
    /// # Panics
    /// If `components.len()` is no multiple of `dim`, or `dim` is 0.
    pub(crate) fn new(dim: usize, components: &[f32]) -> Self {
        assert!(dim > 0 && components.len().is_multiple_of(dim), "whole columns of {dim} components");
        Self::read(dim, components.len() / dim, slices(dim, components))
    }

    /// Prepares `n` columns, in parallel. `read` writes the components of some of them, one after the other, to a buffer.
    pub(crate) fn read(dim: usize, n: usize, read: impl Fn(Range<usize>, &mut Vec<f32>) + Sync) -> Self {
        let level = Level::best();
        Self::with(level, level.faster_than_f32().contains(&Precision::Int8), dim, n, read)
    }

    /// As [`read`](Self::read), for products in f32 on every processor.
    pub(crate) fn read_f32(dim: usize, n: usize, read: impl Fn(Range<usize>, &mut Vec<f32>) + Sync) -> Self {
        Self::with(Level::best(), false, dim, n, read)
    }

    /// Whether products are made in 8 bits.
    pub(crate) fn are_rounded(&self) -> bool {
        matches!(self.factors, Factors::Int8(_))
    }

    fn with(
        level: Level,
        bytes: bool,
        dim: usize,
        n: usize,
        read: impl Fn(Range<usize>, &mut Vec<f32>) + Sync,
    ) -> Self {
        let longest = AtomicU32::new(0);
        let read = |columns: Range<usize>, to: &mut Vec<f32>| {
            read(columns, to);
            let lengths = to.chunks_exact(dim).map(|column| length(column.iter().copied()));
            // Numbers without a sign are in the order of their bits.
            longest.fetch_max(lengths.fold(0.0, f32::max).to_bits(), Ordering::Relaxed);
        };
        let factors = if bytes && dim <= MOST_BYTES {
            Factors::Int8(Bytes::read(level, dim, n, read))
        } else {
            Factors::F32(Columns::for_level(level, dim, n, read))
        };
        Self { length: f32::from_bits(longest.into_inner()), factors }
    }

    /// What a row's product with a column of `dim` components in f32, summed up in whatever order, differs from their [`dot`]
    /// by at most. Rows have unit length, or are zero.
    pub(crate) fn f32_error(&self, dim: usize) -> f32 {
        2.0 * self.length * rounding(dim)
    }

    /// Shows `found` every (row, column, product, error) whose exact product may exceed or equal what `least` says of the row,
    /// each row's columns in ascending order. The exact product differs from the one shown by the error at most. What `found`
    /// returns is the row's `least` from there on. Rows have unit length, or are zero.
    ///
    /// # Panics
    /// If `rows` are not whole rows, or not as many as `least` has numbers.
    pub(crate) fn scan(
        &self,
        rows: &[f32],
        least: &[f32],
        buffers: &mut RoughRows,
        mut found: impl FnMut(usize, usize, f32, f32) -> f32,
    ) {
        match &self.factors {
            Factors::F32(columns) => {
                let error = self.f32_error(columns.dim());
                buffers.thresholds.clear();
                buffers.thresholds.extend(least.iter().map(|least| least - error));
                columns
                    .scan(rows, &mut buffers.thresholds, |row, column, value| found(row, column, value, error) - error);
            }
            Factors::Int8(bytes) => {
                bytes.round(rows, self.length, buffers);
                let RoughRows { words, rows, errors, thresholds, .. } = buffers;
                thresholds.clear();
                thresholds.extend(least.iter().zip(&*errors).map(|(least, error)| least - error));
                let left = Left { words, rows: rows.len(), stride: padded(bytes.dim) / 4 };
                bytes.level.run(Scan {
                    tiles: Tiles { left, right: bytes.panels.view(), n: bytes.n },
                    factor: Int8,
                    convert: FromBytes { rows, bytes },
                    thresholds,
                    found: |row, column, value| found(row, column, value, errors[row]) - errors[row],
                });
            }
        }
    }
}

/// The most components whose products of bytes add up within an i32.
const MOST_BYTES: usize = i32::MAX as usize / (255 * 127);

/// Columns whose mean is taken off.
const MEAN_OF: usize = 4096;

/// The length of a vector, rounded up.
fn length(components: impl Iterator<Item = f32>) -> f32 {
    let square: f64 = components.map(|x| f64::from(x) * f64::from(x)).sum();
    square.sqrt() as f32 * (1.0 + f32::EPSILON)
}

impl Bytes {
    fn read(level: Level, dim: usize, n: usize, read: impl Fn(Range<usize>, &mut Vec<f32>) + Sync) -> Self {
        let mean = mean(dim, n.min(MEAN_OF), &read);
        let (panels, parts) = Panels::by_panel(level.run(TileWidth), padded(dim) / 4, n, |columns, width, words| {
            let mut components = Vec::new();
            read(columns, &mut components);
            let rounded = components.chunks_exact_mut(dim).enumerate().map(|(i, column)| {
                column.iter_mut().zip(&mean).for_each(|(x, mean)| *x -= mean);
                RoundedColumn::new(column, &mean, words[i..].iter_mut().step_by(width))
            });
            rounded.collect::<Vec<_>>()
        });
        let parts: Vec<RoundedColumn> = parts.into_iter().flatten().collect();
        let filled = |number: fn(&RoundedColumn) -> f32| {
            let mut numbers: Vec<f32> = parts.iter().map(number).collect();
            numbers.resize(padded(n), 0.0);
            numbers
        };
        let largest = |number: fn(&RoundedColumn) -> f32| parts.iter().map(number).fold(0.0, f32::max);
        Self {
            level,
            panels,
            n,
            dim,
            scales: filled(|column| column.scale),
            sums: filled(|column| column.sum),
            offsets: filled(|column| column.of_mean),
            length: largest(|column| column.length),
            error: largest(|column| column.error),
            scale: largest(|column| column.scale),
            mean,
        }
    }

    /// Rounds rows, and says what their products are off by at most.
    fn round(&self, rows: &[f32], length: f32, to: &mut RoughRows) {
        assert!(rows.len().is_multiple_of(self.dim), "whole rows of {} components", self.dim);
        self.level.run(Round { bytes: self, length, rows, to });
    }
}

/// The mean of the first `n` columns: whatever vector it is, products are within their bounds.
fn mean(dim: usize, n: usize, read: impl Fn(Range<usize>, &mut Vec<f32>)) -> Vec<f32> {
    let mut columns = Vec::new();
    read(0..n, &mut columns);
    let mut sum = vec![0.0_f64; dim];
    for column in columns.chunks_exact(dim) {
        sum.iter_mut().zip(column).for_each(|(sum, &x)| *sum += f64::from(x));
    }
    sum.iter().map(|sum| (sum / n.max(1) as f64) as f32).collect()
}

/// What is known of a column less the mean that became integers.
struct RoundedColumn {
    /// What the integers are multiplied with, and their sum.
    scale: f32,
    sum: f32,
    /// Its product with the mean.
    of_mean: f32,
    /// Its length, and that of what rounding took from it.
    length: f32,
    error: f32,
}

impl RoundedColumn {
    /// Rounds to -127..=127, four integers a word.
    fn new<'a>(column: &[f32], mean: &[f32], words: impl Iterator<Item = &'a mut u32>) -> Self {
        let scale = column.iter().fold(0.0_f32, |largest, x| largest.max(x.abs())) / 127.0;
        let per_step = if scale >= f32::MIN_POSITIVE { 1.0 / scale } else { 0.0 };
        let (mut sum, mut squared_error) = (0, 0.0_f64);
        for (word, part) in words.zip(column.chunks(4)) {
            let mut integers = [0_i8; 4];
            for (integer, &x) in integers.iter_mut().zip(part) {
                *integer = nearest_integer(x * per_step);
                sum += i32::from(*integer);
                squared_error += f64::from(x - scale * f32::from(*integer)).powi(2);
            }
            *word = u32::from_le_bytes(integers.map(i8::cast_unsigned));
        }
        let length = length(column.iter().copied());
        let error = squared_error.sqrt() as f32 * (1.0 + f32::EPSILON);
        Self { scale, sum: sum as f32, of_mean: dot(mean, column), length, error }
    }
}

struct Round<'a> {
    bytes: &'a Bytes,
    length: f32,
    rows: &'a [f32],
    to: &'a mut RoughRows,
}

impl Task for Round<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { bytes, length, rows, to } = self;
        let stride = padded(bytes.dim);
        to.padded.clear();
        to.padded.resize(stride, 0.0);
        to.words.resize(rows.len() / bytes.dim * stride / 4, 0);
        to.rows.clear();
        to.errors.clear();
        let integers: &mut [u8] = bytemuck::cast_slice_mut(&mut to.words);
        for (row, integers) in rows.chunks_exact(bytes.dim).zip(integers.chunks_exact_mut(stride)) {
            to.padded.iter_mut().zip(row).zip(&bytes.mean).for_each(|((to, x), mean)| *to = x - mean);
            let rounded = quantize(simd, &to.padded, integers);
            let (lost, apart) = (lost(&to.padded, integers, rounded), length_of(&to.padded));
            // The sum of integers becomes an f32 once, and is shifted and scaled: three roundings of what it can be.
            let largest = bytes.dim as f32 * 255.0 * 127.0 * rounded.scale * bytes.scale;
            let error = lost * bytes.length + (apart + lost) * bytes.error + 4.0 * f32::EPSILON * largest;
            to.rows.push(RoughRow { integers: rounded, of_mean: Dot { a: row, b: &bytes.mean }.run(simd) });
            // What is not rounded to bytes: exact products, their differences from the mean, and sums of them.
            to.errors.push(error + 4.0 * length.max(1.0) * rounding(bytes.dim));
        }
    }
}

/// The length of what rounding took from a row, rounded up.
#[inline(always)]
fn lost(row: &[f32], integers: &[u8], QuantizedRow { scale, zero }: QuantizedRow) -> f32 {
    let mut squares = [0.0_f32; MOST_LANES];
    for (row, integers) in row.as_chunks::<MOST_LANES>().0.iter().zip(integers.as_chunks::<MOST_LANES>().0) {
        for ((square, &x), &integer) in squares.iter_mut().zip(row).zip(integers) {
            let error = x - scale * (f32::from(integer) - zero);
            *square += error * error;
        }
    }
    // The differences are rounded by parts of 2^-24 of components of at most 2, their squares and sums by less than 1 %.
    squares.iter().sum::<f32>().sqrt() * 1.01 + 2.0 * (row.len() as f32).sqrt() * f32::EPSILON
}

/// The length of a row, rounded up.
#[inline(always)]
fn length_of(row: &[f32]) -> f32 {
    let mut squares = [0.0_f32; MOST_LANES];
    for row in row.as_chunks::<MOST_LANES>().0 {
        squares.iter_mut().zip(row).for_each(|(square, x)| *square += x * x);
    }
    squares.iter().sum::<f32>().sqrt() * 1.01
}

/// From sums of integers to products.
#[derive(Clone, Copy)]
struct FromBytes<'a> {
    rows: &'a [RoughRow],
    bytes: &'a Bytes,
}

impl Convert for FromBytes<'_> {
    #[inline(always)]
    fn convert<S: Simd>(self, simd: S, row: usize, column: usize, sums: S::Words) -> S::Words {
        let Bytes { scales, sums: of_columns, offsets, .. } = self.bytes;
        let RoughRow { integers: QuantizedRow { scale, zero }, of_mean } = self.rows[row];
        let shifted = simd.add_f32(simd.to_f32(sums), simd.read(&of_columns[column..]), simd.number(-zero));
        let exact = simd.plus(simd.read(&offsets[column..]), simd.number(of_mean));
        simd.add_f32(exact, shifted, simd.times(simd.read(&scales[column..]), simd.number(scale)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::normalize;
    use super::*;
    use crate::cluster::random::SplitMix64;

    fn units(n: usize, dim: usize, random: &mut SplitMix64) -> Vec<f32> {
        let mut rows: Vec<f32> = (0..n * dim).map(|_| random.next_f64() as f32 - 0.3).collect();
        rows.chunks_exact_mut(dim).for_each(normalize);
        rows
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(60))]
        /// Every product is within its error of the exact one.
        #[test]
        fn errors_are_bounded_on_every_level(
            n_rows in 0usize..20, n in 1usize..120, dim in 1usize..70, zeros: bool, shrunk in 0.0_f32..2.0, seed: u64,
        ) {
            let mut random = SplitMix64::new(seed);
            let (mut rows, mut components) = (units(n_rows, dim, &mut random), units(n, dim, &mut random));
            if zeros {
                rows.iter_mut().take(dim).for_each(|x| *x = 0.0);
                components.iter_mut().take(dim).for_each(|x| *x = 0.0);
            }
            components.iter_mut().skip(n / 2 * dim).for_each(|x| *x *= shrunk);
            for (level, bytes) in Level::available().into_iter().flat_map(|level| [(level, false), (level, true)]) {
                let columns = RoughColumns::with(level, bytes, dim, n, slices(dim, &components));
                let mut seen = 0;
                let least = vec![f32::NEG_INFINITY; n_rows];
                let mut worst = 0.0_f64;
                columns.scan(&rows, &least, &mut RoughRows::default(), |row, column, value, error| {
                    let pairs = rows[row * dim..][..dim].iter().zip(&components[column * dim..][..dim]);
                    let exact: f64 = pairs.map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
                    worst = worst.max((exact - f64::from(value)).abs() - f64::from(error));
                    assert!(error < 0.2 * (1.0 + shrunk), "{error}");
                    seen += 1;
                    f32::NEG_INFINITY
                });
                proptest::prop_assert!(worst <= 0.0, "{level:?} {bytes}: {worst}");
                proptest::prop_assert_eq!(seen, n_rows * n);
            }
        }
    }
}
