//! Exact k nearest neighbours by cosine.
//!
//! Approximate products say which rows may be among the k nearest of a query (in 8 bits where these are
//! faster than f32, with a bound of their error); these are compared by their product in f32. So neighbours and similarities
//! have the same bits on every machine, at any number of threads and in blocks of any size.
//!
//! Cost: queries x reference x dim multiplications of 8 bits, and of f32 for each query as many as lie within two bounds of
//! its k-th neighbour, some .02 of a cosine. Where probes find too many that near, as among texts made from one template, all
//! products are made in f32. Memory: queries x k results, and dim bytes (in f32 4 dim) for each row of an [`Index`], or of a block.

use half::f16;
use half::slice::HalfFloatSliceExt;
use rayon::prelude::*;

use super::{Rows, tile};
use crate::embed::kernel::{RoughColumns, RoughRows, dot_halves};
use crate::progress::{Progress, Silent};

/// Reference rows that are prepared at a time.
const BLOCK: usize = 16_384;

/// Rows that are searched to see how close they lie, for as many neighbours each.
const PROBED: usize = 16;

/// One in so many rows may be a candidate: comparing it takes so many times as long as a plain product.
const MOST_CANDIDATES: usize = 32;

/// The place of a neighbour that there is not.
const NONE: u32 = u32::MAX;

/// The nearest reference rows of every query, nearest first; of equally near ones the lower index first.
#[derive(Clone, Debug, PartialEq)]
pub struct Neighbours {
    queries: usize,
    k: usize,
    index: Vec<u32>,
    similarity: Vec<f32>,
}

impl Neighbours {
    fn none(queries: usize, k: usize) -> Self {
        Self { queries, k, index: vec![NONE; queries * k], similarity: vec![f32::NEG_INFINITY; queries * k] }
    }

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

/// The `k` nearest reference rows of every query, or all where there are fewer; prepares the reference block by block.
#[must_use]
pub fn nearest(queries: Rows<'_>, reference: Rows<'_>, k: usize, progress: &dyn Progress) -> Neighbours {
    in_blocks(queries, reference, k, BLOCK, |_, _| false, progress)
}

/// As [`nearest`], but no row is its own neighbour where queries and reference are rows of one matrix.
#[must_use]
pub fn nearest_others(queries: Rows<'_>, reference: Rows<'_>, k: usize, progress: &dyn Progress) -> Neighbours {
    in_blocks(queries, reference, k, BLOCK, is_own(queries, reference), progress)
}

/// Whether a query and a reference row, by their positions, are one row of a matrix.
fn is_own<'a>(queries: Rows<'a>, reference: Rows<'a>) -> impl Fn(usize, usize) -> bool + Sync + 'a {
    let same = queries.same_matrix(&reference);
    move |query, row| same && reference.index(row) == queries.index(query)
}

fn in_blocks(
    queries: Rows<'_>,
    reference: Rows<'_>,
    k: usize,
    block: usize,
    left_out: impl Fn(usize, usize) -> bool + Sync,
    progress: &dyn Progress,
) -> Neighbours {
    let mut found = Neighbours::none(queries.len(), k.min(reference.len()));
    for first in (0..reference.len().max(1)).step_by(block) {
        let rows = reference.skip(first).prefix(block);
        let is_last = first + rows.len() == reference.len();
        Index::new(rows).search(queries, first, &mut found, &left_out, if is_last { progress } else { &Silent });
    }
    found
}

/// A reference prepared for many searches.
#[derive(Clone, Debug)]
pub struct Index<'a> {
    reference: Rows<'a>,
    columns: RoughColumns,
    /// One over the length of each row as it is stored, which rounding to half precision changed; 0 for a zero row.
    scales: Vec<f32>,
}

impl<'a> Index<'a> {
    /// Prepares a reference.
    #[must_use]
    pub fn new(reference: Rows<'a>) -> Self {
        let read = |rows, to: &mut Vec<f32>| reference.gather(rows, to);
        let columns = RoughColumns::read(reference.dim(), reference.len(), read);
        let scale = |widened: &mut Vec<f32>, row| scale(reference.row(row), widened);
        let scales = (0..reference.len()).into_par_iter().map_init(Vec::new, scale).collect();
        let mut index = Self { reference, columns, scales };
        if index.is_dense() {
            index.columns = RoughColumns::read_f32(reference.dim(), reference.len(), read);
        }
        index
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
        self.nearest_but(queries, k, is_own(queries, self.reference), progress)
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
        let mut found = Neighbours::none(queries.len(), k.min(self.len()));
        self.search(queries, 0, &mut found, left_out, progress);
        found
    }

    /// Adds to `found` the rows of this index, whose first one has position `first`, that are nearer.
    fn search(
        &self,
        queries: Rows<'_>,
        first: usize,
        found: &mut Neighbours,
        left_out: impl Fn(usize, usize) -> bool + Sync,
        progress: &dyn Progress,
    ) {
        let (k, dim) = (found.k, queries.dim());
        if k == 0 {
            progress.advance(queries.len() as u64, 0);
            return;
        }
        let tiles = found.index.par_chunks_mut(tile::ROWS * k).zip(found.similarity.par_chunks_mut(tile::ROWS * k));
        tiles.enumerate().for_each_init(Buffers::default, |buffers, (tile, (index, similarity))| {
            let (start, n) = (tile * tile::ROWS, index.len() / k);
            queries.gather(start..start + n, &mut buffers.unit);
            buffers.bounds.clear();
            buffers.bounds.extend_from_slice(similarity);
            self.find_candidates(k, |query, column| left_out(start + query, first + column), buffers);
            let places = index.chunks_exact_mut(k).zip(similarity.chunks_exact_mut(k));
            for (query, (unit, (index, similarity))) in buffers.unit.chunks_exact(dim).zip(places).enumerate() {
                let least = buffers.bounds[query * k + k - 1];
                for &(column, most) in &buffers.candidates[query] {
                    if most < least.max(similarity[k - 1]) {
                        continue;
                    }
                    let value = dot_halves(unit, self.reference.row(column as usize)) * self.scales[column as usize];
                    if value > similarity[k - 1] {
                        let place = insert(similarity, value);
                        index[place..].rotate_right(1);
                        index[place] = first as u32 + column;
                    }
                }
            }
            progress.advance(n as u64, 0);
        });
    }

    /// Finds what may be among the `k` nearest of each query of a tile, and raises the bounds, k for each.
    fn find_candidates(&self, k: usize, left_out: impl Fn(usize, usize) -> bool, buffers: &mut Buffers) {
        let Buffers { unit, rough, bounds, candidates } = buffers;
        let least: Vec<f32> = bounds.chunks_exact(k).map(|bounds| bounds[k - 1]).collect();
        candidates.resize(tile::ROWS, Vec::new());
        candidates.iter_mut().for_each(Vec::clear);
        self.columns.scan(unit, &least, rough, |query, column, product, error| {
            let bounds = &mut bounds[query * k..][..k];
            if !left_out(query, column) {
                candidates[query].push((column as u32, product + error));
                if product - error > bounds[k - 1] {
                    insert(bounds, product - error);
                }
            }
            bounds[k - 1]
        });
    }

    /// Whether rows lie so close together that products of 8 bits leave too many candidates.
    fn is_dense(&self) -> bool {
        let (n, k) = (self.len(), PROBED.min(self.len()));
        if k == 0 || !self.columns.are_rounded() {
            return false;
        }
        let mut buffers = Buffers::default();
        for probe in 0..k {
            let start = buffers.unit.len();
            buffers.unit.resize(start + self.reference.dim(), 0.0);
            self.reference.read_row(probe * n / k, &mut buffers.unit[start..]);
        }
        buffers.bounds.resize(k * k, f32::NEG_INFINITY);
        self.find_candidates(k, |_, _| false, &mut buffers);
        let candidates = buffers.candidates.iter().zip(buffers.bounds.chunks_exact(k));
        let near = candidates.map(|(found, bounds)| found.iter().filter(|(_, most)| *most >= bounds[k - 1]).count());
        near.sum::<usize>() * MOST_CANDIDATES > k * n
    }
}

/// What a thread works in.
#[derive(Default)]
struct Buffers {
    /// The queries of a tile.
    unit: Vec<f32>,
    rough: RoughRows,
    /// Of every query what the similarities to the k nearest are at least.
    bounds: Vec<f32>,
    /// Of every query the rows that may be near, and what their similarity is at most.
    candidates: Vec<Vec<(u32, f32)>>,
}

/// What makes a stored row a unit vector. `widened` is a buffer.
fn scale(stored: &[f16], widened: &mut Vec<f32>) -> f32 {
    widened.resize(stored.len(), 0.0);
    stored.convert_to_f32_slice(widened);
    let square: f64 = widened.iter().map(|x| f64::from(*x).powi(2)).sum();
    if square > 0.0 { (1.0 / square.sqrt()) as f32 } else { 0.0 }
}

/// Puts a number behind all that are at least as large, and says where; the last one falls out.
fn insert(descending: &mut [f32], value: f32) -> usize {
    let place = descending.partition_point(|&kept| kept >= value);
    descending[place..].rotate_right(1);
    descending[place] = value;
    place
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::cluster::kmeans::tests::bundles;
    use crate::cluster::random::SplitMix64;
    use crate::vectors::EmbeddingMatrix;

    /// All similarities, sorted; of equal ones the first first.
    fn naive(queries: Rows<'_>, reference: Rows<'_>, k: usize, others: bool) -> Vec<(Vec<u32>, Vec<f32>)> {
        let mut x = vec![0.0; queries.dim()];
        let neighbours = |query: usize| {
            queries.read_row(query, &mut x);
            let mut all: Vec<(u32, f32)> = (0..reference.len())
                .filter(|&j| !others || reference.index(j) != queries.index(query))
                .map(|j| (j as u32, dot_halves(&x, reference.row(j)) * scale(reference.row(j), &mut Vec::new())))
                .collect();
            all.sort_by(|a, b| b.1.total_cmp(&a.1));
            all.truncate(k);
            all.into_iter().unzip()
        };
        (0..queries.len()).map(neighbours).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(60))]
        /// Bit by bit, whatever the blocks; rows lie around one direction, some of them equal, some zero.
        #[test]
        fn agrees_with_sorting_everything(
            dim in 1usize..40, n in 0usize..300, k in 0usize..12, fold in 0usize..2, block in 1usize..400,
            spread in 0.001_f64..2.0, seed: u64, others: bool,
        ) {
            let mut random = SplitMix64::new(seed);
            let mut row = |i: usize| -> Vec<f32> {
                let spread = if i % 7 == 3 { 0.0 } else { spread };
                (0..dim).map(|j| (spread * (f64::from(u8::from(j == 0)) + random.next_f64() - 0.5)) as f32).collect()
            };
            let mut data: Vec<Vec<f32>> = (0..n).map(&mut row).collect();
            (0..n).step_by(5).for_each(|i| data[i] = data[i / 2].clone());
            let matrix = EmbeddingMatrix::from_f32(dim, &data.concat());
            let (queries, reference) = (Rows::from(&matrix).fold(fold, 2), Rows::from(&matrix));
            let own = is_own(queries, reference);
            let found = in_blocks(queries, reference, k, block, |query, row| others && own(query, row), &Silent);
            let index = Index::new(reference);
            let at_once = if others { index.nearest_others(queries, k, &Silent) } else { index.nearest(queries, k, &Silent) };
            prop_assert_eq!(&at_once, &found);
            for (query, (index, similarity)) in naive(queries, reference, k, others).into_iter().enumerate() {
                prop_assert_eq!(found.of(query), (index.as_slice(), similarity.as_slice()));
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
        let copies = EmbeddingMatrix::from_f32(2, &[0.6, 0.8].repeat(200));
        assert_eq!(nearest_others((&copies).into(), (&copies).into(), 3, &Silent).of(1).0, [0, 2, 3]);
    }

    #[test]
    fn same_bytes_at_any_number_of_threads_and_size_of_a_batch() {
        let matrix = bundles(10, 40, 16, 0.5);
        let rows = Rows::from(&matrix);
        let found = [1, 2, 5].map(|threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| nearest(rows, rows, 6, &Silent))
        });
        assert!(found[0] == found[1] && found[0] == found[2]);
        let index = Index::new(rows);
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
        assert_eq!(nearest(rows, rows, 2, &Silent).of(0), (&[0, 1][..], &[0.0, 0.0][..]));
        assert_eq!(nearest(rows, rows, 2, &Silent).of(1), (&[1, 0][..], &[1.0, 0.0][..]));
        assert_eq!(nearest(rows, rows.prefix(0), 2, &Silent).of(1).0, [0; 0]);
        assert_eq!(nearest(rows, rows, 0, &Silent).of(1).0, [0; 0]);
        assert!(nearest(rows.prefix(0), rows, 2, &Silent).is_empty());
    }
}
