//! What to add to a corpus, and where.

mod allocate;
mod budget;

pub use allocate::{Allocation, Budget, PlanParams, REAL_TEXTS_TO_GENERATE_FROM, ValidPlanParams, water_fill};
