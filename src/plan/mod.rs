//! What to add to a corpus, and where.

mod allocate;
mod batch;
mod budget;
mod document;
mod estimate;
#[cfg(test)]
pub(crate) mod fixture;
mod jsonl;
mod prompt;
mod request;
mod seed;
mod target;
mod weights;

pub use allocate::{Allocation, Budget, PlanParams, REAL_TEXTS_TO_GENERATE_FROM, ValidPlanParams, water_fill};
pub use batch::{BatchFormat, BatchLimits, BatchParams, ValidBatchParams};
pub use document::{AugmentationPlan, LeafPlan, PLAN_SCHEMA_VERSION, PlanHeader, SEED_CHARACTERS};
pub use estimate::{CHARACTERS_PER_TOKEN, Estimate, Prices};
pub use prompt::{PromptTemplate, PromptVariables};
pub use request::{GenerationRequest, RequestId, VARIATIONS_PER_REQUEST};
pub use seed::{SEEDS, seeds};
pub use target::{Target, TargetLeaves};
pub use weights::{LeafWeights, WEIGHT_CAP};
