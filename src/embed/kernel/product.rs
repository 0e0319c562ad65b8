//! Products of row-major factors and [`Panels`](super::panels::Panels), tile by tile.
//!
//! `out(i, j) = sum over s of left_i(s) x right_j(s)`, where a step s is one word: one product in f32, two in bf16, four
//! in 8 bits ([`Simd`]). A tile is `ROWS` rows by `VECTORS` vectors of columns; its sums stay in registers while the words
//! of the rows are broadcast one by one and the words of a panel stream by. Right of the first tile of a panel, the panel
//! comes from the second cache. The structure is that of K. Goto, R. van de Geijn, Anatomy of High-Performance Matrix
//! Multiplication, 2008, doi:10.1145/1356052.1356053; but the left factor is not packed, and sums are not split by depth,
//! as neither gains anything at the depths of encoders.
//!
//! Every sum runs from the first step to the last in one accumulator, whatever the rows of its tile. So a row's result
//! depends on nothing but the row. Cost: rows x steps x columns products of words; one core of AMD EPYC (Zen 4) makes 58
//! (f32), 117 (bf16) and 230 (8 bits) G multiplications a second, in f32 99 % of what it can.
#![expect(unsafe_code, reason = "tiles read and write by pointer, after one check of all they touch")]
#![expect(
    clippy::inline_always,
    reason = "code is compiled for a processor where it is inlined into a function that is"
)]

use std::ops::Range;

use super::panels::PanelsView;
use super::simd::{Simd, Task};

/// What the words of two factors are.
pub(super) trait Factor: Copy {
    /// `sum` + a x b.
    fn add<S: Simd>(simd: S, sum: S::Words, a: S::Words, b: S::Words) -> S::Words;
}

/// One f32 a word.
#[derive(Clone, Copy)]
pub(super) struct F32;

/// Two bf16 a word, summed in f32.
#[derive(Clone, Copy)]
pub(super) struct Bf16;

/// Four integers a word, without sign on the left and with sign on the right, summed as i32.
#[derive(Clone, Copy)]
pub(super) struct Int8;

impl Factor for F32 {
    #[inline(always)]
    fn add<S: Simd>(simd: S, sum: S::Words, a: S::Words, b: S::Words) -> S::Words {
        simd.add_f32(sum, a, b)
    }
}

impl Factor for Bf16 {
    #[inline(always)]
    fn add<S: Simd>(simd: S, sum: S::Words, a: S::Words, b: S::Words) -> S::Words {
        simd.add_bf16(sum, a, b)
    }
}

impl Factor for Int8 {
    #[inline(always)]
    fn add<S: Simd>(simd: S, sum: S::Words, a: S::Words, b: S::Words) -> S::Words {
        simd.add_int8(sum, a, b)
    }
}

/// Rows that begin `stride` words apart.
#[derive(Clone, Copy)]
pub(super) struct Left<'a> {
    pub(super) words: &'a [u32],
    pub(super) rows: usize,
    pub(super) stride: usize,
}

/// What becomes of the sums of a row of a tile, as soon as the tile is done.
pub(super) trait Finish {
    /// `sums` are those of `row` from column `first` on: a whole number of vectors.
    fn finish<S: Simd>(&self, simd: S, row: usize, first: usize, sums: &mut [f32]);
}

/// Leaves the sums as they are.
pub(super) struct Sums;

impl Finish for Sums {
    #[inline(always)]
    fn finish<S: Simd>(&self, _: S, _: usize, _: usize, _: &mut [f32]) {}
}

/// Writes the product to the rows of `out`, which begin `out_stride` numbers apart.
///
/// # Panics
/// If the factors do not fit each other or their slices, or the product its own.
#[inline(always)]
pub(super) fn multiply<S: Simd, F: Factor>(
    simd: S,
    factor: F,
    left: Left<'_>,
    right: PanelsView<'_>,
    out: &mut [f32],
    out_stride: usize,
    finish: &impl Finish,
) {
    let PanelsView { words, steps, columns } = right;
    if left.rows == 0 || columns == 0 {
        return;
    }
    let last_row = left.rows - 1;
    assert!(columns.is_multiple_of(S::LANES) && words.len() >= steps * columns, "panels lie within their slice");
    assert!(left.words.len() >= last_row * left.stride + steps, "rows lie within their slice");
    assert!(out_stride >= columns && out.len() >= last_row * out_stride + columns, "the product lies within its slice");
    let width = S::LANES * S::VECTORS;
    for first_column in (0..columns).step_by(width) {
        let panel_width = width.min(columns - first_column);
        for first in (0..left.rows).step_by(S::ROWS) {
            let rows = first..left.rows.min(first + S::ROWS);
            let to = out[first * out_stride + first_column..].as_mut_ptr().cast();
            tile(simd, factor, left, rows.clone(), right, first_column, Write { to, stride: out_stride });
            for row in rows {
                let sums = &mut out[row * out_stride + first_column..][..panel_width];
                finish.finish(simd, row, first_column, sums);
            }
        }
    }
}

/// Hands the sums of at most `ROWS` rows and the panel that begins with `first_column` to `epilogue`.
///
/// # Panics
/// If the factors do not fit each other or their slices.
#[inline(always)]
pub(super) fn tile<S: Simd, F: Factor, E: Epilogue>(
    simd: S,
    _: F,
    left: Left<'_>,
    rows: Range<usize>,
    right: PanelsView<'_>,
    first_column: usize,
    epilogue: E,
) {
    let PanelsView { words, steps, columns } = right;
    let panel_width = (S::LANES * S::VECTORS).min(columns - first_column);
    assert!(!rows.is_empty() && rows.end <= left.rows, "rows of the left factor");
    assert!(left.words.len() >= (left.rows - 1) * left.stride + steps, "rows lie within their slice");
    assert!(columns.is_multiple_of(S::LANES) && words.len() >= steps * columns, "panels lie within their slice");
    simd.call(Tile {
        rows: rows.len(),
        vectors: panel_width / S::LANES,
        steps,
        left: left.words[rows.start * left.stride..].as_ptr(),
        left_stride: left.stride,
        right: words[first_column * steps..].as_ptr(),
        epilogue,
        factor: std::marker::PhantomData::<F>,
    });
}

/// What takes the sums of a tile's rows out of the registers.
pub(super) trait Epilogue {
    /// `sums` are those of row `row` of the tile.
    fn take<S: Simd, const VECTORS: usize>(&mut self, simd: S, row: usize, sums: &[S::Words; VECTORS]);
}

/// Writes rows `stride` words apart. `to` is valid for writes of all rows of the tile that it is made for.
struct Write {
    to: *mut u32,
    stride: usize,
}

impl Epilogue for Write {
    #[inline(always)]
    fn take<S: Simd, const VECTORS: usize>(&mut self, simd: S, row: usize, sums: &[S::Words; VECTORS]) {
        for (i, &sum) in sums.iter().enumerate() {
            // SAFETY: `multiply`, the only maker, has checked that the tile's rows lie within the product's slice.
            unsafe { simd.store(self.to.add(row * self.stride + i * S::LANES), sum) }
        }
    }
}

/// `rows` x `vectors` sums. Pointers are valid for what [`Tile::sums`] says.
struct Tile<F, E> {
    rows: usize,
    vectors: usize,
    steps: usize,
    left: *const u32,
    left_stride: usize,
    right: *const u32,
    epilogue: E,
    factor: std::marker::PhantomData<F>,
}

impl<F: Factor, E: Epilogue> Task for Tile<F, E> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        // SAFETY: `tile`, the only maker, has checked that rows and panel lie within their slices: `rows` rows of `steps`
        // words, and `steps` times `vectors` vectors.
        unsafe {
            match self.vectors {
                3 if S::VECTORS >= 3 => self.wide::<S, 3>(simd),
                2 if S::VECTORS >= 2 => self.wide::<S, 2>(simd),
                _ => self.wide::<S, 1>(simd),
            }
        }
    }
}

impl<F: Factor, E: Epilogue> Tile<F, E> {
    /// # Safety
    /// As for [`Tile::sums`].
    #[inline(always)]
    unsafe fn wide<S: Simd, const VECTORS: usize>(self, simd: S) {
        // SAFETY: the caller's.
        unsafe {
            match self.rows {
                8 if S::ROWS >= 8 => self.sums::<S, 8, VECTORS>(simd),
                7 if S::ROWS >= 7 => self.sums::<S, 7, VECTORS>(simd),
                6 if S::ROWS >= 6 => self.sums::<S, 6, VECTORS>(simd),
                5 if S::ROWS >= 5 => self.sums::<S, 5, VECTORS>(simd),
                4 => self.sums::<S, 4, VECTORS>(simd),
                3 => self.sums::<S, 3, VECTORS>(simd),
                2 => self.sums::<S, 2, VECTORS>(simd),
                _ => self.sums::<S, 1, VECTORS>(simd),
            }
        }
    }

    /// # Safety
    /// `left` is valid for reads of `steps` words at `ROWS` multiples of `left_stride`, `right` for reads of `steps` x
    /// `VECTORS` vectors; `epilogue` takes `ROWS` rows of `VECTORS` vectors.
    #[inline(always)]
    unsafe fn sums<S: Simd, const ROWS: usize, const VECTORS: usize>(mut self, simd: S) {
        let mut sums = [[simd.splat(0); VECTORS]; ROWS];
        let (mut left, mut right) = (self.left, self.right);
        // SAFETY: all reads and writes are those of the list above; pointers move to the end of what they read at most.
        unsafe {
            for _ in 0..self.steps {
                let mut panel = [simd.splat(0); VECTORS];
                for (i, words) in panel.iter_mut().enumerate() {
                    *words = simd.load(right.add(i * S::LANES));
                }
                for (row, sums) in sums.iter_mut().enumerate() {
                    let word = simd.splat(*left.add(row * self.left_stride));
                    for (sum, &words) in sums.iter_mut().zip(&panel) {
                        *sum = F::add(simd, *sum, word, words);
                    }
                }
                left = left.add(1);
                right = right.add(VECTORS * S::LANES);
            }
            for (row, sums) in sums.iter().enumerate() {
                self.epilogue.take::<S, VECTORS>(simd, row, sums);
            }
        }
    }
}
