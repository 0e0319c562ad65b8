//! Spherical k-means: centroids on the unit sphere that maximise the cosine of every row to its nearest one
//! (Dhillon & Modha 2001, <https://doi.org/10.1023/A:1007612920971>).
//!
//! Departures:
//! 1. Trained on a sample of at most [`KMeansParams::points_per_cluster`] rows per centroid, as FAISS does, and at
//!    most [`KMeansParams::max_points`] in all; the rows are those of smallest content hash.
//! 2. Seeded by k-means++ (see `seeding.rs`).
//! 3. An empty cluster moves to the row least similar to its centroid among the members of the largest cluster; further
//!    empty ones serve the next largest.
//! 4. Stops when less than [`KMeansParams::tolerance`] of the rows change their centroid.
//!
//! The sum over the rows of a cluster is kept in f64; a row that changes its cluster is taken out of one sum and added to
//! another, in the order of rows, one cluster per task. So the result has the same bytes at any number of threads.
//!
//! Cost: sample x k x dim multiplications per iteration, and as many for seeding. Memory: a few small numbers per
//! sampled row, and 12 bytes per component of the centroids; rows are widened to f32 tile by tile.

use rayon::prelude::*;

use super::assign::{Assignment, Search};
use super::random::SplitMix64;
use super::seeding::k_means_plus_plus;
use crate::embed::kernel::{add_weighted, prefetch};
use crate::progress::Progress;
use crate::vectors::{Rows, normalize};
use crate::{Error, Result};

/// Rows that are fetched ahead of their addition to a sum.
const AHEAD: usize = 4;

/// Settings of k-means, as typed; [`check`](Self::check) makes them usable.
#[derive(Clone, Debug, PartialEq)]
pub struct KMeansParams {
    /// Centroids to fit, at least 1. Fewer come out where there are fewer different rows.
    pub n_clusters: usize,
    /// Iterations at most, at least 1. Default 25.
    pub max_iterations: usize,
    /// Share of rows that change their centroid below which fitting stops, 0 to 1. Default 0.001.
    pub tolerance: f64,
    /// Rows to train on per centroid, at least 1. Default 256.
    pub points_per_cluster: usize,
    /// Rows to train on in all, at least 1. Default 262,144: beyond, 4,096 centroids take minutes on a laptop.
    pub max_points: usize,
    /// Seedings to try; the fit of lowest inertia is kept. At least 1. Default 1.
    pub n_init: usize,
    /// Seed of the draws.
    pub seed: u64,
}

impl KMeansParams {
    /// Defaults for `n_clusters` centroids.
    #[must_use]
    pub fn new(n_clusters: usize) -> Self {
        Self {
            n_clusters,
            max_iterations: 25,
            tolerance: 0.001,
            points_per_cluster: 256,
            max_points: 1 << 18,
            n_init: 1,
            seed: 0,
        }
    }

    /// Checks every setting.
    ///
    /// # Errors
    /// [`Error::Setting`] for the first value out of its range.
    pub fn check(self) -> Result<ValidKMeansParams> {
        let at_least_1 = [
            ("n_clusters", self.n_clusters),
            ("max_iterations", self.max_iterations),
            ("points_per_cluster", self.points_per_cluster),
            ("max_points", self.max_points),
            ("n_init", self.n_init),
        ];
        for (setting, value) in at_least_1 {
            if value == 0 {
                return Err(Error::Setting { setting, expected: "at least 1".to_owned(), got: "0".to_owned() });
            }
        }
        if !(0.0..=1.0).contains(&self.tolerance) {
            let got = self.tolerance.to_string();
            return Err(Error::Setting { setting: "tolerance", expected: "a share from 0 to 1".to_owned(), got });
        }
        Ok(ValidKMeansParams(self))
    }
}

/// Settings that passed [`KMeansParams::check`].
#[derive(Clone, Debug)]
pub struct ValidKMeansParams(KMeansParams);

/// A fit.
#[derive(Clone, Debug, PartialEq)]
pub struct KMeans {
    /// k x dim unit vectors; k is lower than asked for where there are fewer different rows.
    pub centroids: Vec<f32>,
    /// Sum of 1 - cos of the training rows to their nearest centroid, each times its weight.
    pub inertia: f64,
    /// Assignment passes made, all seedings together.
    pub iterations: usize,
}

impl ValidKMeansParams {
    /// Rows that a fit on `n` rows trains on.
    #[must_use]
    pub fn sample(&self, n: usize) -> usize {
        let per_cluster = self.0.n_clusters.saturating_mul(self.0.points_per_cluster);
        n.min(per_cluster).min(self.0.max_points.max(self.0.n_clusters))
    }

    /// Most rows that a fit on `n` rows visits, for a progress bar: a fit tells its [`Progress`] of exactly so many.
    #[must_use]
    pub fn row_visits(&self, n: usize) -> u64 {
        self.sample(n) as u64 * self.0.max_iterations as u64 * self.0.n_init as u64
    }

    /// Fits centroids to rows; `weights` holds one weight per row, all 1 where it is `None`.
    ///
    /// # Panics
    /// If `weights` has another length than `rows`.
    #[must_use]
    pub fn fit<'a>(&self, rows: impl Into<Rows<'a>>, weights: Option<&[f64]>, progress: &dyn Progress) -> KMeans {
        let rows = rows.into();
        assert!(weights.is_none_or(|weights| weights.len() == rows.len()), "one weight per row");
        let sample = rows.prefix(self.sample(rows.len()));
        let mut random = SplitMix64::new(self.0.seed);
        let mut best: Option<KMeans> = None;
        let mut iterations = 0;
        for _ in 0..self.0.n_init {
            let seeds = k_means_plus_plus(sample, weights, self.0.n_clusters, &mut random);
            let fit = self.iterate(sample, weights, seeds, progress);
            iterations += fit.iterations;
            if best.as_ref().is_none_or(|best| fit.inertia < best.inertia) {
                best = Some(fit);
            }
        }
        let best = best.expect("n_init is at least 1");
        KMeans { iterations, ..best }
    }

    /// As [`fit`](Self::fit), but once, from given centroids (k x dim unit vectors, no matter what `n_clusters` says).
    ///
    /// # Panics
    /// If `weights` has another length than `rows`, or there are rows and no centroid.
    #[must_use]
    pub fn fit_from<'a>(
        &self,
        rows: impl Into<Rows<'a>>,
        weights: Option<&[f64]>,
        centroids: Vec<f32>,
        progress: &dyn Progress,
    ) -> KMeans {
        let rows = rows.into();
        assert!(weights.is_none_or(|weights| weights.len() == rows.len()), "one weight per row");
        self.iterate(rows.prefix(self.sample(rows.len())), weights, centroids, progress)
    }

    /// Lloyd's iterations.
    fn iterate(
        &self,
        rows: Rows<'_>,
        weights: Option<&[f64]>,
        mut centroids: Vec<f32>,
        progress: &dyn Progress,
    ) -> KMeans {
        let mut sums = Sums::new(&centroids);
        let mut search = Search::new(rows, centroids.len() / rows.dim());
        let mut iterations = 0;
        loop {
            let assignment = search.assign(&centroids, &sums.of_row, progress);
            iterations += 1;
            let changed = sums.changes(&assignment.nearest);
            if iterations == self.0.max_iterations || changed as f64 <= self.0.tolerance * rows.len() as f64 {
                progress.advance((rows.len() * (self.0.max_iterations - iterations)) as u64, 0);
                let inertia = inertia(&assignment.similarity, weights);
                return KMeans { centroids, inertia, iterations };
            }
            sums.update(rows, weights, &assignment, &mut centroids);
        }
    }
}

fn inertia(similarity: &[f32], weights: Option<&[f64]>) -> f64 {
    let weight = |row: usize| weights.map_or(1.0, |weights| weights[row]);
    similarity.iter().enumerate().map(|(row, &similarity)| weight(row) * (1.0 - f64::from(similarity))).sum()
}

/// The weighted sum of every cluster's rows, kept up to date by what changes its cluster.
struct Sums {
    /// The cluster of every row; none before the first update.
    of_row: Vec<u32>,
    /// k x dim.
    sums: Vec<f64>,
}

impl Sums {
    fn new(centroids: &[f32]) -> Self {
        Self { of_row: Vec::new(), sums: vec![0.0; centroids.len()] }
    }

    /// Rows that another cluster is nearest to than before; all of them before the first update.
    fn changes(&self, nearest: &[u32]) -> usize {
        if self.of_row.is_empty() {
            return nearest.len();
        }
        self.of_row.iter().zip(nearest).filter(|(a, b)| a != b).count()
    }

    /// Moves every centroid to the mean direction of its members, and the centroids without members into large clusters.
    fn update(&mut self, rows: Rows<'_>, weights: Option<&[f64]>, assignment: &Assignment, centroids: &mut [f32]) {
        let dim = rows.dim();
        let members = assignment.members(centroids.len() / dim);
        let moves = self.moves(&assignment.nearest, members.len());
        self.of_row.clone_from(&assignment.nearest);
        let sums = self.sums.par_chunks_exact_mut(dim).zip(centroids.par_chunks_exact_mut(dim));
        sums.zip(members.par_iter().zip(&moves)).for_each_init(
            || vec![0.0; dim],
            |row, ((sum, centroid), (members, moves))| {
                for (i, &(moved, sign)) in moves.iter().enumerate() {
                    // Rows lie apart, and memory answers late.
                    if let Some(&(ahead, _)) = moves.get(i + AHEAD) {
                        prefetch(rows.row(ahead as usize));
                    }
                    rows.read_row(moved as usize, row);
                    add_weighted(sum, sign * weights.map_or(1.0, |weights| weights[moved as usize]), row);
                }
                if members.is_empty() {
                    // Without what rounding left.
                    sum.fill(0.0);
                }
                let largest = sum.iter().fold(0.0, |max: f64, x| max.max(x.abs()));
                if !moves.is_empty() && largest > 0.0 {
                    centroid.iter_mut().zip(&*sum).for_each(|(to, x)| *to = (x / largest) as f32);
                    normalize(centroid);
                }
            },
        );
        let mut largest: Vec<usize> = (0..members.len()).filter(|&cluster| members[cluster].len() > 1).collect();
        largest.sort_by_key(|&cluster| std::cmp::Reverse(members[cluster].len()));
        let empty = (0..members.len()).filter(|&cluster| members[cluster].is_empty());
        for (empty, donor) in empty.zip(largest) {
            let similarity = |&&row: &&u32| assignment.similarity[row as usize];
            if let Some(&furthest) = members[donor].iter().min_by(|a, b| similarity(a).total_cmp(&similarity(b))) {
                rows.read_row(furthest as usize, &mut centroids[empty * dim..][..dim]);
            }
        }
    }

    /// The rows that each of `k` clusters gains (1) and loses (-1), in their order.
    fn moves(&self, nearest: &[u32], k: usize) -> Vec<Vec<(u32, f64)>> {
        let mut moves = vec![Vec::new(); k];
        for (row, &to) in nearest.iter().enumerate() {
            let from = self.of_row.get(row).copied();
            if from != Some(to) {
                moves[to as usize].push((row as u32, 1.0));
                if let Some(from) = from {
                    moves[from as usize].push((row as u32, -1.0));
                }
            }
        }
        moves
    }
}

#[cfg(test)]
pub(crate) mod tests {
    #![allow(clippy::float_cmp, reason = "the values are exact")]

    use super::*;
    use crate::progress::Silent;
    use crate::vectors::EmbeddingMatrix;

    fn fit(matrix: &EmbeddingMatrix, k: usize) -> KMeans {
        KMeansParams::new(k).check().unwrap().fit(matrix, None, &Silent)
    }

    /// `clusters` bundles of `each` directions around random ones, in random order.
    pub(crate) fn bundles(clusters: usize, each: usize, dim: usize, spread: f64) -> EmbeddingMatrix {
        let mut random = SplitMix64::new(7);
        let mut draw = || (0..4).map(|_| random.next_f64() - 0.5).sum::<f64>();
        let centres: Vec<f64> = (0..clusters * dim).map(|_| draw()).collect();
        let rows: Vec<f32> = (0..each * clusters)
            .flat_map(|i| {
                let centre = &centres[(i * 7 % clusters) * dim..][..dim];
                centre.iter().map(|&x| (x + spread * draw()) as f32).collect::<Vec<_>>()
            })
            .collect();
        EmbeddingMatrix::from_f32(dim, &rows)
    }

    #[test]
    fn finds_planted_bundles() {
        let matrix = bundles(8, 50, 16, 0.05);
        let found = KMeansParams { n_init: 3, ..KMeansParams::new(8) }.check().unwrap().fit(&matrix, None, &Silent);
        assert!(found.inertia / 400.0 < 0.01, "{}", found.inertia);
        assert_eq!(crate::cluster::assign(&matrix, &found.centroids).counts(8), [50; 8]);
    }

    #[test]
    fn two_bundles_on_the_plane() {
        // Directions at 0, 10, 90 and 100 degrees: centroids at 5 and 95.
        let rows: Vec<f32> =
            [0.0_f32, 100.0, 10.0, 90.0].iter().flat_map(|a| [a.to_radians().cos(), a.to_radians().sin()]).collect();
        let found = fit(&EmbeddingMatrix::from_f32(2, &rows), 2);
        let mut angles: Vec<f32> = found.centroids.chunks(2).map(|c| c[1].atan2(c[0]).to_degrees()).collect();
        angles.sort_by(f32::total_cmp);
        assert!((angles[0] - 5.0).abs() < 0.05 && (angles[1] - 95.0).abs() < 0.05, "{angles:?}");
        let five_degrees = 5.0_f64.to_radians();
        assert!((found.inertia - 4.0 * (1.0 - five_degrees.cos())).abs() < 1e-4, "{}", found.inertia);
    }

    #[test]
    fn weights_pull_the_centroid() {
        let matrix = EmbeddingMatrix::from_f32(2, &[1.0, 0.0, 0.0, 1.0]);
        let found = KMeansParams::new(1).check().unwrap().fit(&matrix, Some(&[3.0, 4.0]), &Silent);
        assert!((found.centroids[0] - 0.6).abs() < 1e-6 && (found.centroids[1] - 0.8).abs() < 1e-6);
    }

    #[test]
    fn same_bytes_at_any_number_of_threads() {
        let matrix = bundles(20, 37, 24, 0.8);
        let fits = [1, 2, 5].map(|threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| fit(&matrix, 33))
        });
        assert_eq!(fits[0], fits[1]);
        assert_eq!(fits[0], fits[2]);
    }

    #[test]
    fn degenerate_corpora() {
        assert!(fit(&EmbeddingMatrix::from_f32(2, &[]), 3).centroids.is_empty());
        assert_eq!(fit(&EmbeddingMatrix::from_f32(2, &[0.0, 2.0]), 3).centroids, [0.0, 1.0]);
        let copies = fit(&EmbeddingMatrix::from_f32(2, &[0.0, 1.0].repeat(300)), 5);
        assert_eq!((copies.centroids, copies.inertia), (vec![0.0, 1.0], 0.0));
        let zeros = fit(&EmbeddingMatrix::from_f32(2, &[0.0; 8]), 2);
        assert!(zeros.centroids.iter().all(|x| x.is_finite()));
        // Opposite rows cancel out: the centroid stays where it was.
        let opposite = fit(&EmbeddingMatrix::from_f32(1, &[1.0, -1.0]), 1);
        assert_eq!(opposite.centroids[0].abs(), 1.0);
    }

    #[test]
    fn empty_clusters_take_from_the_largest() {
        let matrix = EmbeddingMatrix::from_f32(2, &[1.0, 0.0, 1.0, 0.1, 1.0, 0.5, 0.0, 1.0]);
        let mut centroids = vec![1.0, 0.0, -1.0, 0.0, 0.0, 1.0];
        let assignment = crate::cluster::assign(&matrix, &centroids);
        assert_eq!(assignment.nearest, [0, 0, 0, 2]);
        Sums::new(&centroids).update((&matrix).into(), None, &assignment, &mut centroids);
        let mut furthest = [0.0; 2];
        matrix.read_row(2, &mut furthest);
        assert_eq!(centroids[2..4], furthest);
    }

    #[test]
    fn refused_settings() {
        let good = KMeansParams::new(2);
        let bad = [
            KMeansParams { n_clusters: 0, ..good.clone() },
            KMeansParams { max_iterations: 0, ..good.clone() },
            KMeansParams { tolerance: -0.1, ..good.clone() },
            KMeansParams { tolerance: f64::NAN, ..good.clone() },
            KMeansParams { points_per_cluster: 0, ..good.clone() },
            KMeansParams { max_points: 0, ..good.clone() },
            KMeansParams { n_init: 0, ..good.clone() },
        ];
        for params in bad {
            assert!(matches!(params.clone().check(), Err(Error::Setting { .. })), "{params:?}");
        }
        assert!(good.check().is_ok());
    }

    #[test]
    fn progress_adds_up() {
        use std::sync::atomic::{AtomicU64, Ordering};
        struct Count(AtomicU64);
        impl Progress for Count {
            fn advance(&self, rows: u64, _: u64) {
                self.0.fetch_add(rows, Ordering::Relaxed);
            }
        }
        let params = KMeansParams { n_init: 2, points_per_cluster: 20, ..KMeansParams::new(4) }.check().unwrap();
        let count = Count(AtomicU64::new(0));
        let _ = params.fit(&bundles(4, 50, 8, 0.5), None, &count);
        assert_eq!(count.0.into_inner(), params.row_visits(200));
        assert_eq!(params.row_visits(200), 80 * 25 * 2);
    }
}
