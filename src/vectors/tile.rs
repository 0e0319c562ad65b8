//! Similarities of many rows to many others, tile by tile, never all at once.
//!
//! A tile is [`ROWS`] rows widened to f32, the last one filled up with zeros so that every product has the same shape
//! and adds up in the same order. Tiles run in parallel, each on one thread, and write to places of their own: the
//! bytes do not depend on the number of threads.

use rayon::prelude::*;

use super::Rows;
use crate::embed::kernel::{Transposed, matmul};

/// Rows of a tile.
pub(crate) const ROWS: usize = 128;

/// Columns of a product at a time: with the tile, small enough for a core's cache.
const COLUMNS: usize = 1024;

/// The similarities of one row to some neighbouring columns.
pub(crate) struct Similarities<'a> {
    /// The row, counted from the start of its tile.
    pub row_in_tile: usize,
    /// The first of the columns.
    pub column: usize,
    /// One similarity per column.
    pub values: &'a [f32],
}

/// Shows `visit` the similarity of every row to every column; `columns` holds m x dim components.
///
/// `states` has one item per tile, in order: what `visit` writes to. Each row meets the columns in ascending order.
/// `done` is told the number of rows of every finished tile.
pub(crate) fn for_each<S: Send>(
    rows: Rows<'_>,
    columns: &[f32],
    states: impl IndexedParallelIterator<Item = S>,
    visit: impl Fn(&mut S, &Similarities<'_>) + Sync,
    done: impl Fn(u64) + Sync,
) {
    let dim = rows.dim();
    let n_columns = columns.len() / dim;
    states.enumerate().for_each_init(
        || (Vec::with_capacity(ROWS * dim), vec![0.0; ROWS * n_columns.min(COLUMNS)]),
        |(tile, product), (index, mut state)| {
            let start = index * ROWS;
            let end = rows.len().min(start + ROWS);
            rows.gather(start..end, tile);
            tile.resize(ROWS * dim, 0.0);
            for (block, data) in columns.chunks(COLUMNS * dim).enumerate() {
                let n = data.len() / dim;
                let product = &mut product[..ROWS * n];
                matmul(tile, Transposed { data, n }, dim, product);
                for (row_in_tile, values) in product.chunks_exact(n).enumerate().take(end - start) {
                    visit(&mut state, &Similarities { row_in_tile, column: block * COLUMNS, values });
                }
            }
            done((end - start) as u64);
        },
    );
}
