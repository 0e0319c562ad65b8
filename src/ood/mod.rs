//! How far records lie from a reference: outlier scores and their p-values, for single texts and for a drop as a whole.

mod calibrate;
mod classifier;
mod fdr;
mod groups;
mod kind;
mod model;
mod score;
mod shift;

pub use calibrate::Calibration;
pub use classifier::{CLASSIFIED_TEXTS, DomainClassifier, separating_terms};
pub use fdr::fdr_threshold;
pub use groups::{Group, GroupKind, GroupParams, ValidGroupParams};
pub use kind::ScoreKind;
pub use model::{OutlierModel, OutlierParams, OutlierScores, ValidOutlierParams, score_within};
pub use score::{CentroidParams, CentroidScore, LocalParams, LocalParts, LocalScore, MahalanobisScore, Scale, Tally};
pub use shift::{ChangedMix, NewContent, RegionShift, Shift, Side};
