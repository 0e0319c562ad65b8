//! What is summed up over the rows of a leaf.
//!
//! ```text
//! d = 1 - cos(x, c)      rounded to a multiple of 2^-16, for a text x in the leaf of centroid c
//! ```
//! and its square, its histogram, and the rows and the sum of x themselves, all as integers: they do not depend on the
//! order or grouping of rows, and sums of parts add up to the sums of the whole. A text that n rows have counts n times.
//!
//! Distances are kept apart for the two *halves* of the texts ([`half()`]). The centroids are fitted to half 0 only, and
//! the texts that a centroid was fitted to lie closer to it than others do. So a statistic that must not see its own
//! training rows uses half 1.
//!
//! Cost: n dim multiplications. Memory: dim + 70 integers a leaf.

use rayon::prelude::*;

use crate::cluster::{Assignment, Codebook};
use crate::corpus::ContentHash;
use crate::embed::EmbeddedCorpus;
use crate::progress::Progress;

/// Bins of a histogram of distances.
pub const BINS: usize = 32;

/// Bins per unit of distance: a bin is 1/25 = .04 wide, the first begins at 0, and the last is open.
pub const BINS_PER_UNIT: i64 = 25;

/// Bits after the point of a distance and of a component.
pub(super) const FRACTION_BITS: u32 = 16;
const SCALE: f64 = (1_u32 << FRACTION_BITS) as f64;

/// The largest distance there is, of opposite vectors.
pub(super) const LARGEST: i64 = 2 << FRACTION_BITS;

/// A distance in units of 2^-16, 0 to [`LARGEST`].
pub(super) fn distance_units(distance: f64) -> i64 {
    ((distance * SCALE).round() as i64).clamp(0, LARGEST)
}

/// Units of 2^-16 as a number.
pub(super) fn from_units(units: i64) -> f64 {
    units as f64 / SCALE
}

/// Sums over the rows of a leaf. What has two items has one per [`half()`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeafSums {
    /// Rows.
    pub rows: [u64; 2],
    /// Sum of d, in units of 2^-16.
    pub distance: [i64; 2],
    /// Sum of d^2, in units of 2^-32.
    pub squares: [i64; 2],
    /// Rows by d: bin i holds those from i / 25 to below (i + 1) / 25, the last one also those beyond.
    pub histogram: [[u64; BINS]; 2],
    /// Sum of x over both halves: dim integers, in units of 2^-16.
    pub sum: Vec<i64>,
}

/// The half that a codebook is not fitted to.
pub const HELD_OUT: usize = 1;

/// The half of a text, 0 or 1: the lowest bit of the eighth byte of its content hash, which is the last one that a
/// [`Sample`](super::Sample) keeps.
#[must_use]
pub fn half(hash: ContentHash) -> usize {
    usize::from(hash.0[7] & 1)
}

impl LeafSums {
    /// Sums over no rows.
    #[must_use]
    pub fn new(dim: usize) -> Self {
        Self { rows: [0; 2], distance: [0; 2], squares: [0; 2], histogram: [[0; BINS]; 2], sum: vec![0; dim] }
    }

    /// Rows of both halves.
    #[must_use]
    pub fn all_rows(&self) -> u64 {
        self.rows[0] + self.rows[1]
    }

    /// Mean distance to the centroid, 0 to 2, of the rows of both halves; `None` where there are none.
    #[must_use]
    pub fn mean_distance(&self) -> Option<f64> {
        let distance = from_units(self.distance[0] + self.distance[1]);
        (self.all_rows() > 0).then(|| distance / self.all_rows() as f64)
    }

    /// Sum of x over both halves: dim numbers.
    pub(super) fn vector_sum(&self) -> impl Iterator<Item = f64> {
        self.sum.iter().map(|&x| from_units(x))
    }

    /// Adds a text that `rows` rows have: its unit vector, at `distance` from the centroid.
    fn add(&mut self, half: usize, rows: u64, distance: f64, x: &[f32]) {
        let d = distance_units(distance);
        let bin = ((d * BINS_PER_UNIT) >> FRACTION_BITS) as usize;
        self.rows[half] += rows;
        self.distance[half] += d * rows as i64;
        self.squares[half] += d * d * rows as i64;
        self.histogram[half][bin.min(BINS - 1)] += rows;
        for (sum, &x) in self.sum.iter_mut().zip(x) {
            *sum += (f64::from(x) * SCALE).round() as i64 * rows as i64;
        }
    }

    /// Adds the sums over other rows.
    pub(super) fn merge(&mut self, other: &Self) {
        for half in 0..2 {
            self.rows[half] += other.rows[half];
            self.distance[half] += other.distance[half];
            self.squares[half] += other.squares[half];
            for (bin, other) in self.histogram[half].iter_mut().zip(other.histogram[half]) {
                *bin += other;
            }
        }
        for (sum, other) in self.sum.iter_mut().zip(&other.sum) {
            *sum += other;
        }
    }
}

/// The sums of every leaf; `rows` holds the rows of every text. Tells `progress` of every text.
pub(super) fn sum_leaves(
    embedded: &EmbeddedCorpus,
    codebook: &Codebook,
    assignment: &Assignment,
    rows: &[u64],
    progress: &dyn Progress,
) -> Vec<LeafSums> {
    let members = assignment.members(codebook.n_leaves());
    let sums = members.par_iter().enumerate().map(|(leaf, members)| {
        let centroid: Vec<f64> = codebook.leaf(leaf as u32).iter().map(|&c| f64::from(c)).collect();
        let length = centroid.iter().map(|c| c * c).sum::<f64>().sqrt();
        let mut sums = LeafSums::new(codebook.dim);
        let mut x = vec![0.0; codebook.dim];
        for &text in members {
            let text = text as usize;
            embedded.vectors.read_row(text, &mut x);
            let dot: f64 = x.iter().zip(&centroid).map(|(&x, c)| f64::from(x) * c).sum();
            sums.add(half(embedded.hashes[text]), rows[text], 1.0 - dot / length, &x);
        }
        progress.advance(members.len() as u64, 0);
        sums
    });
    sums.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_hand() {
        let mut sums = LeafSums::new(2);
        sums.add(1, 3, 0.25, &[0.6, -0.8]);
        sums.add(1, 1, 0.04, &[1.0, 0.0]);
        sums.add(0, 2, 2.0, &[0.0, 1.0]);
        sums.add(0, 1, -1e-9, &[0.0, 1.0]);
        assert_eq!(sums.rows, [3, 4]);
        // .04 is 2,621.44 units, and lies in the first bin once it is rounded down.
        assert_eq!(sums.distance, [2 * 131_072, 3 * 16_384 + 2_621]);
        assert_eq!(sums.squares, [2 * (1 << 34), 3 * (1 << 28) + 2_621 * 2_621]);
        let bins = |half: usize| (0..BINS).filter(|&bin| sums.histogram[half][bin] > 0).collect::<Vec<_>>();
        assert_eq!((bins(0), bins(1)), (vec![0, 31], vec![0, 6]));
        assert_eq!(sums.sum, [3 * 39_322 + 65_536, 3 * 65_536 - 3 * 52_429]);
        assert_eq!(LeafSums::new(3).mean_distance(), None);

        let mut twice = sums.clone();
        twice.merge(&sums);
        assert_eq!((twice.rows, twice.squares[0], twice.sum[0]), ([6, 8], 2 * sums.squares[0], 2 * sums.sum[0]));
        assert_eq!(twice.mean_distance(), sums.mean_distance());
    }
}
