//! Forward passes, one file per architecture.

mod bert;
mod bert_weights;
mod config;
mod device_bert;
mod distilbert;
mod layers;
mod modernbert;
mod nomic;
mod packed_bert;
mod qwen3;

use candle_core::Tensor;
use candle_nn::VarBuilder;

use config::Config;
pub(super) use device_bert::DeviceBert;
pub(super) use packed_bert::{PackedBert, Scratch};

/// A forward pass: from a padded batch of token ids to token vectors.
pub trait Model: Send + Sync {
    /// Token vectors, b x s x d, of `ids` (b x s, u32, padded on the right); `mask` (b x s, u32) is 1 for a token and
    /// 0 for padding. What stands in the rows of padding is of no interest to the caller, but it is finite.
    ///
    /// # Errors
    /// If the device fails, or runs out of memory.
    fn forward(&self, ids: &Tensor, mask: &Tensor) -> candle_core::Result<Tensor>;

    /// d: components of a token vector.
    fn hidden_size(&self) -> usize;
}

/// Builds the architecture that `config` (a `config.json`) names in `model_type`.
///
/// # Errors
/// If the architecture is not known, or weights are missing or of other shapes than `config` says.
pub fn load(config: &serde_json::Value, weights: VarBuilder) -> candle_core::Result<Box<dyn Model>> {
    let fields = Config(config);
    Ok(match config["model_type"].as_str() {
        Some("bert") => Box::new(bert::Bert::load(fields, weights, false)?),
        Some("distilbert") => Box::new(distilbert::DistilBert::load(fields, weights)?),
        Some("modernbert") => Box::new(modernbert::ModernBert::load(fields, weights)?),
        Some("nomic_bert") => Box::new(nomic::Nomic::load(fields, weights)?),
        Some("qwen3") => Box::new(qwen3::Qwen3::load(fields, weights)?),
        Some("roberta" | "xlm-roberta") => Box::new(bert::Bert::load(fields, weights, true)?),
        other => candle_core::bail!(
            "expected a model_type that is known here (bert, distilbert, modernbert, nomic_bert, qwen3, roberta, xlm-roberta), \
             got {}",
            other.unwrap_or("none")
        ),
    })
}
