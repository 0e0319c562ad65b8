//! The nearest centroid of every row.
//!
//! Exact, and the same bits on every machine: which arithmetic finds the candidates makes no difference. Ties go to the lowest
//! centroid. Cost: rows x centroids x dim multiplications, in 8 bits where these are faster. Memory: per thread a tile of rows
//! in f32 and its few candidates, and the centroids as they are multiplied; never rows x centroids numbers.

use rayon::prelude::*;

use super::on_device::DeviceRows;
use crate::embed::kernel::{RoughColumns, RoughRows, dot};
use crate::progress::{Progress, Silent};
use crate::vectors::{Rows, tile};

/// Where every row belongs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Assignment {
    /// Index of each row's nearest centroid; the lowest of several equally near.
    pub nearest: Vec<u32>,
    /// Cosine similarity to it, -1 to 1.
    pub similarity: Vec<f32>,
}

impl Assignment {
    /// Number of rows of each of `k` clusters.
    #[must_use]
    pub fn counts(&self, k: usize) -> Vec<u64> {
        let mut counts = vec![0; k];
        for &cluster in &self.nearest {
            counts[cluster as usize] += 1;
        }
        counts
    }

    /// Rows of each of `k` clusters, ascending.
    #[must_use]
    pub fn members(&self, k: usize) -> Vec<Vec<u32>> {
        let mut members: Vec<Vec<u32>> =
            self.counts(k).into_iter().map(|count| Vec::with_capacity(count as usize)).collect();
        for (row, &cluster) in self.nearest.iter().enumerate() {
            members[cluster as usize].push(row as u32);
        }
        members
    }
}

/// Assigns every row to the nearest of k unit centroids (k x dim): n k dim multiplications, never an n x k matrix.
///
/// # Panics
/// If there are rows and no centroid.
#[must_use]
pub fn assign<'a>(rows: impl Into<Rows<'a>>, centroids: &[f32]) -> Assignment {
    let rows = rows.into();
    Search::new(rows, centroids.len() / rows.dim()).assign(centroids, &[], &Silent)
}

/// Rows whose nearest centroids are searched, once or again and again. A GPU on which they are [computed](EmbeddingMatrix::on)
/// makes no difference but to the time; should it fail, the processor goes on alone, with a [warning](Progress::warn).
pub(crate) struct Search<'a> {
    rows: Rows<'a>,
    on_device: Option<DeviceRows<'a>>,
}

impl<'a> Search<'a> {
    /// For searches among `k` centroids.
    pub(crate) fn new(rows: Rows<'a>, k: usize) -> Self {
        Self { rows, on_device: DeviceRows::new(rows, k) }
    }

    /// [`assign`] that tells `progress` of all rows. `guesses` may name a centroid for every row that is likely to be the
    /// nearest: it makes no difference but to the time.
    pub(crate) fn assign(&mut self, centroids: &[f32], guesses: &[u32], progress: &dyn Progress) -> Assignment {
        let columns = RoughColumns::new(self.rows.dim(), centroids);
        if let Some(on_device) = &mut self.on_device {
            match on_device.assign(centroids, &columns) {
                Ok(found) => {
                    progress.advance(self.rows.len() as u64, 0);
                    return found;
                }
                Err(error) => {
                    let error = error.to_string();
                    let reason = error.lines().next().unwrap_or_default();
                    progress.warn(&format!("the processor goes on alone with clustering, as the GPU failed: {reason}"));
                    self.on_device = None;
                }
            }
        }
        nearest(self.rows, centroids, &columns, guesses, progress)
    }
}

/// Centroids prepared for many assignments.
#[derive(Clone, Debug)]
pub struct Centroids {
    dim: usize,
    vectors: Vec<f32>,
    columns: RoughColumns,
}

impl Centroids {
    /// Packs k vectors of `dim` components, one after the other.
    ///
    /// # Panics
    /// If `vectors.len()` is no multiple of `dim`.
    #[must_use]
    pub fn new(dim: usize, vectors: Vec<f32>) -> Self {
        let columns = RoughColumns::new(dim, &vectors);
        Self { dim, vectors, columns }
    }

    /// Number of vectors.
    #[must_use]
    pub fn len(&self) -> usize {
        self.vectors.len() / self.dim
    }

    /// Whether there is no vector.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.vectors.is_empty()
    }

    /// The nearest vector of every row, as [`assign`] finds it.
    ///
    /// # Panics
    /// If there are rows and no vector.
    #[must_use]
    pub fn assign<'a>(&self, rows: impl Into<Rows<'a>>) -> Assignment {
        nearest(rows.into(), &self.vectors, &self.columns, &[], &Silent)
    }
}

/// What a thread works in.
#[derive(Default)]
struct Buffers {
    tile: Vec<f32>,
    rough: RoughRows,
    /// What the similarity to the nearest centroid is at least.
    least: Vec<f32>,
    /// Centroids that may be the nearest, and what their similarity is at most.
    candidates: Vec<Vec<(u32, f32)>>,
}

/// Approximate products say which centroids may be the nearest; these are compared by their [dot] product.
pub(super) fn nearest(
    rows: Rows<'_>,
    centroids: &[f32],
    columns: &RoughColumns,
    guesses: &[u32],
    progress: &dyn Progress,
) -> Assignment {
    assert!(rows.is_empty() || !centroids.is_empty(), "rows need a centroid to be assigned to");
    let dim = rows.dim();
    let mut nearest = vec![0_u32; rows.len()];
    let mut similarity = vec![f32::NEG_INFINITY; rows.len()];
    let exact = |unit: &[f32], centroid: u32| dot(unit, &centroids[centroid as usize * dim..][..dim]);
    let tiles = nearest.par_chunks_mut(tile::ROWS).zip(similarity.par_chunks_mut(tile::ROWS)).enumerate();
    tiles.for_each_init(Buffers::default, |buffers, (index, (nearest, similarity))| {
        let Buffers { tile, rough, least, candidates } = buffers;
        let (first, n) = (index * tile::ROWS, nearest.len());
        rows.gather(first..first + n, tile);
        for (row, &guess) in guesses.iter().skip(first).take(n).enumerate() {
            (nearest[row], similarity[row]) = (guess, exact(&tile[row * dim..][..dim], guess));
        }
        least.clear();
        least.extend_from_slice(similarity);
        candidates.resize(tile::ROWS, Vec::new());
        candidates.iter_mut().for_each(Vec::clear);
        columns.scan(tile, similarity, rough, |row, column, product, error| {
            candidates[row].push((column as u32, product + error));
            least[row] = least[row].max(product - error);
            least[row]
        });
        for (row, unit) in tile.chunks_exact(dim).enumerate() {
            let (nearest, similarity) = (&mut nearest[row], &mut similarity[row]);
            for &(column, most) in &candidates[row] {
                if most >= least[row] && (column != *nearest || *similarity == f32::NEG_INFINITY) {
                    let value = exact(unit, column);
                    if value > *similarity || value == *similarity && column < *nearest {
                        (*nearest, *similarity) = (column, value);
                    }
                }
            }
        }
        progress.advance(n as u64, 0);
    });
    Assignment { nearest, similarity }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vectors::EmbeddingMatrix;

    #[test]
    fn nearest_of_two_axes_and_ties_to_the_lower() {
        let matrix = EmbeddingMatrix::from_f32(2, &[1.0, 0.0, 3.0, 4.0, 1.0, 1.0, -1.0, 0.0]);
        let found = assign(&matrix, &[1.0, 0.0, 0.0, 1.0]);
        assert_eq!(found.nearest, [0, 1, 0, 1]);
        for (got, want) in found.similarity.iter().zip([1.0, 0.8, 0.5_f32.sqrt(), 0.0]) {
            assert!((got - want).abs() < 1e-3, "{got} {want}"); // f16 components: 2^-11 each
        }
        assert_eq!(found.counts(2), [2, 2]);
        assert_eq!(found.members(2), [vec![0, 2], vec![1, 3]]);
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(60))]
        #[test]
        fn agrees_with_a_loop(n in 0usize..300, k in 1usize..120, dim in 1usize..70, spread in 0.001_f64..2.0, seed: u64) {
            let mut random = crate::cluster::random::SplitMix64::new(seed);
            // Rows and centroids around one direction, some of them equal, some zero.
            let mut around = |n: usize| -> Vec<f32> {
                let row = |i: usize| if i % 7 == 3 { 0.0 } else { spread };
                let first = |i: usize| f64::from(u8::from(i.is_multiple_of(dim)));
                (0..n * dim).map(|i| (row(i / dim) * (first(i) + random.next_f64() - 0.5)) as f32).collect()
            };
            let rows = EmbeddingMatrix::from_f32(dim, &around(n));
            let mut centroids = Vec::new();
            EmbeddingMatrix::from_f32(dim, &around(k)).gather((0..k).map(|i| i / 2), &mut centroids);
            let found = assign(&rows, &centroids);
            let mut row = vec![0.0; dim];
            for i in 0..n {
                rows.read_row(i, &mut row);
                let similarities: Vec<f32> = centroids.chunks_exact(dim).map(|centroid| dot(&row, centroid)).collect();
                let largest = similarities.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                let first = similarities.iter().position(|&x| x == largest).unwrap();
                proptest::prop_assert_eq!((found.nearest[i] as usize, found.similarity[i]), (first, largest));
            }
            // A guess makes no difference.
            let guesses: Vec<u32> = (0..n).map(|i| (i * 31 % k) as u32).collect();
            proptest::prop_assert_eq!(Search::new((&rows).into(), k).assign(&centroids, &guesses, &Silent), found);
        }
    }

    #[test]
    fn prepared_centroids_find_what_assign_finds() {
        let matrix = crate::cluster::kmeans::tests::bundles(60, 20, 48, 0.8);
        let centroids =
            crate::cluster::kmeans::KMeansParams::new(50).check().unwrap().fit(&matrix, None, &Silent).centroids;
        let (found, exact) = (Centroids::new(48, centroids.clone()).assign(&matrix), assign(&matrix, &centroids));
        assert_eq!(found, exact);
    }

    #[test]
    fn equally_near_centroids_and_none() {
        let matrix = EmbeddingMatrix::from_f32(2, &[1.0, 0.0, 3.0, 4.0, 0.0, 0.0]);
        let prototypes = Centroids::new(2, [[0.0, 1.0], [1.0, 0.0]].concat().repeat(30));
        assert_eq!(prototypes.assign(&matrix).nearest, [1, 0, 0]);
        let none = Centroids::new(2, Vec::new());
        assert!(none.is_empty() && none.assign(Rows::from(&matrix).prefix(0)) == Assignment::default());
    }

    #[test]
    fn no_rows() {
        assert_eq!(assign(&EmbeddingMatrix::from_f32(3, &[]), &[]), Assignment::default());
    }

    #[test]
    fn more_columns_than_a_block_and_more_rows_than_a_tile() {
        // Points and centroids on a circle: row i lies at centroid 5 i.
        let on_circle = |i: usize, of: usize| {
            let angle = std::f32::consts::TAU * i as f32 / of as f32;
            [angle.cos(), angle.sin()]
        };
        let rows: Vec<f32> = (0..300).flat_map(|i| on_circle(i, 300)).collect();
        let centroids: Vec<f32> = (0..1500).flat_map(|i| on_circle(i, 1500)).collect();
        let found = assign(&EmbeddingMatrix::from_f32(2, &rows), &centroids);
        // f16 turns a point by up to 2^-12, a twentieth of the way to the next centroid.
        assert_eq!(found.nearest, (0..300).map(|i| 5 * i).collect::<Vec<u32>>());
    }
}
