//! The settings of a screening.

use crate::ood::{OutlierParams, ScoreKind, ValidOutlierParams};
use crate::{Error, Result};

/// Settings of a screening, as typed; [`check`](Self::check) makes them usable.
#[derive(Clone, Debug, PartialEq)]
pub struct ScreenParams {
    /// The share of good rows that may be flagged, above 0 and below 1. Default .05.
    pub alpha: f64,
    /// The expected share of good rows among the flagged ones, above 0 and below 1; `None` (the default) flags by
    /// `alpha`. It can be met only once all rows are read.
    pub fdr: Option<f64>,
    /// Whether a row's p-value counts only the reference texts of its own leaf, where there are at least 100. Default
    /// false.
    pub per_leaf: bool,
    /// How texts are scored. Default the ensemble.
    pub score: ScoreKind,
    /// Settings of the ensemble; those of its local part, where they are given, are those of the local and kNN scores
    /// as well.
    pub outliers: OutlierParams,
}

impl Default for ScreenParams {
    fn default() -> Self {
        Self {
            alpha: 0.05,
            fdr: None,
            per_leaf: false,
            score: ScoreKind::default(),
            outliers: OutlierParams::default(),
        }
    }
}

impl ScreenParams {
    /// Checks every setting.
    ///
    /// # Errors
    /// [`Error::Setting`] for the first value out of its range.
    pub fn check(self) -> Result<ValidScreenParams> {
        for (setting, value) in [("alpha", Some(self.alpha)), ("fdr", self.fdr)] {
            if let Some(value) = value
                && !(value > 0.0 && value < 1.0)
            {
                let expected = "a share above 0 and below 1".to_owned();
                return Err(Error::Setting { setting, expected, got: value.to_string() });
            }
        }
        let Self { alpha, fdr, per_leaf, score, outliers } = self;
        if per_leaf && !matches!(score, ScoreKind::Ensemble | ScoreKind::Local | ScoreKind::Knn) {
            let expected = "a score by neighbours (ensemble, local, knn)".to_owned();
            return Err(Error::Setting { setting: "per-leaf", expected, got: score.to_string() });
        }
        Ok(ValidScreenParams { alpha, fdr, per_leaf, score, outliers: outliers.check()? })
    }
}

/// Settings that passed [`ScreenParams::check`].
#[derive(Clone, Debug)]
pub struct ValidScreenParams {
    pub(super) alpha: f64,
    pub(super) fdr: Option<f64>,
    pub(super) per_leaf: bool,
    pub(super) score: ScoreKind,
    pub(super) outliers: ValidOutlierParams,
}

impl ValidScreenParams {
    /// Whether rows can be decided on as they come; else all have to be read first.
    #[must_use]
    pub fn decides_at_once(&self) -> bool {
        self.fdr.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refused_settings() {
        for (alpha, fdr) in [(0.0, None), (1.0, None), (f64::NAN, None), (0.05, Some(1.5)), (0.05, Some(-0.1))] {
            let refused = ScreenParams { alpha, fdr, ..ScreenParams::default() }.check();
            assert!(matches!(refused, Err(Error::Setting { .. })), "{alpha} {fdr:?}");
        }
        assert!(ScreenParams::default().check().is_ok_and(|params| params.decides_at_once()));
    }
}
