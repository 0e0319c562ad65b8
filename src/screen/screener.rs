//! The reference of a screening, and what it says of single texts.
//!
//! A text is scored against the texts of the profile's sample (or its prototypes), and its p-value is the share of
//! reference texts that lie at least as far out, each left out of the reference. Within its leaf only where that is asked
//! for and the leaf has at least 100 sampled texts: a leaf of unusual texts then keeps its own measure.
//!
//! A text *repeats* the reference exactly if its content hash is in the sample, nearly if a sampled text lies at a cosine
//! of .95 or more.

use super::scorer::{Nearest, Scorer};
use super::{Decision, Decisions, ValidScreenParams};
use crate::cluster::Centroids;
use crate::corpus::ContentHash;
use crate::embed::{EmbeddedCorpus, EncoderId};
use crate::ood::{Calibration, LocalParams};
use crate::profile::Profile;
use crate::progress::{Progress, Silent};
use crate::vectors::{EmbeddingMatrix, knn};
use crate::{Error, Result};

/// Cosine from which on a text nearly repeats another.
pub const NEAR_COPY: f32 = 0.95;

/// Sampled texts from which on a leaf has a calibration of its own; 1 / alpha, where that is more.
const LEAST_TEXTS_OF_LEAF: usize = 100;

/// Scores of the reference that the drop as a whole is compared with.
const MOST_SCORES: usize = 1_000_000;

/// What rows are screened against.
#[derive(Debug)]
pub struct ScreenReference {
    name: String,
    profile: Profile,
    /// Of the sample, in the order of content hashes; none of a compact profile.
    vectors: EmbeddingMatrix,
}

impl ScreenReference {
    /// A profile as the reference; `name` is what the user called it.
    #[must_use]
    pub fn new(name: String, profile: Profile) -> Self {
        let dim = profile.encoder.dim;
        let vectors = profile.sample.as_ref().map_or(EmbeddingMatrix::from_f32(dim, &[]), |sample| sample.matrix(dim));
        Self { name, profile, vectors }
    }

    /// What the user called it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The profile.
    #[must_use]
    pub fn profile(&self) -> &Profile {
        &self.profile
    }

    /// The vectors of the sampled texts.
    pub(super) fn vectors(&self) -> &EmbeddingMatrix {
        &self.vectors
    }

    /// The id of the record that stands for a sampled text.
    pub(super) fn id(&self, place: u32) -> &str {
        self.profile.sample.as_ref().map_or("", |sample| &sample.ids[place as usize])
    }

    /// Refuses vectors of another encoder; another precision or device of the same one is none.
    ///
    /// # Errors
    /// [`Error::Encoder`] that names the field in which they differ.
    pub fn check(&self, encoder: &EncoderId) -> Result<()> {
        let Some(difference) = self.profile.encoder.difference_beyond_precision(encoder) else { return Ok(()) };
        Err(Error::Encoder {
            encoder: encoder.name.clone(),
            problem: format!(
                "expected the reference's encoder, {} {}, got {} {}",
                difference.field, difference.ours, difference.field, difference.theirs
            ),
            help: format!("embed the drop as {} was: by {}", self.name, self.profile.encoder.name),
            source: None,
        })
    }
}

/// Whether a text repeats one of the reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeats {
    /// The same text in normal form.
    Exactly,
    /// Another one, at a cosine of .95 or more.
    Nearly,
}

/// What is known of a text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScreenedText {
    /// Outlier score: higher is further from the reference.
    pub score: f32,
    /// Share of reference texts that lie at least as far out, above 0 and up to 1.
    pub p_value: f32,
    /// The nearest leaf of the reference's codebook.
    pub leaf: u32,
    /// The nearest texts of the reference's sample; `None` where the score needs no neighbours.
    pub nearest: Option<Nearest>,
    /// Whether it repeats a text of the reference.
    pub repeats: Option<Repeats>,
    /// What a reviewer decided on it.
    pub decision: Option<Decision>,
    /// Whether it nearly repeats a text that a reviewer rejected.
    pub near_rejected: bool,
}

/// Why a row is flagged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It has no text.
    NoText,
    /// Its p-value is at most the threshold.
    Outlier,
    /// A reviewer rejected its text.
    Rejected,
    /// It nearly repeats a text that a reviewer rejected.
    NearRejected,
}

impl Reason {
    /// The word that files have.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::NoText => "no_text",
            Self::Outlier => "outlier",
            Self::Rejected => "rejected",
            Self::NearRejected => "near_rejected",
        }
    }
}

impl ScreenedText {
    /// Why the text is flagged; `None` if it is kept.
    #[must_use]
    pub fn reason(&self, threshold: f32) -> Option<Reason> {
        match self.decision {
            Some(Decision::Accepted) => None,
            Some(Decision::Rejected) => Some(Reason::Rejected),
            None if self.near_rejected => Some(Reason::NearRejected),
            None => (self.p_value <= threshold).then_some(Reason::Outlier),
        }
    }
}

/// The shortest decimal number that an f32 is the nearest to: .05, not .05000000074505806.
pub(super) fn decimal(x: f32) -> f64 {
    x.to_string().parse().unwrap_or_else(|_| f64::from(x))
}

/// Scores texts against a reference.
#[derive(Debug)]
pub struct Screener<'a> {
    pub(super) reference: &'a ScreenReference,
    pub(super) params: ValidScreenParams,
    scorer: Scorer<'a>,
    leaves: Centroids,
    /// The reference's own scores, each text left out of it.
    pub(super) calibration: Calibration,
    /// Of the leaves that have one of their own.
    of_leaf: Vec<Option<Calibration>>,
    decisions: Decisions,
    /// Vectors of what a reviewer rejected.
    rejected: Option<EmbeddingMatrix>,
}

impl ValidScreenParams {
    /// Fits the score to a reference.
    ///
    /// # Errors
    /// [`Error::Profile`] if the profile lacks what the score needs: a sample of texts, or prototypes.
    pub fn fit<'a>(&self, reference: &'a ScreenReference, progress: &dyn Progress) -> Result<Screener<'a>> {
        let profile = &reference.profile;
        if profile.rows_with_text() == 0 {
            return Err(Error::Profile {
                path: reference.name.clone(),
                problem: "expected a reference with at least one text, got none".to_owned(),
                help: "name another reference".to_owned(),
            });
        }
        let (scorer, calibration, left_out) = Scorer::fit(self.score, reference, &self.outliers, progress)?;
        let mut of_leaf = vec![None; profile.codebook.n_leaves()];
        if let (true, Some(sample), Some(left_out)) = (self.per_leaf, &profile.sample, &left_out) {
            let mut scores = vec![Vec::new(); of_leaf.len()];
            for (&leaf, &score) in sample.leaves.iter().zip(left_out) {
                scores[leaf as usize].push(score);
            }
            let least = LEAST_TEXTS_OF_LEAF.max((1.0 / self.alpha).ceil() as usize);
            let enough = |scores: Vec<f32>| (scores.len() >= least).then(|| Calibration::new(scores));
            of_leaf = scores.into_iter().map(enough).collect();
        }
        Ok(Screener {
            reference,
            params: self.clone(),
            scorer,
            leaves: Centroids::new(profile.codebook.dim, profile.codebook.leaves.clone()),
            calibration,
            of_leaf,
            decisions: Decisions::default(),
            rejected: None,
        })
    }
}

impl<'a> Screener<'a> {
    /// The same, heeding what a reviewer decided. `rejected` holds the vectors of the texts that were rejected, where
    /// they could be embedded: texts that nearly repeat one of them are flagged as well.
    #[must_use]
    pub fn heeding(self, decisions: Decisions, rejected: Option<EmbeddingMatrix>) -> Self {
        Self { decisions, rejected: rejected.filter(|rejected| !rejected.is_empty()), ..self }
    }

    /// The reference.
    #[must_use]
    pub fn reference(&self) -> &'a ScreenReference {
        self.reference
    }

    /// Settings of the local part of the score, where it has one.
    pub(super) fn local_params(&self) -> Option<LocalParams> {
        self.scorer.local_params()
    }

    /// Reference texts (rows, for prototypes) that p-values count.
    pub(super) fn calibration_texts(&self) -> u64 {
        self.calibration.len() as u64
    }

    /// The reference's own scores, each text left out of it; of very many, an even choice.
    pub(crate) fn reference_scores(&self) -> Vec<f32> {
        self.calibration.scores(MOST_SCORES)
    }

    /// What is known of each distinct text of some rows.
    ///
    /// # Errors
    /// [`Error::Encoder`] if another encoder embedded them.
    pub fn screen(&self, embedded: &EmbeddedCorpus) -> Result<Vec<ScreenedText>> {
        self.reference.check(&embedded.encoder)?;
        let vectors = &embedded.vectors;
        let leaves = self.leaves.assign(vectors).nearest;
        let (scores, nearest) = self.scorer.score(vectors.into());
        let rejected = self.rejected.as_ref().map(|rejected| knn::nearest(vectors.into(), rejected.into(), 1, &Silent));
        let sampled: &[u64] = self.reference.profile.sample.as_ref().map_or(&[], |sample| &sample.hashes);
        let text = |text: usize| {
            let hash: ContentHash = embedded.hashes[text];
            let (score, leaf) = (scores[text], leaves[text]);
            let calibration = self.of_leaf[leaf as usize].as_ref().unwrap_or(&self.calibration);
            let nearest = nearest.as_ref().and_then(|nearest| nearest[text]);
            let repeats = if sampled.binary_search(&hash.prefix()).is_ok() {
                Some(Repeats::Exactly)
            } else {
                nearest.filter(|nearest| nearest.similarity >= NEAR_COPY).map(|_| Repeats::Nearly)
            };
            let near_rejected = rejected.as_ref().is_some_and(|rejected| rejected.of(text).1[0] >= NEAR_COPY);
            let (p_value, decision) = (calibration.p_value(score), self.decisions.get(hash));
            ScreenedText { score, p_value, leaf, nearest, repeats, decision, near_rejected }
        };
        Ok((0..vectors.len()).map(text).collect())
    }
}
