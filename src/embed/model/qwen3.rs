//! Qwen3 as candle has it: a causal decoder whose last token has read the whole text. Padding stands on the right, where
//! no token of the text sees it, so that no mask is needed.
//!
//! Y. Zhang et al., Qwen3 Embedding: Advancing Text Embedding and Reranking Through Foundation Models, 2025,
//! arXiv:2506.05176.

use candle_core::{Result, Tensor};
use candle_nn::{Activation, VarBuilder};
use candle_transformers::models::qwen3::{Config as CandleConfig, Model as CandleModel};

use super::Model;
use super::config::Config;

pub(super) struct Qwen3 {
    model: CandleModel,
    hidden_size: usize,
}

impl Qwen3 {
    pub(super) fn load(config: Config, weights: VarBuilder) -> Result<Self> {
        let hidden_size = config.size(&["hidden_size"])?;
        let num_attention_heads = config.size(&["num_attention_heads"])?;
        let num_hidden_layers = config.size(&["num_hidden_layers"])?;
        let config = CandleConfig {
            vocab_size: config.size(&["vocab_size"])?,
            hidden_size,
            intermediate_size: config.size(&["intermediate_size"])?,
            num_hidden_layers,
            num_attention_heads,
            head_dim: config.size_or(&["head_dim"], 128)?,
            attention_bias: config.switch("attention_bias"),
            num_key_value_heads: config.size_or(&["num_key_value_heads"], num_attention_heads)?,
            max_position_embeddings: config.size(&["max_position_embeddings"])?,
            sliding_window: None,
            max_window_layers: num_hidden_layers,
            tie_word_embeddings: true,
            rope_theta: config.rope_theta(None, &["rope_theta"], 1_000_000.0)?,
            rms_norm_eps: config.number_or(&["rms_norm_eps"], 1e-6)?,
            // Refused by candle.
            use_sliding_window: config.switch("use_sliding_window"),
            hidden_act: config.activation(&["hidden_act"], Activation::Silu)?,
        };
        // candle looks under `model.`, where an encoder saved without its language head has its weights at the top.
        let weights = if weights.contains_tensor("model.embed_tokens.weight") {
            weights
        } else {
            weights.rename_f(|name| name.strip_prefix("model.").unwrap_or(name).to_owned())
        };
        Ok(Self { model: CandleModel::new(&config, weights)?, hidden_size })
    }
}

impl Model for Qwen3 {
    fn forward(&self, ids: &Tensor, _mask: &Tensor) -> Result<Tensor> {
        // The forward pass appends to a cache of keys and values; that of the original stays empty. Weights are shared.
        self.model.clone().forward(ids, 0)
    }

    fn hidden_size(&self) -> usize {
        self.hidden_size
    }
}
