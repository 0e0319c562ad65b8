//! One score of texts against a profile, with the reference's own values of it.
//!
//! The ensemble, local and kNN scores search the profile's sample; z and the centroid distance take its prototypes, which
//! compact profiles have as well; the Mahalanobis distance takes the leaves' sums and calibrates on the sample.

use super::ScreenReference;
use crate::ood::{
    Calibration, CentroidScore, LocalParams, LocalParts, LocalScore, MahalanobisScore, OutlierModel, ScoreKind,
    ValidOutlierParams,
};
use crate::profile::Prototypes;
use crate::progress::Progress;
use crate::vectors::Rows;
use crate::{Error, Result};

/// A fitted score.
#[derive(Debug)]
pub(super) enum Scorer<'a> {
    Ensemble(Box<OutlierModel<'a>>),
    /// With what makes a score of the parts.
    Local(LocalScore<'a>, fn(LocalParts, LocalParams) -> f32),
    Z(CentroidScore),
    Centroid(CentroidScore),
    Mahalanobis(MahalanobisScore),
}

/// The reference texts nearest to a text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Nearest {
    /// Place of the nearest one in the profile's sample.
    pub place: u32,
    /// Cosine similarity to that, -1 to 1.
    pub similarity: f32,
    /// Mean cosine similarity to the nearest ones, as many as the local score takes.
    pub mean_similarity: f32,
}

impl<'a> Scorer<'a> {
    /// Fits a score to a reference. Also gives the calibration, and the scores of the sampled texts, each left out of the
    /// reference, where the score has them text by text.
    pub(super) fn fit(
        kind: ScoreKind,
        reference: &'a ScreenReference,
        params: &ValidOutlierParams,
        progress: &dyn Progress,
    ) -> Result<(Self, Calibration, Option<Vec<f32>>)> {
        let profile = reference.profile();
        let lacks = |problem: String, help: &str| Error::Profile {
            path: reference.name().to_owned(),
            problem,
            help: help.to_owned(),
        };
        let by_prototypes = || {
            let problem = format!("the score {kind} needs prototypes, and it has none");
            profile.centroid_score().ok_or_else(|| lacks(problem, "make it again with `semcov profile fit`"))
        };
        if profile.sample.is_none() && !matches!(kind, ScoreKind::Z | ScoreKind::Centroid) {
            let problem = format!("the score {kind} needs the sample of texts, and a compact profile keeps none");
            return Err(lacks(problem, "take `--score z`, or make the profile without `--compact`"));
        }
        let vectors = Rows::from(reference.vectors());
        let local = |part: fn(LocalParts, LocalParams) -> f32| {
            let settings = params.local();
            let local = LocalScore::fit(vectors, settings, progress);
            let left_out: Vec<f32> = local.left_out_parts().into_iter().map(|parts| part(parts, settings)).collect();
            (Self::Local(local, part), Calibration::new(left_out.clone()), Some(left_out))
        };
        Ok(match kind {
            ScoreKind::Ensemble => {
                let (model, scores) = params.fit(vectors, progress)?;
                (Self::Ensemble(Box::new(model)), Calibration::new(scores.score.clone()), Some(scores.score))
            }
            ScoreKind::Local => local(|parts, settings| parts.local(settings.lambda)),
            ScoreKind::Knn => local(|parts, _| parts.knn()),
            ScoreKind::Z => {
                let (score, calibration) = by_prototypes()?;
                (Self::Z(score), calibration, None)
            }
            ScoreKind::Centroid => {
                let (score, _) = by_prototypes()?;
                let distances = profile.prototypes.iter().flat_map(Prototypes::held_out_distances);
                (Self::Centroid(score), Calibration::weighted(distances.collect()), None)
            }
            ScoreKind::Rmd => {
                let Some((score, Some(calibration))) = profile.mahalanobis_score() else {
                    let problem = "the score rmd needs texts that differ within leaves, and there are none".to_owned();
                    return Err(lacks(problem, "take another score, or another reference"));
                };
                (Self::Mahalanobis(score), calibration, None)
            }
        })
    }

    /// Settings of the local part, where the score has one.
    pub(super) fn local_params(&self) -> Option<LocalParams> {
        match self {
            Self::Ensemble(model) => Some(model.local_params()),
            Self::Local(local, _) => Some(local.params()),
            Self::Z(_) | Self::Centroid(_) | Self::Mahalanobis(_) => None,
        }
    }

    /// Scores of some texts, and their nearest reference texts where the score searches for them.
    pub(super) fn score(&self, rows: Rows<'_>) -> (Vec<f32>, Option<Vec<Option<Nearest>>>) {
        let silent = &crate::progress::Silent;
        let search = |local: &LocalScore<'_>| {
            let found = local.nearest(rows, silent);
            let parts = local.parts(&found);
            let nearest = |(text, parts): (usize, &LocalParts)| {
                let (places, similarities) = found.of(text);
                let (&place, &similarity) = places.first().zip(similarities.first())?;
                Some(Nearest { place, similarity, mean_similarity: (1.0 - parts.distance) as f32 })
            };
            let nearest: Vec<Option<Nearest>> = parts.iter().enumerate().map(nearest).collect();
            (parts, nearest)
        };
        match self {
            Self::Ensemble(model) => {
                let (parts, nearest) = search(model.local());
                (model.combine(&parts, rows), Some(nearest))
            }
            Self::Local(local, part) => {
                let (parts, nearest) = search(local);
                (parts.into_iter().map(|parts| part(parts, local.params())).collect(), Some(nearest))
            }
            Self::Z(score) => (score.score(rows), None),
            Self::Centroid(score) => (score.distances(rows), None),
            Self::Mahalanobis(score) => (score.score(rows), None),
        }
    }
}
