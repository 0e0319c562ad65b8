//! The default outlier score of rows against a reference, and of a corpus against itself.
//!
//! Score = local + z / 4, each on the [`Scale`] of its left-out reference values: the local score sees small and uneven
//! references best, z adds what larger ones know. Unless they are given, k and lambda of the local score are
//! [chosen](choose) by the reference. `local` runs on a sample of the reference (10,000 rows lose .1 point of AUROC
//! beside 15,000), z on all of it in two folds: the prototypes of each fold judge the rows of the other. A row from
//! outside gets the mean of both folds' z.

use super::calibrate::Calibration;
use super::score::{CentroidParams, CentroidScore, LocalParams, LocalParts, LocalScore, Scale, choose};
use crate::progress::{Progress, Silent, Stage};
use crate::vectors::{EmbeddingMatrix, Rows};
use crate::{Error, Result};

/// Weight of z beside the local score.
const Z_WEIGHT: f64 = 0.25;

/// Settings of the outlier score, as typed; [`check`](Self::check) makes them usable.
#[derive(Clone, Debug, PartialEq)]
pub struct OutlierParams {
    /// Reference rows kept for the local score and the p-values: those of smallest content hash. At least 1. Default
    /// 10,000.
    pub sample: usize,
    /// Settings of the local score; `None`, the default, has the reference choose them.
    pub local: Option<LocalParams>,
    /// Settings of z; its seed is also that of the choice.
    pub centroids: CentroidParams,
}

impl Default for OutlierParams {
    fn default() -> Self {
        Self { sample: 10_000, local: None, centroids: CentroidParams::default() }
    }
}

impl OutlierParams {
    /// Checks every setting.
    ///
    /// # Errors
    /// [`Error::Setting`] for the first value out of its range.
    pub fn check(self) -> Result<ValidOutlierParams> {
        let at_least_1 = [
            ("sample", self.sample),
            ("rows_per_prototype", self.centroids.rows_per_prototype),
            ("max_prototypes", self.centroids.max_prototypes),
            ("max_iterations", self.centroids.max_iterations),
        ];
        for (setting, value) in at_least_1 {
            if value == 0 {
                return Err(Error::Setting { setting, expected: "at least 1".to_owned(), got: "0".to_owned() });
            }
        }
        if let Some(local) = self.local {
            local.check()?;
        }
        Ok(ValidOutlierParams(self))
    }
}

/// Settings that passed [`OutlierParams::check`].
#[derive(Clone, Debug)]
pub struct ValidOutlierParams(OutlierParams);

/// What a row's distance from the reference is.
#[derive(Clone, Debug, PartialEq)]
pub struct OutlierScores {
    /// Outlier score per row: higher is further from the reference; about 0 in the middle of it.
    pub score: Vec<f32>,
    /// Share of reference rows that lie at least as far out, above 0 and up to 1.
    pub p_value: Vec<f32>,
    /// Reference rows that the p-values count.
    pub sample: usize,
}

/// A reference that rows can be scored against.
#[derive(Clone, Debug)]
pub struct OutlierModel<'a> {
    local: LocalScore<'a>,
    local_scale: Scale,
    folds: [CentroidScore; 2],
    z_scale: Scale,
    calibration: Calibration,
}

impl ValidOutlierParams {
    /// Settings of the local score where it stands alone: those given, else its defaults.
    #[must_use]
    pub fn local(&self) -> LocalParams {
        self.0.local.unwrap_or_default()
    }

    /// Most rows that a fit on `n` rows visits.
    fn row_visits(&self, n: usize) -> u64 {
        let folds: u64 = (0..2)
            .map(|fold| {
                let training = (n + 1 - fold) / 2;
                // Checked in `check`, as `fit` does again.
                self.0.centroids.k_means(training).check().map_or(0, |params| params.row_visits(training))
            })
            .sum();
        let sample = n.min(self.0.sample);
        let local = if self.0.local.is_some() { sample as u64 } else { choose::row_visits(sample) };
        folds + local + (n - sample) as u64 + n as u64
    }

    /// Fits a reference and scores its own rows, each as if it were not part of it.
    ///
    /// # Errors
    /// If a setting is out of its range; not after [`OutlierParams::check`].
    pub fn fit<'a>(
        &self,
        reference: impl Into<Rows<'a>>,
        progress: &dyn Progress,
    ) -> Result<(OutlierModel<'a>, OutlierScores)> {
        let reference = reference.into();
        let n = reference.len();
        progress.start(Stage::Score, Some(self.row_visits(n)));
        let sample = reference.prefix(self.0.sample);
        let fitted_local = match self.0.local {
            Some(params) => LocalScore::fit(sample, params, progress),
            None => choose::fit(sample, self.0.centroids.seed, progress)?,
        };
        let mut local = fitted_local.left_out();
        let local_scale = Scale::fit(&local);
        local.extend(fitted_local.score(reference.skip(sample.len()), progress));

        let mut z = vec![0.0; n];
        let mut fit_fold = |fold: usize| -> Result<CentroidScore> {
            let (training, held_out) = (reference.fold(1 - fold, 2), reference.fold(fold, 2));
            let (centroids, scores) = CentroidScore::fit(training, held_out, &self.0.centroids, progress)?;
            for (z, score) in z.iter_mut().skip(fold).step_by(2).zip(scores) {
                *z = score;
            }
            Ok(centroids)
        };
        let folds = [fit_fold(0)?, fit_fold(1)?];
        let z_scale = Scale::fit(&z[..sample.len()]);
        progress.finish();

        let score: Vec<f32> = local.iter().zip(&z).map(|(&l, &z)| ensemble(local_scale, l, z_scale, z)).collect();
        let calibration = Calibration::new(score[..sample.len()].to_vec());
        let p_value = |(row, &score): (usize, &f32)| {
            if row < sample.len() { calibration.p_value_within(score) } else { calibration.p_value(score) }
        };
        let p_value = score.iter().enumerate().map(p_value).collect();
        let scores = OutlierScores { score, p_value, sample: sample.len() };
        Ok((OutlierModel { local: fitted_local, local_scale, folds, z_scale, calibration }, scores))
    }
}

impl OutlierModel<'_> {
    /// Scores rows that are not in the reference.
    #[must_use]
    pub fn score<'q>(&self, queries: impl Into<Rows<'q>>) -> OutlierScores {
        let queries = queries.into();
        let score = self.combine(&self.local.score_parts(queries, &Silent), queries);
        let p_value = score.iter().map(|&score| self.calibration.p_value(score)).collect();
        OutlierScores { score, p_value, sample: self.calibration.len() }
    }
}

impl<'a> OutlierModel<'a> {
    /// Settings of the local part: those given, or what the reference chose.
    #[must_use]
    pub fn local_params(&self) -> LocalParams {
        self.local.params()
    }

    /// The local part of the score.
    #[must_use]
    pub fn local(&self) -> &LocalScore<'a> {
        &self.local
    }

    /// Scores of rows that are not in the reference and whose local parts are known.
    #[must_use]
    pub fn combine(&self, local: &[LocalParts], queries: Rows<'_>) -> Vec<f32> {
        let [even, odd] = [0, 1].map(|fold| self.folds[fold].score(queries));
        let z = even.iter().zip(&odd).map(|(even, odd)| f32::midpoint(*even, *odd));
        let lambda = self.local_params().lambda;
        local.iter().zip(z).map(|(parts, z)| ensemble(self.local_scale, parts.local(lambda), self.z_scale, z)).collect()
    }
}

fn ensemble(local_scale: Scale, local: f32, z_scale: Scale, z: f32) -> f32 {
    (local_scale.apply(local) + Z_WEIGHT * z_scale.apply(z)) as f32
}

/// Scores every row of a corpus against the rest of it.
///
/// # Errors
/// [`Error::Setting`] where a setting is out of its range.
pub fn score_within(
    matrix: &EmbeddingMatrix,
    params: &OutlierParams,
    progress: &dyn Progress,
) -> Result<OutlierScores> {
    Ok(params.clone().check()?.fit(matrix, progress)?.1)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;
    use crate::cluster::kmeans::tests::bundles;

    fn within(matrix: &EmbeddingMatrix) -> OutlierScores {
        score_within(matrix, &OutlierParams { sample: 150, ..OutlierParams::default() }, &Silent).unwrap()
    }

    /// Four bundles of 60 directions, and the opposite of the first centre, in rows 10 and 200.
    fn with_outliers() -> EmbeddingMatrix {
        let matrix = bundles(4, 60, 16, 0.3);
        let mut data = Vec::new();
        matrix.gather(0..240, &mut data);
        for row in [10, 200] {
            let opposite: Vec<f32> = data[..16].iter().map(|x| -x + 0.01 * row as f32 / 200.0).collect();
            data[row * 16..(row + 1) * 16].copy_from_slice(&opposite);
        }
        EmbeddingMatrix::from_f32(16, &data)
    }

    #[test]
    fn outliers_score_highest_inside_and_outside_the_sample() {
        let scores = within(&with_outliers());
        assert_eq!(scores.sample, 150);
        let mut order: Vec<usize> = (0..240).collect();
        order.sort_by(|&a, &b| scores.score[b].total_cmp(&scores.score[a]));
        order[..2].sort_unstable();
        assert_eq!(order[..2], [10, 200]);
        assert!(scores.p_value[10] <= 2.0 / 150.0 && scores.p_value[200] <= 2.0 / 151.0);
    }

    #[test]
    fn p_values_of_the_sample_are_ranks() {
        let scores = within(&with_outliers());
        let mut p: Vec<f32> = scores.p_value[..150].to_vec();
        p.sort_by(f32::total_cmp);
        // Without ties they are 1/150, 2/150, and so on; a tie shares the larger one.
        assert!(p.iter().enumerate().all(|(rank, &p)| p >= (rank + 1) as f32 / 150.0));
        assert!((p[149] - 1.0).abs() < 1e-6);
    }

    #[test]
    fn tiny_corpora() {
        let random = bundles(5, 10, 4, 2.0);
        let mut data = Vec::new();
        random.gather(0..50, &mut data);
        for n in [0, 1, 2, 3, 10, 50] {
            for rows in [data[..n * 4].to_vec(), [0.5; 4].repeat(n), [0.0; 4].repeat(n)] {
                let scores = within(&EmbeddingMatrix::from_f32(4, &rows));
                assert_eq!((scores.score.len(), scores.p_value.len(), scores.sample), (n, n, n));
                assert!(scores.score.iter().all(|score| score.is_finite()), "{n} {scores:?}");
                assert!(scores.p_value.iter().all(|p| (0.0..=1.0).contains(p) && *p > 0.0), "{n} {scores:?}");
            }
        }
        assert_eq!(within(&EmbeddingMatrix::from_f32(4, &[0.5; 40])).p_value, [1.0; 10], "copies are all alike");
    }

    #[test]
    fn same_bytes_at_any_number_of_threads() {
        let matrix = with_outliers();
        let scores = [1, 2, 5].map(|threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| within(&matrix))
        });
        assert!(scores[0] == scores[1] && scores[0] == scores[2]);
    }

    #[test]
    fn other_rows_against_the_reference() {
        let matrix = with_outliers();
        let (model, _) = OutlierParams::default().check().unwrap().fit(&matrix, &Silent).unwrap();
        let mut near = vec![0.0; 16];
        matrix.read_row(3, &mut near);
        let far: Vec<f32> = (0..16).map(|i| if i % 2 == 0 { 1.0 } else { -1.0 }).collect();
        let scores = model.score(&EmbeddingMatrix::from_f32(16, &[near, far].concat()));
        assert!(scores.score[0] < scores.score[1], "{scores:?}");
        assert!(scores.p_value[0] > 0.2 && scores.p_value[1] <= 3.0 / 241.0, "{scores:?}");
    }

    #[test]
    fn progress_adds_up() {
        #[derive(Default)]
        struct Count {
            total: AtomicU64,
            rows: AtomicU64,
        }
        impl Progress for Count {
            fn start(&self, stage: Stage, total: Option<u64>) {
                assert_eq!(stage, Stage::Score);
                self.total.store(total.unwrap(), Ordering::Relaxed);
            }
            fn advance(&self, rows: u64, _: u64) {
                self.rows.fetch_add(rows, Ordering::Relaxed);
            }
        }
        let given = Some(LocalParams::default());
        // From 300 rows on there are regions to choose by.
        for (n, sample, local) in
            [(0, 150, None), (1, 150, None), (7, 150, given), (240, 150, None), (800, 700, None), (800, 700, given)]
        {
            let count = Count::default();
            let mut data = Vec::new();
            bundles(8, 100, 16, 0.5).gather(0..n, &mut data);
            let params = OutlierParams { sample, local, ..OutlierParams::default() };
            score_within(&EmbeddingMatrix::from_f32(16, &data), &params, &count).unwrap();
            assert_eq!(count.total.into_inner(), count.rows.into_inner(), "{n} {local:?}");
        }
    }

    /// Settings that are given are used, and give what the local score gives with them.
    #[test]
    fn settings_given() {
        let matrix = with_outliers();
        let params = |local| OutlierParams { local, ..OutlierParams::default() }.check().unwrap();
        let given = LocalParams { neighbours: 3, lambda: 0.25 };
        let (model, scores) = params(Some(given)).fit(&matrix, &Silent).unwrap();
        assert_eq!(model.local_params(), given);
        assert_eq!(model.local().left_out(), LocalScore::fit((&matrix).into(), given, &Silent).left_out());
        let (model, chosen) = params(None).fit(&matrix, &Silent).unwrap();
        assert_eq!(model.local_params(), LocalParams::default(), "240 rows are too few to choose by");
        assert_eq!(chosen, params(Some(LocalParams::default())).fit(&matrix, &Silent).unwrap().1);
        assert!(scores != chosen);
    }

    #[test]
    fn refused_settings() {
        let centroids = CentroidParams::default;
        for params in [
            OutlierParams { sample: 0, ..OutlierParams::default() },
            OutlierParams { local: Some(LocalParams { neighbours: 0, lambda: 0.5 }), ..OutlierParams::default() },
            OutlierParams { local: Some(LocalParams { neighbours: 5, lambda: f64::NAN }), ..OutlierParams::default() },
            OutlierParams {
                centroids: CentroidParams { rows_per_prototype: 0, ..centroids() },
                ..OutlierParams::default()
            },
            OutlierParams {
                centroids: CentroidParams { max_prototypes: 0, ..centroids() },
                ..OutlierParams::default()
            },
            OutlierParams {
                centroids: CentroidParams { max_iterations: 0, ..centroids() },
                ..OutlierParams::default()
            },
        ] {
            assert!(matches!(params.check(), Err(Error::Setting { .. })));
        }
    }
}
