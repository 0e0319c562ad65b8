//! The centroid score z: how unusual a row's distance to its nearest prototype is among the rows of that prototype.
//!
//! ```text
//! z(x) = (d - mu_b) / sigma_b      d = 1 - max_c cos(x, c)
//! ```
//! with b the nearest of K prototypes c, centroids of spherical k-means. Mean and variance are those of d over the n
//! held-out reference rows nearest to b, shrunk to their values over all held-out rows with weight n / (n + 20).
//!
//! Prototypes and statistics come from different rows: a centroid lies nearer to the rows it was fitted to than to
//! others of the same kind, and statistics over the former flag two to three times as many good rows as they say. A
//! held-out row's own score leaves its distance out of mu and sigma.
//!
//! Cost: rows x K x dim multiplications, in 8 bits where these are faster, and the fit of k-means. Memory: K centroids, in
//! f32 and as they are multiplied, and three numbers for each.

use crate::Result;
use crate::cluster::kmeans::KMeansParams;
use crate::cluster::{Assignment, Centroids};
use crate::progress::Progress;
use crate::vectors::Rows;

/// Settings of the centroid score.
#[derive(Clone, Debug, PartialEq)]
pub struct CentroidParams {
    /// Training rows per prototype, at least 1. Default 15: half of the reference trains, so that there are n / 30
    /// prototypes. On references of 300 to 5,000 rows 30 lose .1 to .3 point of AUROC beside it; at 15,000 they win .1.
    pub rows_per_prototype: usize,
    /// Prototypes at most, at least 1. Default 4,096.
    pub max_prototypes: usize,
    /// Iterations of k-means at most, at least 1. Default 10.
    pub max_iterations: usize,
    /// Seed of the draws.
    pub seed: u64,
}

impl Default for CentroidParams {
    fn default() -> Self {
        Self { rows_per_prototype: 15, max_prototypes: 4096, max_iterations: 10, seed: 0 }
    }
}

impl CentroidParams {
    /// K-means for prototypes of `n` training rows.
    pub(crate) fn k_means(&self, n: usize) -> KMeansParams {
        let k = n.checked_div(self.rows_per_prototype).unwrap_or(0).clamp(1, self.max_prototypes.max(1));
        // All training rows up to the most prototypes; beyond, twice as many per prototype as the fewest below.
        let points_per_cluster = self.rows_per_prototype.saturating_mul(2);
        let (max_iterations, seed) = (self.max_iterations, self.seed);
        KMeansParams { max_iterations, points_per_cluster, seed, ..KMeansParams::new(k) }
    }
}

/// Held-out rows beside which a prototype's own statistics weigh as much as those of all.
const SHRINKAGE: f64 = 20.0;

/// The least standard deviation of a distance: below it lies what rounding to half precision makes of equal texts.
const LEAST_SIGMA: f64 = 1e-3;

/// Prototypes and the statistics of the distances to them.
#[derive(Clone, Debug)]
pub struct CentroidScore {
    prototypes: Centroids,
    of_prototype: Vec<Tally>,
    of_all: Tally,
}

impl CentroidScore {
    /// Fits prototypes to `training` rows and statistics to `held_out` rows, which must be others. Also returns the
    /// scores of the held-out rows, each left out of the statistics; 0 where there is nothing to compare with.
    ///
    /// # Errors
    /// If a setting is out of its range.
    pub fn fit(
        training: Rows<'_>,
        held_out: Rows<'_>,
        params: &CentroidParams,
        progress: &dyn Progress,
    ) -> Result<(Self, Vec<f32>)> {
        let centroids = params.k_means(training.len()).check()?.fit(training, None, progress).centroids;
        let prototypes = Centroids::new(training.dim(), centroids);
        let mut fit =
            Self { of_prototype: vec![Tally::default(); prototypes.len()], of_all: Tally::default(), prototypes };
        let found = fit.nearest(held_out);
        for (prototype, distance) in pairs(&found) {
            fit.of_prototype[prototype].add(distance);
            fit.of_all.add(distance);
        }
        let left_out = pairs(&found).map(|(prototype, distance)| fit.left_out(prototype, distance)).collect::<Vec<_>>();
        progress.advance(held_out.len() as u64, 0);
        // Without prototypes nothing was found, and there is nothing to compare with.
        let left_out = if left_out.is_empty() { vec![0.0; held_out.len()] } else { left_out };
        Ok((fit, left_out))
    }

    /// From prototypes, K unit vectors, and the distances of held-out rows to each of them.
    ///
    /// # Panics
    /// If there are prototypes without a tally, or tallies without a prototype.
    #[must_use]
    pub fn new(dim: usize, prototypes: Vec<f32>, of_prototype: Vec<Tally>) -> Self {
        assert_eq!(prototypes.len(), dim * of_prototype.len(), "one tally per prototype");
        let of_all = of_prototype.iter().copied().fold(Tally::default(), Tally::with);
        Self { prototypes: Centroids::new(dim, prototypes), of_prototype, of_all }
    }

    /// The score of a held-out row that is nearest to a prototype at some distance, 0 to 2, with that distance left out
    /// of the statistics; 0 where there is nothing else to compare with.
    ///
    /// # Panics
    /// If there is no such prototype.
    #[must_use]
    pub fn left_out(&self, prototype: usize, distance: f64) -> f32 {
        z(distance, self.of_prototype[prototype].without(distance), self.of_all.without(distance))
    }

    /// Scores of rows that are in neither set; 0 where there is nothing to compare with.
    #[must_use]
    pub fn score(&self, queries: Rows<'_>) -> Vec<f32> {
        if self.prototypes.is_empty() {
            return vec![0.0; queries.len()];
        }
        pairs(&self.nearest(queries)).map(|(prototype, d)| z(d, self.of_prototype[prototype], self.of_all)).collect()
    }

    /// Distances of rows to their nearest prototypes, 0 to 2; 0 where there is none.
    #[must_use]
    pub fn distances(&self, queries: Rows<'_>) -> Vec<f32> {
        if self.prototypes.is_empty() {
            return vec![0.0; queries.len()];
        }
        self.nearest(queries).similarity.into_iter().map(|similarity| 1.0 - similarity).collect()
    }

    fn nearest(&self, rows: Rows<'_>) -> Assignment {
        if self.prototypes.is_empty() { Assignment::default() } else { self.prototypes.assign(rows) }
    }
}

/// Nearest prototype and distance to it, row by row.
fn pairs(found: &Assignment) -> impl Iterator<Item = (usize, f64)> {
    found.nearest.iter().zip(&found.similarity).map(|(&prototype, &s)| (prototype as usize, 1.0 - f64::from(s)))
}

/// Count, sum and sum of squares of some distances.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Tally {
    /// How many.
    pub count: f64,
    /// Their sum.
    pub sum: f64,
    /// The sum of their squares.
    pub squares: f64,
}

impl Tally {
    fn add(&mut self, distance: f64) {
        self.count += 1.0;
        self.sum += distance;
        self.squares += distance * distance;
    }

    /// Both together.
    fn with(self, other: Self) -> Self {
        Self { count: self.count + other.count, sum: self.sum + other.sum, squares: self.squares + other.squares }
    }

    fn without(self, distance: f64) -> Self {
        let count = self.count - 1.0;
        Self { count, sum: self.sum - distance, squares: self.squares - distance * distance }
    }

    /// Mean and variance; 0 of nothing.
    fn moments(self) -> (f64, f64) {
        if self.count < 1.0 {
            return (0.0, 0.0);
        }
        let mean = self.sum / self.count;
        (mean, (self.squares / self.count - mean * mean).max(0.0))
    }
}

fn z(distance: f64, of_prototype: Tally, of_all: Tally) -> f32 {
    if of_all.count < 1.0 {
        return 0.0;
    }
    let own = of_prototype.count / (of_prototype.count + SHRINKAGE);
    let shrunk = |own_value: f64, value: f64| own * own_value + (1.0 - own) * value;
    let ((mean, variance), (mean_of_all, variance_of_all)) = (of_prototype.moments(), of_all.moments());
    let sigma = shrunk(variance, variance_of_all).sqrt().max(LEAST_SIGMA);
    ((distance - shrunk(mean, mean_of_all)) / sigma) as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Silent;
    use crate::vectors::EmbeddingMatrix;

    /// One prototype on the x axis; held-out rows at cosines 1, 0.8, 0.6: d = 0, 0.2, 0.4.
    #[test]
    fn by_hand() {
        let training = EmbeddingMatrix::from_f32(2, &[1.0, 0.0]);
        let held_out = EmbeddingMatrix::from_f32(2, &[1.0, 0.0, 0.8, 0.6, 0.6, 0.8]);
        let params = CentroidParams::default();
        let (fit, left_out) = CentroidScore::fit((&training).into(), (&held_out).into(), &params, &Silent).unwrap();
        // All rows are the prototype's, so shrinking changes nothing. mu = 0.2, sigma^2 = 0.08 / 3.
        let query = EmbeddingMatrix::from_f32(2, &[0.0, 1.0]);
        let want = 0.8 / (0.08_f32 / 3.0).sqrt();
        let close = |got: f32, want: f32| assert!((got - want).abs() < 0.02 * want.abs().max(1.0), "{got} {want}");
        close(fit.score((&query).into())[0], want);
        // Without the last row: mu = 0.1, sigma = 0.1.
        close(left_out[2], 3.0);
        close(left_out[1], 0.0);
        close(left_out[0], -3.0);
    }

    #[test]
    fn shrunk_to_all_rows() {
        let tally = |values: &[f64]| {
            let mut tally = Tally::default();
            for &value in values {
                tally.add(value);
            }
            tally
        };
        // 5 own rows weigh 5/25: mu = 0.2 * 0.5 + 0.8 * 0.25 = 0.3; sigma^2 = 0.2 * 0 + 0.8 * 0.0625 = 0.05.
        let score = z(0.8, tally(&[0.5; 5]), tally(&[0.0, 0.5, 0.0, 0.5]));
        assert!((score - 0.5 / 0.05_f32.sqrt()).abs() < 1e-5, "{score}");
    }

    #[test]
    fn nothing_to_compare_with() {
        let one = EmbeddingMatrix::from_f32(2, &[1.0, 0.0]);
        let none = Rows::from(&one).prefix(0);
        let params = CentroidParams::default();
        let (fit, left_out) = CentroidScore::fit(none, (&one).into(), &params, &Silent).unwrap();
        assert_eq!((left_out, fit.score((&one).into())), (vec![0.0], vec![0.0]));
        let (fit, left_out) = CentroidScore::fit((&one).into(), none, &params, &Silent).unwrap();
        assert_eq!((left_out, fit.score((&one).into())), (vec![], vec![0.0]));
    }
}
