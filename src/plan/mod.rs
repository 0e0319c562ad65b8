//! What to add to a corpus, and where.

mod allocate;
mod budget;
mod seed;
mod target;

pub use allocate::{Allocation, Budget, PlanParams, REAL_TEXTS_TO_GENERATE_FROM, ValidPlanParams, water_fill};
pub use seed::{SEEDS, seeds};
pub use target::{Target, TargetLeaves};
