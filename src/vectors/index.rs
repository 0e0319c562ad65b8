//! Nearest neighbours by cosine, found in 8 bits and judged in f32.
//!
//! 1. Reference and queries are [quantized](super::QuantizedRows), and every pair is compared in integers: exact sums,
//!    so the result does not depend on threads, tiles or the processor.
//! 2. Of every query the k + [`SPARE`] best are kept, and compared again in f32. The k best of these are the result, with
//!    the similarities that [`super::knn`] computes, up to the rounding of f32.
//!
//! A neighbour can be missed only if more than `SPARE` others that are farther away look nearer in 8 bits.
//! Cost: queries x reference x dim multiplications of 8 bits, and queries x (k + `SPARE`) x dim of f32. Memory: dim
//! bytes per reference row, and the results.

use half::slice::HalfFloatSliceExt;
use rayon::prelude::*;

use super::knn::{NONE, Neighbours, insert};
use super::{QuantizedRows, Rows, tile};
use crate::embed::kernel::{PackedColumns, PackedRows, dot};
use crate::progress::Progress;

/// Candidates beyond k that are compared in f32. Of 18,184 queries against 20,000 rows, 711 need one or more to find the
/// same 5 neighbours as f32, 19 four or more, 8 six, and none more.
const SPARE: usize = 8;

/// A reference prepared for many searches.
#[derive(Clone, Debug)]
pub struct Index<'a> {
    reference: Rows<'a>,
    columns: PackedColumns,
    /// One over the length of each stored row, which rounding to half precision changed; 0 for a zero row.
    scales: Vec<f32>,
}

impl<'a> Index<'a> {
    /// Quantizes and packs a reference.
    #[must_use]
    pub fn new(reference: Rows<'a>) -> Self {
        let columns = packed(&QuantizedRows::of(reference));
        let scale = |widened: &mut Vec<f32>, i| {
            let row: &[_] = reference.row(i);
            widened.resize(row.len(), 0.0);
            row.convert_to_f32_slice(widened);
            let length = dot(widened, widened).sqrt();
            if length > 0.0 { 1.0 / length } else { 0.0 }
        };
        let scales = (0..reference.len()).into_par_iter().map_init(Vec::new, scale).collect();
        Self { reference, columns, scales }
    }

    /// Number of reference rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.reference.len()
    }

    /// Whether there is no reference row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.reference.is_empty()
    }

    /// The `k` nearest reference rows of every query, or all where there are fewer.
    #[must_use]
    pub fn nearest(&self, queries: Rows<'_>, k: usize, progress: &dyn Progress) -> Neighbours {
        self.nearest_but(queries, k, |_, _| false, progress)
    }

    /// As [`nearest`](Self::nearest), but no row is its own neighbour where queries and reference are rows of one
    /// matrix.
    #[must_use]
    pub fn nearest_others(&self, queries: Rows<'_>, k: usize, progress: &dyn Progress) -> Neighbours {
        let others = queries.same_matrix(&self.reference);
        let is_own = |query, row| others && self.reference.index(row) == queries.index(query);
        self.nearest_but(queries, k, is_own, progress)
    }

    /// As [`nearest`](Self::nearest), but for the reference rows that are left out for a query: `left_out` takes the
    /// positions of the query and of the reference row.
    pub(crate) fn nearest_but(
        &self,
        queries: Rows<'_>,
        k: usize,
        left_out: impl Fn(usize, usize) -> bool + Sync,
        progress: &dyn Progress,
    ) -> Neighbours {
        let similarity = |query: &[f32], column: usize, widened: &mut Vec<f32>| {
            widened.resize(query.len(), 0.0);
            self.reference.row(column).convert_to_f32_slice(widened);
            dot(query, widened) * self.scales[column]
        };
        search(&self.columns, queries, k, left_out, similarity, progress)
    }
}

/// Rows as columns of a product.
fn packed(rows: &QuantizedRows) -> PackedColumns {
    PackedColumns::new(rows.dim(), rows.components(), rows.factors())
}

/// The `k` columns nearest to every query, out of `k` + [`SPARE`] candidates. `left_out` says which columns to leave out,
/// `similarity` what the cosine of a query's unit vector to a column is; it has a buffer to work in.
fn search(
    columns: &PackedColumns,
    queries: Rows<'_>,
    k: usize,
    left_out: impl Fn(usize, usize) -> bool + Sync,
    similarity: impl Fn(&[f32], usize, &mut Vec<f32>) -> f32 + Sync,
    progress: &dyn Progress,
) -> Neighbours {
    let k = k.min(columns.len());
    let mut index = vec![NONE; queries.len() * k];
    let mut similarities = vec![f32::NEG_INFINITY; queries.len() * k];
    if k == 0 {
        progress.advance(queries.len() as u64, 0);
        return Neighbours { queries: queries.len(), k, index, similarity: similarities };
    }
    let kept = columns.len().min(k.saturating_add(SPARE));
    let tiles = index.par_chunks_mut(tile::ROWS * k).zip(similarities.par_chunks_mut(tile::ROWS * k));
    tiles.enumerate().for_each_init(
        || (Vec::new(), Vec::new(), Shortlists::default()),
        |(unit, widened, shortlists), (tile, (index, similarities))| {
            let start = tile * tile::ROWS;
            let n = index.len() / k;
            queries.gather(start..start + n, unit);
            let quantized = QuantizedRows::from_f32(queries.dim(), unit);
            shortlists.clear(n, kept);
            columns.scan(&PackedRows::new(queries.dim(), quantized.components()), |row, column, value| {
                if left_out(start + row, column) {
                    shortlists.last(row)
                } else {
                    shortlists.insert(row, column as u32, value)
                }
            });
            let rows =
                unit.chunks_exact(queries.dim()).zip(index.chunks_exact_mut(k)).zip(similarities.chunks_exact_mut(k));
            for (row, ((unit, index), similarities)) in rows.enumerate() {
                for &column in shortlists.of(row) {
                    let value = similarity(unit, column as usize, widened);
                    if value > similarities[k - 1] {
                        insert(index, similarities, column, value);
                    }
                }
            }
            progress.advance(n as u64, 0);
        },
    );
    Neighbours { queries: queries.len(), k, index, similarity: similarities }
}

/// The best columns of every row of a tile, best first.
#[derive(Default)]
struct Shortlists {
    kept: usize,
    columns: Vec<u32>,
    values: Vec<f32>,
}

impl Shortlists {
    fn clear(&mut self, rows: usize, kept: usize) {
        self.kept = kept;
        self.columns.clear();
        self.columns.resize(rows * kept, NONE);
        self.values.clear();
        self.values.resize(rows * kept, f32::NEG_INFINITY);
    }

    /// What a value has to exceed to be among the best of a row.
    fn last(&self, row: usize) -> f32 {
        self.values[(row + 1) * self.kept - 1]
    }

    /// Adds a column that exceeds the [last](Self::last), and returns the new one.
    fn insert(&mut self, row: usize, column: u32, value: f32) -> f32 {
        let places = row * self.kept..(row + 1) * self.kept;
        insert(&mut self.columns[places.clone()], &mut self.values[places], column, value);
        self.last(row)
    }

    /// The best columns of a row, in ascending order: of equal similarities the lower comes first.
    fn of(&mut self, row: usize) -> &[u32] {
        let columns = &mut self.columns[row * self.kept..(row + 1) * self.kept];
        columns.sort_unstable();
        &columns[..columns.partition_point(|&column| column != NONE)]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::cluster::kmeans::tests::bundles;
    use crate::progress::Silent;
    use crate::vectors::{EmbeddingMatrix, knn};

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        /// With no more rows than the candidates of a query, the search is exact.
        #[test]
        fn few_rows_are_searched_exactly(
            dim in 1usize..20, n in 0usize..16, k in 0usize..8, fold in 0usize..2, seed: u64, others: bool,
        ) {
            let mut random = crate::cluster::random::SplitMix64::new(seed);
            let data: Vec<f32> = (0..n * dim).map(|_| random.next_f64() as f32 - 0.5).collect();
            let matrix = EmbeddingMatrix::from_f32(dim, &data);
            let (queries, reference) = (Rows::from(&matrix).fold(fold, 2), Rows::from(&matrix).prefix(k + SPARE));
            let index = Index::new(reference);
            let (found, expected) = if others {
                (index.nearest_others(queries, k, &Silent), knn::nearest_others(queries, reference, k, &Silent))
            } else {
                (index.nearest(queries, k, &Silent), knn::nearest(queries, reference, k, &Silent))
            };
            for query in 0..queries.len() {
                let ((columns, found), (_, expected)) = (found.of(query), expected.of(query));
                prop_assert_eq!(found.len(), expected.len());
                for ((&column, found), expected) in columns.iter().zip(found).zip(expected) {
                    prop_assert!((found - expected).abs() < 1e-6, "rounding of f32: {} {}", found, expected);
                    prop_assert!(!others || reference.index(column as usize) != queries.index(query));
                }
            }
        }
    }

    /// With |e| the length of a row's rounding error, 8 bits move a similarity by less than `|e_x| + |e_y|`, so that the
    /// i-th best is at most twice that worse than the exact one.
    #[test]
    fn agrees_with_the_search_in_f32() {
        for spread in [0.01, 0.3, 1.0, 3.0] {
            let matrix = bundles(20, 100, 64, spread);
            let (queries, reference) = (Rows::from(&matrix).fold(0, 5), Rows::from(&matrix));
            let found = Index::new(reference).nearest_others(queries, 5, &Silent);
            let expected = knn::nearest_others(queries, reference, 5, &Silent);
            let largest = QuantizedRows::of(reference).factors().iter().copied().fold(0.0, f32::max);
            let bound = 2.0 * (2.0 * largest / 2.0 * 64.0_f32.sqrt());
            let mut differ = 0;
            for query in 0..queries.len() {
                let ((columns, similarity), (exact_columns, exact)) = (found.of(query), expected.of(query));
                differ += usize::from(columns != exact_columns);
                assert!(
                    similarity.iter().zip(exact).all(|(found, exact)| exact - found < bound && found - exact < 1e-6)
                );
            }
            // Rows of the tightest bundles have the same 8 bits, and the lowest hundredth of them is compared in f32.
            assert!(differ == 0 || spread < 0.1, "{differ} of {} at {spread}", queries.len());
        }
    }

    #[test]
    fn ties_go_to_the_lower_index() {
        let matrix = EmbeddingMatrix::from_f32(2, &[1.0, 0.0, 0.0, 1.0, 1.0, 0.0, 1.0, 0.0]);
        let rows = Rows::from(&matrix);
        let index = Index::new(rows);
        assert_eq!(index.nearest(rows, 2, &Silent).of(3).0, [0, 2]);
        assert_eq!(index.nearest_others(rows, 2, &Silent).of(0).0, [2, 3]);
        assert_eq!(index.nearest_others(rows, 9, &Silent).of(2).0, [0, 3, 1]);
        // Of more copies than there are candidates, the first ones are found.
        let copies = EmbeddingMatrix::from_f32(2, &[0.6, 0.8].repeat(200));
        let rows = Rows::from(&copies);
        assert_eq!(Index::new(rows).nearest(rows, 3, &Silent).of(150).0, [0, 1, 2]);
        assert_eq!(Index::new(rows).nearest_others(rows, 3, &Silent).of(1).0, [0, 2, 3]);
    }

    #[test]
    fn same_bytes_at_any_number_of_threads_and_size_of_a_batch() {
        let matrix = bundles(10, 40, 16, 0.5);
        let rows = Rows::from(&matrix);
        let index = Index::new(rows);
        let found = [1, 2, 5].map(|threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| Index::new(rows).nearest(rows, 6, &Silent))
        });
        assert!(found[0] == found[1] && found[0] == found[2]);
        for size in [1, 7, 130] {
            for start in (0..400).step_by(size) {
                let batch = index.nearest(rows.skip(start).prefix(size), 6, &Silent);
                for query in 0..size.min(400 - start) {
                    assert_eq!(batch.of(query), found[0].of(start + query));
                }
            }
        }
    }

    #[test]
    fn zeros_and_nothing() {
        let zeros = EmbeddingMatrix::from_f32(2, &[0.0, 0.0, 1.0, 0.0, 0.0, 0.0]);
        let rows = Rows::from(&zeros);
        assert_eq!(Index::new(rows).nearest(rows, 2, &Silent).of(0), (&[0, 1][..], &[0.0, 0.0][..]));
        assert_eq!(Index::new(rows).nearest(rows, 2, &Silent).of(1), (&[1, 0][..], &[1.0, 0.0][..]));
        assert_eq!(Index::new(rows.prefix(0)).nearest(rows, 2, &Silent).of(1).0, [0; 0]);
        assert_eq!(Index::new(rows).nearest(rows, 0, &Silent).of(1).0, [0; 0]);
        assert_eq!(
            Index::new(rows).nearest(rows.prefix(0), 2, &Silent),
            knn::nearest(rows.prefix(0), rows, 2, &Silent)
        );
    }
}
