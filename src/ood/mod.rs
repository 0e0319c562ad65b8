//! How far records lie from a reference: outlier scores and their p-values.

mod calibrate;
mod model;
mod score;

pub use calibrate::Calibration;
pub use model::{OutlierModel, OutlierParams, OutlierScores, ValidOutlierParams, score_within};
pub use score::{CentroidParams, CentroidScore, LocalScore, Scale};
