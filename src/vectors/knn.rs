//! Exact k nearest neighbours by cosine, in blocks.
//!
//! Blocks of the reference are widened to f32 and packed once, and multiplied with tiles of queries; of the products only
//! those above a query's k-th best leave the registers. Cost: queries x reference x dim multiplications. Memory: queries x k results and one block.
//! At the sizes of a reference sample (10,000 rows) this beats an index, and it is exact.

use rayon::prelude::*;

use super::{Rows, tile};
use crate::progress::{Progress, Silent};

/// Reference rows widened to f32 at a time.
const BLOCK: usize = 16_384;

/// The place of a neighbour that there is not.
pub(super) const NONE: u32 = u32::MAX;

/// The nearest reference rows of every query, nearest first; of equally near ones the lower index first.
#[derive(Clone, Debug, PartialEq)]
pub struct Neighbours {
    pub(super) queries: usize,
    pub(super) k: usize,
    pub(super) index: Vec<u32>,
    pub(super) similarity: Vec<f32>,
}

impl Neighbours {
    /// Number of queries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.queries
    }

    /// Whether there was no query.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.queries == 0
    }

    /// Positions in the reference view and cosine similarities of the neighbours of a query.
    #[must_use]
    pub fn of(&self, query: usize) -> (&[u32], &[f32]) {
        let places = query * self.k..(query + 1) * self.k;
        let index = &self.index[places.clone()];
        let found = index.partition_point(|&index| index != NONE);
        (&index[..found], &self.similarity[places][..found])
    }

    /// The first `k` neighbours of every query, or all where there are fewer.
    #[must_use]
    pub(crate) fn first(&self, k: usize) -> Self {
        let kept = k.min(self.k);
        let queries = self.queries;
        let index = (0..queries).flat_map(|query| &self.index[query * self.k..][..kept]).copied().collect();
        let similarity = (0..queries).flat_map(|query| &self.similarity[query * self.k..][..kept]).copied().collect();
        Self { queries, k: kept, index, similarity }
    }
}

/// The `k` nearest reference rows of every query, or all where there are fewer.
#[must_use]
pub fn nearest(queries: Rows<'_>, reference: Rows<'_>, k: usize, progress: &dyn Progress) -> Neighbours {
    search(queries, reference, k, false, progress)
}

/// As [`nearest`], but no row is its own neighbour where queries and reference are rows of one matrix.
#[must_use]
pub fn nearest_others(queries: Rows<'_>, reference: Rows<'_>, k: usize, progress: &dyn Progress) -> Neighbours {
    search(queries, reference, k, queries.same_matrix(&reference), progress)
}

fn search(queries: Rows<'_>, reference: Rows<'_>, k: usize, others: bool, progress: &dyn Progress) -> Neighbours {
    let k = k.min(reference.len());
    let mut index = vec![NONE; queries.len() * k];
    let mut similarity = vec![f32::NEG_INFINITY; queries.len() * k];
    if k == 0 {
        progress.advance(queries.len() as u64, 0);
        return Neighbours { queries: queries.len(), k, index, similarity };
    }
    for start in (0..reference.len()).step_by(BLOCK) {
        let block = reference.skip(start).prefix(BLOCK);
        let tiles = index.par_chunks_mut(tile::ROWS * k).zip(similarity.par_chunks_mut(tile::ROWS * k));
        let last = start + block.len() == reference.len();
        tile::scan(
            queries,
            &tile::columns(block),
            tiles.enumerate(),
            |(_, (_, similarity)), row| similarity[row * k + k - 1],
            |(tile, (index, similarity)), row, column, value| {
                let places = row * k..(row + 1) * k;
                let (index, similarity) = (&mut index[places.clone()], &mut similarity[places]);
                if !(others && block.index(column) == queries.index(*tile * tile::ROWS + row)) {
                    insert(index, similarity, (start + column) as u32, value);
                }
                similarity[k - 1]
            },
            if last { progress } else { &Silent },
        );
    }
    Neighbours { queries: queries.len(), k, index, similarity }
}

/// Puts a candidate behind all that are at least as near; the last one falls out.
pub(super) fn insert(index: &mut [u32], similarity: &mut [f32], candidate: u32, value: f32) {
    let place = similarity.partition_point(|&kept| kept >= value);
    similarity[place..].rotate_right(1);
    index[place..].rotate_right(1);
    (similarity[place], index[place]) = (value, candidate);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::vectors::EmbeddingMatrix;

    /// All similarities, sorted.
    fn naive(queries: Rows<'_>, reference: Rows<'_>, k: usize, others: bool) -> Vec<Vec<(usize, f64)>> {
        let row = |rows: &Rows<'_>, i: usize| {
            let mut row = vec![0.0; rows.dim()];
            rows.read_row(i, &mut row);
            row
        };
        let neighbours = |query: usize| {
            let x = row(&queries, query);
            let mut all: Vec<(usize, f64)> = (0..reference.len())
                .filter(|&j| !others || reference.index(j) != queries.index(query))
                .map(|j| (j, x.iter().zip(row(&reference, j)).map(|(a, b)| f64::from(*a) * f64::from(b)).sum()))
                .collect();
            all.sort_by(|a, b| b.1.total_cmp(&a.1));
            all.truncate(k);
            all
        };
        (0..queries.len()).map(neighbours).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        #[test]
        fn agrees_with_sorting_everything(
            dim in 1usize..20, n in 0usize..300, k in 0usize..8, fold in 0usize..2, seed: u64, others: bool,
        ) {
            let mut random = crate::cluster::random::SplitMix64::new(seed);
            let data: Vec<f32> = (0..n * dim).map(|_| random.next_f64() as f32 - 0.5).collect();
            let matrix = EmbeddingMatrix::from_f32(dim, &data);
            let (queries, reference) = (Rows::from(&matrix).fold(fold, 2), Rows::from(&matrix));
            let found = search(queries, reference, k, others, &Silent);
            for (query, want) in naive(queries, reference, k, others).into_iter().enumerate() {
                let (index, similarity) = found.of(query);
                prop_assert_eq!(index.len(), want.len());
                for (i, (_, cosine)) in want.into_iter().enumerate() {
                    // The i-th best, up to the rounding of dim f32 products and sums.
                    prop_assert!((f64::from(similarity[i]) - cosine).abs() < 1e-6 * dim as f64);
                    prop_assert!(!others || reference.index(index[i] as usize) != queries.index(query));
                }
            }
        }
    }

    #[test]
    fn ties_go_to_the_lower_index() {
        let matrix = EmbeddingMatrix::from_f32(2, &[1.0, 0.0, 0.0, 1.0, 1.0, 0.0, 1.0, 0.0]);
        let rows = Rows::from(&matrix);
        assert_eq!(nearest(rows, rows, 2, &Silent).of(3).0, [0, 2]);
        assert_eq!(nearest_others(rows, rows, 2, &Silent).of(0).0, [2, 3]);
        assert_eq!(nearest_others(rows, rows, 9, &Silent).of(2).0, [0, 3, 1]);
    }

    #[test]
    fn same_bytes_at_any_number_of_threads() {
        let matrix = crate::cluster::kmeans::tests::bundles(10, 40, 16, 0.5);
        let found = [1, 2, 5].map(|threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| nearest_others((&matrix).into(), (&matrix).into(), 6, &Silent))
        });
        assert!(found[0] == found[1] && found[0] == found[2]);
    }
}
