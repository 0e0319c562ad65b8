//! The right factor of a product, packed once for the tiles that read it.
//!
//! Columns stand in panels as wide as a tile, panel after panel; a panel has, for every step of the sum, the words of its
//! columns side by side. Columns are filled up with zeros to a multiple of [`MOST_LANES`]; the last panel may be narrower.
#![expect(unsafe_code, reason = "words that begin on a cache line are seen as a slice")]

use std::ops::Range;

use rayon::prelude::*;

use super::simd::MOST_LANES;

/// Words of a cache line, where every panel begins.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub(crate) struct Line([u32; MOST_LANES]);

// SAFETY: a line is sixteen words without anything between them, and zeros are one.
unsafe impl bytemuck::Zeroable for Line {}
// SAFETY: as above; every pattern of bits is a line, and it holds no reference.
unsafe impl bytemuck::Pod for Line {}

/// Zeros that begin on a cache line: at least `len` of them.
pub(crate) fn lines(len: usize) -> Vec<Line> {
    vec![Line([0; MOST_LANES]); len.div_ceil(MOST_LANES)]
}

/// `len` filled up to whole vectors on any processor.
pub(crate) fn padded(len: usize) -> usize {
    len.next_multiple_of(MOST_LANES)
}

/// A packed factor.
#[derive(Clone, Debug)]
pub(crate) struct Panels {
    lines: Vec<Line>,
    /// Words of a column.
    steps: usize,
    /// Columns, [padded].
    columns: usize,
}

impl Panels {
    /// Packs `columns` columns for tiles of `width` columns; `word(step, column)` gives the words.
    pub(crate) fn new(width: usize, steps: usize, columns: usize, word: impl Fn(usize, usize) -> u32) -> Self {
        let padded_columns = padded(columns);
        let mut lines = lines(steps * padded_columns);
        let words: &mut [u32] = bytemuck::cast_slice_mut(&mut lines);
        for first in (0..padded_columns).step_by(width) {
            let panel = first..padded_columns.min(first + width);
            let rows = words[first * steps..].chunks_exact_mut(panel.len());
            for (step, row) in rows.take(steps).enumerate() {
                for (to, column) in row.iter_mut().zip(panel.clone()).filter(|(_, column)| *column < columns) {
                    *to = word(step, column);
                }
            }
        }
        Self { lines, steps, columns: padded_columns }
    }

    /// Packs in parallel, panel by panel: `fill` is told the columns of a panel, how many there are with what fills it up, and
    /// gets its words, all zero. What it returns comes with the panels, in their order.
    pub(crate) fn by_panel<T: Send>(
        width: usize,
        steps: usize,
        columns: usize,
        fill: impl Fn(Range<usize>, usize, &mut [u32]) -> T + Sync,
    ) -> (Self, Vec<T>) {
        let padded_columns = padded(columns);
        let mut lines = lines(steps * padded_columns);
        let words: &mut [u32] = bytemuck::cast_slice_mut(&mut lines);
        let panels = words[..steps * padded_columns].par_chunks_mut((width * steps).max(1)).enumerate();
        let filled = panels.map(|(panel, words)| {
            let first = panel * width;
            // A panel may hold nothing but what fills it up.
            fill(first.min(columns)..columns.min(first + width), width.min(padded_columns - first), words)
        });
        let filled = filled.collect();
        (Self { lines, steps, columns: padded_columns }, filled)
    }

    pub(crate) fn view(&self) -> PanelsView<'_> {
        PanelsView { words: bytemuck::cast_slice(&self.lines), steps: self.steps, columns: self.columns }
    }
}

/// Panels that lie in a slice.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PanelsView<'a> {
    pub(crate) words: &'a [u32],
    pub(crate) steps: usize,
    /// A multiple of [`MOST_LANES`].
    pub(crate) columns: usize,
}
