//! The nearest centroid of every row.

use rayon::prelude::*;

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
