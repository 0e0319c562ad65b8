//! How varied a corpus is, and how completely it shows its own distribution.

mod diversity;
mod sparsity;

pub use diversity::{RAREFIED_TO, diversity, hill_numbers, mean_similarity, rarefied_hill_numbers, vendi_score};
pub use sparsity::sparsity;
