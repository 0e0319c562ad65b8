//! The nearest centroid of every row: exactly, or many times over among the same ones.

use rayon::prelude::*;

use crate::embed::kernel::PackedColumns;
use crate::progress::{Progress, Silent};
use crate::vectors::{QuantizedRows, Rows, dot, packed, search, tile};

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
    assign_with(rows.into(), centroids, &Silent)
}

/// [`assign`] that tells `progress` of every tile of rows.
pub(crate) fn assign_with(rows: Rows<'_>, centroids: &[f32], progress: &dyn Progress) -> Assignment {
    assert!(rows.is_empty() || !centroids.is_empty(), "rows need a centroid to be assigned to");
    let mut nearest = vec![0_u32; rows.len()];
    let mut similarity = vec![f32::NEG_INFINITY; rows.len()];
    let places = nearest.par_chunks_mut(tile::ROWS).zip(similarity.par_chunks_mut(tile::ROWS));
    tile::for_each(
        rows,
        centroids,
        places,
        |(nearest, similarity), columns| {
            let (nearest, best) = (&mut nearest[columns.row_in_tile], &mut similarity[columns.row_in_tile]);
            for (column, &value) in columns.values.iter().enumerate() {
                if value > *best {
                    (*best, *nearest) = (value, (columns.column + column) as u32);
                }
            }
        },
        |rows| progress.advance(rows, 0),
    );
    Assignment { nearest, similarity }
}

/// Centroids beyond the nearest that are compared in f32. Of 18,184 rows and 1,000 centroids, 53 need one to find the same
/// as f32, and none needs two.
const SPARE: usize = 3;

/// Centroids prepared for many assignments, found in 8 bits and judged in f32, as [`Index`](crate::vectors::Index)
/// finds neighbours.
#[derive(Clone, Debug)]
pub struct Centroids {
    dim: usize,
    vectors: Vec<f32>,
    columns: PackedColumns,
}

impl Centroids {
    /// Packs k vectors of `dim` components, one after the other.
    ///
    /// # Panics
    /// If `vectors.len()` is no multiple of `dim`.
    #[must_use]
    pub fn new(dim: usize, vectors: Vec<f32>) -> Self {
        let columns = packed(&QuantizedRows::from_f32(dim, &vectors));
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

    /// The nearest vector of every row, as [`assign`] finds it. Where 8 bits cannot tell more vectors apart than are
    /// compared in f32, it may be another one, whose similarity differs by less than they resolve.
    ///
    /// # Panics
    /// If there are rows and no vector.
    #[must_use]
    pub fn assign<'a>(&self, rows: impl Into<Rows<'a>>) -> Assignment {
        let rows = rows.into();
        assert!(rows.is_empty() || !self.is_empty(), "rows need a vector to be assigned to");
        let similarity =
            |row: &[f32], column: usize, _: &mut _| dot(row, &self.vectors[column * self.dim..][..self.dim]);
        let (nearest, similarity) =
            search(&self.columns, rows, [1, SPARE], |_, _| false, similarity, &Silent).into_parts();
        Assignment { nearest, similarity }
    }
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

    #[test]
    fn prepared_centroids_find_what_assign_finds() {
        let matrix = crate::cluster::kmeans::tests::bundles(60, 20, 48, 0.8);
        let centroids =
            crate::cluster::kmeans::KMeansParams::new(50).check().unwrap().fit(&matrix, None, &Silent).centroids;
        let (found, exact) = (Centroids::new(48, centroids.clone()).assign(&matrix), assign(&matrix, &centroids));
        assert_eq!(found.nearest, exact.nearest);
        // The same products, added up in another order.
        assert!(found.similarity.iter().zip(&exact.similarity).all(|(found, exact)| (found - exact).abs() < 1e-6));
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
