//! Prototypes: centroids finer than the leaves, and how far held-out rows lie from them.
//!
//! With them a profile without a sample can tell how unusual a row is: they hold what
//! [`CentroidScore`](crate::ood::CentroidScore) knows of its reference. They are fitted once, beside the codebook and to
//! the same texts, with the defaults of [`CentroidParams`]: one for 15 texts of half 0, at most 4,096. As the codebook
//! they are frozen: a profile observed under another one's codebook has that one's prototypes, and sums of its own.
//!
//! The sums go over the rows of half 1, which the prototypes have not seen. Where the codebook was fitted to a corpus too
//! small to be halved, they go over all rows; that is a property of the prototypes, not of the rows observed, so that
//! the sums of parts add up to those of the whole.
//!
//! Distances are summed in units of 2^-16, as in [`LeafSums`](super::LeafSums), and counted in bins for the p-values:
//! ```text
//! bin(d) = floor(128 sqrt d)      0 to 127; the last one is open
//! ```
//! so that bins are narrow where distances are small, as they are under encoders whose vectors all lie close together.
//! [`DISTANCE_BINS`] says what the rounding does to p-values.
//!
//! Cost: the fit of k-means, then n / 2 rows x K x dim multiplications. Memory: K (dim + 131) numbers.

use half::f16;
use rayon::prelude::*;

use super::half;
use super::sums::{HELD_OUT, distance_units, from_units};
use crate::Result;
use crate::cluster::assign;
use crate::embed::EmbeddedCorpus;
use crate::ood::CentroidParams;
use crate::progress::{Progress, Stage};
use crate::vectors::{Rows, normalize};

/// Bins of a prototype's histogram of distances.
///
/// On references of 300, 600, 1,500 and 3,000 queries of CLINC150 (41 draws), the share of other queries flagged at .05
/// differs by at most .008 from that by exact distances, at .01 by at most .003, and in the mean by less than .001. With
/// all distances at 15 % of their size, as encoders have that use a corner of the sphere, it differs by .018 and .006 at
/// most, and by up to .003 and .001 in the mean.
pub const DISTANCE_BINS: usize = 128;

/// Frozen centroids, and sums over the rows nearest to each.
#[derive(Clone, Debug, PartialEq)]
pub struct Prototypes {
    /// Components of a centroid.
    pub dim: usize,
    /// K x dim components of unit vectors, every one a half-precision number.
    pub centroids: Vec<f32>,
    /// Whether the centroids were fitted to half 0 only. The sums are then those of half 1, else those of all rows.
    pub halved: bool,
    /// Sums over the rows nearest to each centroid.
    pub sums: Vec<DistanceSums>,
}

/// Sums over the rows nearest to a prototype. A text that n rows have counts n times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DistanceSums {
    /// Rows.
    pub rows: u64,
    /// Sum of d, in units of 2^-16.
    pub distance: i64,
    /// Sum of d^2, in units of 2^-32.
    pub squares: i64,
    /// Rows by d: bin i holds those with `sqrt d` from i / 128 to below (i + 1) / 128, the last one also those beyond.
    pub histogram: [u64; DISTANCE_BINS],
}

impl Default for DistanceSums {
    fn default() -> Self {
        Self { rows: 0, distance: 0, squares: 0, histogram: [0; DISTANCE_BINS] }
    }
}

impl DistanceSums {
    /// Adds a text that `rows` rows have.
    fn add(&mut self, distance: f64, rows: u64) {
        let d = distance_units(distance);
        self.rows += rows;
        self.distance += d * rows as i64;
        self.squares += d * d * rows as i64;
        self.histogram[bin(d)] += rows;
    }

    fn merge(&mut self, other: &Self) {
        self.rows += other.rows;
        self.distance += other.distance;
        self.squares += other.squares;
        for (bin, other) in self.histogram.iter_mut().zip(other.histogram) {
            *bin += other;
        }
    }

    /// Sum of d, 0 to 2 per row, and of its square.
    pub(super) fn distances(&self) -> (f64, f64) {
        (from_units(self.distance), from_units(self.squares) * from_units(1))
    }

    /// The bins that hold rows: the distance in the middle of each, in terms of `sqrt d`, and its rows.
    pub(super) fn bins(&self) -> impl Iterator<Item = (f64, u64)> {
        let bins = self.histogram.iter().enumerate().filter(|(_, rows)| **rows > 0);
        bins.map(|(bin, &rows)| (((bin as f64 + 0.5) / DISTANCE_BINS as f64).powi(2), rows))
    }
}

/// The bin of a distance in units of 2^-16: 128 sqrt(d / 2^16) = sqrt(d / 2^2).
fn bin(d: i64) -> usize {
    ((d >> 2).isqrt() as usize).min(DISTANCE_BINS - 1)
}

impl Prototypes {
    /// Fits centroids to texts: those of half 0 where `halved`. The sums are those of no rows.
    pub(super) fn fit(training: Rows<'_>, halved: bool, seed: u64, progress: &dyn Progress) -> Result<Self> {
        let params = CentroidParams { seed, ..CentroidParams::default() };
        let k_means = params.k_means(training.len()).check()?;
        progress.start(Stage::Cluster, Some(k_means.row_visits(training.len())));
        let mut centroids = k_means.fit(training, None, progress).centroids;
        progress.finish();
        for x in &mut centroids {
            *x = f16::from_f32(*x).to_f32();
        }
        let sums = vec![DistanceSums::default(); centroids.len() / training.dim()];
        Ok(Self { dim: training.dim(), centroids, halved, sums })
    }

    /// Number of prototypes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.sums.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sums.is_empty()
    }

    /// The same prototypes with the sums of an embedded corpus; `rows` holds the rows of every text. Tells `progress` of
    /// every text.
    pub(super) fn observing(&self, embedded: &EmbeddedCorpus, rows: &[u64], progress: &dyn Progress) -> Self {
        let texts = embedded.hashes.iter().zip(0_u32..);
        let counted: Vec<u32> =
            texts.filter(|(hash, _)| !self.halved || half(**hash) == HELD_OUT).map(|(_, text)| text).collect();
        let centroids = self.unit_centroids();
        let members = assign(Rows::of(&embedded.vectors, &counted), &centroids).members(self.len());
        let sums = members.par_iter().zip(centroids.par_chunks_exact(self.dim)).map(|(members, centroid)| {
            let mut sums = DistanceSums::default();
            let mut x = vec![0.0; self.dim];
            for &member in members {
                let text = counted[member as usize] as usize;
                embedded.vectors.read_row(text, &mut x);
                // In f64 and in order: the same sums on every machine.
                let dot: f64 = x.iter().zip(centroid).map(|(&x, &c)| f64::from(x) * f64::from(c)).sum();
                sums.add(1.0 - dot, rows[text]);
            }
            sums
        });
        let sums = sums.collect();
        progress.advance(embedded.hashes.len() as u64, 0);
        Self { sums, ..self.clone() }
    }

    /// The centroids at their exact length: rounding to half precision moves it by up to 2^-11.
    pub(super) fn unit_centroids(&self) -> Vec<f32> {
        let mut centroids = self.centroids.clone();
        centroids.chunks_exact_mut(self.dim).for_each(normalize);
        centroids
    }

    /// The sums over the rows of both. Both have the same centroids.
    pub(super) fn merged(mut self, other: &Self) -> Self {
        for (sums, other) in self.sums.iter_mut().zip(&other.sums) {
            sums.merge(other);
        }
        self
    }

    /// 16 hexadecimal digits over the centroids and what they were fitted to.
    pub(super) fn fingerprint(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&[u8::from(self.halved)]);
        for x in &self.centroids {
            hasher.update(&x.to_le_bytes());
        }
        hasher.finalize().to_hex()[..16].to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::fixture::{fitted, lines, observed, read, sampling};
    use crate::profile::sums::LARGEST;

    #[test]
    fn bins_by_hand() {
        // sqrt d = 1/128 at 4 units, 2/128 at 16, 1/2 at 2^14, 1 at 2^16.
        assert_eq!(
            [0, 3, 4, 15, 16, 1 << 14, (1 << 16) - 1, 1 << 16, LARGEST].map(bin),
            [0, 0, 1, 1, 2, 64, 127, 127, 127]
        );
        let mut sums = DistanceSums::default();
        sums.add(0.25, 3);
        sums.add(2.0, 1);
        sums.add(-1e-9, 2);
        assert_eq!((sums.rows, sums.distance, sums.squares), (6, 3 * 16_384 + 131_072, 3 * (1 << 28) + (1 << 34)));
        assert_eq!(sums.distances(), (2.75, 4.1875));
        let bins: Vec<(f64, u64)> = sums.bins().collect();
        assert_eq!(bins, [(0.25 / 16_384.0, 2), (64.5 * 64.5 / 16_384.0, 3), (127.5 * 127.5 / 16_384.0, 1)]);
        let mut twice = sums.clone();
        twice.merge(&sums);
        assert_eq!((twice.rows, twice.distances(), twice.histogram[64]), (12, (5.5, 8.375), 6));
    }

    /// Every bin's middle lies in the bin.
    #[test]
    fn middles_are_within() {
        let mut sums = DistanceSums::default();
        for d in 0..=LARGEST {
            sums.histogram[bin(d)] += 1;
        }
        let middles: Vec<f64> = sums.bins().map(|(middle, _)| middle).collect();
        assert_eq!(middles.len(), DISTANCE_BINS);
        for (place, middle) in middles.into_iter().enumerate() {
            assert_eq!(bin((middle * 65_536.0).floor() as i64), place);
        }
    }

    #[test]
    fn sums_are_those_of_half_1() {
        let lines = lines(400, 2);
        let profile = fitted(&lines, 12, &sampling(9));
        let prototypes = profile.prototypes.as_ref().unwrap();
        let corpus = read(&lines).embedded;
        let of_half_0 = corpus.hashes.iter().filter(|hash| half(**hash) == 0).count();
        assert!(prototypes.halved);
        assert_eq!((prototypes.len(), prototypes.dim), (of_half_0 / 15, 6));
        let rows: u64 = profile.observed.leaves.iter().map(|leaf| leaf.rows[HELD_OUT]).sum();
        assert_eq!(prototypes.sums.iter().map(|sums| sums.rows).sum::<u64>(), rows);

        // A naive sum over the rows, each by the nearest of all centroids.
        let mut naive = vec![(0, 0.0, 0.0); prototypes.len()];
        for row in 0..corpus.records.len() {
            let Some(text) = corpus.records.text(row).map(|text| text as usize) else { continue };
            if half(corpus.hashes[text]) != HELD_OUT {
                continue;
            }
            let mut x = vec![0.0; 6];
            corpus.vectors.read_row(text, &mut x);
            let distance = |c: &[f32]| {
                let dot: f64 = x.iter().zip(c).map(|(&x, &c)| f64::from(x) * f64::from(c)).sum();
                1.0 - dot / c.iter().map(|&c| f64::from(c) * f64::from(c)).sum::<f64>().sqrt()
            };
            let distances = prototypes.centroids.chunks(6).map(distance);
            let (nearest, d) = distances.enumerate().min_by(|a, b| a.1.total_cmp(&b.1)).unwrap();
            naive[nearest] = (naive[nearest].0 + 1, naive[nearest].1 + d, naive[nearest].2 + d * d);
        }
        for (sums, (rows, distance, squares)) in prototypes.sums.iter().zip(naive) {
            assert_eq!((sums.rows, sums.histogram.iter().sum::<u64>()), (rows, rows));
            // Each row's distance is rounded by up to 2^-17, its square by up to four times that.
            let (found, found_squares) = sums.distances();
            assert!((found - distance).abs() <= 1e-5 * rows as f64 + 1e-9, "{found} {distance}");
            assert!((found_squares - squares).abs() <= 4e-5 * rows as f64 + 1e-9, "{found_squares} {squares}");
        }
    }

    #[test]
    fn frozen_when_observing() {
        let profile = fitted(&lines(400, 2), 12, &sampling(9));
        let other = observed(&profile, &lines(100, 3), &sampling(9)).unwrap();
        let (ours, theirs) = (profile.prototypes.unwrap(), other.prototypes.unwrap());
        assert_eq!((&ours.centroids, ours.halved), (&theirs.centroids, theirs.halved));
        assert_ne!(ours.sums, theirs.sums);
    }

    /// Of a corpus too small to be halved all rows are summed up, and so of what is observed under it, however large.
    #[test]
    fn too_small_to_halve() {
        let small = fitted(&lines(30, 2), 3, &sampling(9));
        let prototypes = small.prototypes.as_ref().unwrap();
        let rows = |prototypes: &Prototypes| prototypes.sums.iter().map(|sums| sums.rows).sum::<u64>();
        assert!(!prototypes.halved && prototypes.len() == 1);
        assert_eq!(rows(prototypes), small.rows_with_text());
        let large = observed(&small, &lines(200, 3), &sampling(9)).unwrap();
        assert_eq!(rows(large.prototypes.as_ref().unwrap()), large.rows_with_text());
    }
}
