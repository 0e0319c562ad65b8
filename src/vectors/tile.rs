//! Similarities of many rows to many others, tile by tile, never all at once.
//!
//! A tile is [`ROWS`] rows widened to f32. Tiles run in parallel, each on one thread, and write to places of their own; a
//! similarity depends on its row and column alone. So the bytes depend neither on the number of threads nor on a row's place.

use rayon::prelude::*;

use super::Rows;
use crate::embed::kernel::Columns;

/// Rows of a tile: with a panel of columns, they stay in a core's second cache.
pub(crate) const ROWS: usize = 128;

/// The similarities of one row to some neighbouring columns.
pub(crate) struct Similarities<'a> {
    /// The row, counted from the start of its tile.
    pub row_in_tile: usize,
    /// The first of the columns.
    pub column: usize,
    /// One similarity per column.
    pub values: &'a [f32],
}

/// Rows as columns of a product, widened to f32.
pub(crate) fn columns(rows: Rows<'_>) -> Columns {
    Columns::read(rows.dim(), rows.len(), |range, to| rows.gather(range, to))
}

/// Shows `visit` the similarity of every row to every column.
///
/// `states` has one item per tile, in order: what `visit` writes to. Each row meets the columns in ascending order, some
/// at a time.
pub(crate) fn for_each<S: Send>(
    rows: Rows<'_>,
    columns: &Columns,
    states: impl IndexedParallelIterator<Item = S>,
    visit: impl Fn(&mut S, &Similarities<'_>) + Sync,
) {
    states.enumerate().for_each_init(Vec::new, |tile, (index, mut state)| {
        rows.gather(range(rows, index), tile);
        columns.each(tile, |row_in_tile, column, values| {
            visit(&mut state, &Similarities { row_in_tile, column, values });
        });
    });
}

/// The rows of a tile.
fn range(rows: Rows<'_>, index: usize) -> std::ops::Range<usize> {
    index * ROWS..rows.len().min((index + 1) * ROWS)
}
