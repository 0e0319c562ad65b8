//! How varied a corpus is, how completely it shows its own distribution, and what it lacks beside a reference.

mod diversity;
mod gap;
mod groups;
mod hole;
mod saturation;
mod score;
mod sparsity;

pub use diversity::{RAREFIED_TO, diversity, hill_numbers, mean_similarity, rarefied_hill_numbers, vendi_score};
pub use gap::{GAP_ALPHA, GapKind, LeafTest, MISSING, SUSPECT_RATE, THIN, find_gaps, find_surplus};
pub use groups::{GROUPED_TEXTS, NEAR_DUPLICATE, NearDuplicates};
pub use hole::{HoleTest, find_holes};
pub use saturation::{SAME_TOPIC, saturation};
pub use score::{BALL_NEIGHBOURS, Balls, CoverageScore, Covered};
pub use sparsity::sparsity;
