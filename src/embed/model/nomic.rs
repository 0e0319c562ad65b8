//! Nomic BERT as candle has it: BERT with rotary positions and gated units.
//!
//! Z. Nussbaum, J. X. Morris, B. Duderstadt, A. Mulyar, Nomic Embed: Training a Reproducible Long Context Text Embedder,
//! 2024, arXiv:2402.01613.

use candle_core::{Result, Tensor};
use candle_nn::VarBuilder;
use candle_transformers::models::nomic_bert::{Config as CandleConfig, NomicBertModel};

use super::Model;
use super::config::Config;

pub(super) struct Nomic {
    model: NomicBertModel,
    hidden_size: usize,
}

impl Nomic {
    pub(super) fn load(config: Config, weights: VarBuilder) -> Result<Self> {
        let hidden_size = config.size(&["hidden_size", "n_embd"])?;
        let biased = |name| config.switch(name);
        if !config.find(&["hidden_act", "activation_function"]).is_none_or(|name| name == "silu" || name == "swiglu") {
            candle_core::bail!(
                "config.json: expected activation_function swiglu, got {}",
                config.0["activation_function"]
            );
        }
        let config = CandleConfig {
            vocab_size: config.size(&["vocab_size"])?,
            n_embd: hidden_size,
            n_head: config.size(&["num_attention_heads", "n_head"])?,
            n_layer: config.size(&["num_hidden_layers", "n_layer"])?,
            n_inner: config.size(&["intermediate_size", "n_inner"])?,
            n_positions: config.size(&["max_position_embeddings", "n_positions"])?,
            type_vocab_size: config.size_or(&["type_vocab_size"], 2)?,
            layer_norm_epsilon: config.number_or(&["layer_norm_eps", "layer_norm_epsilon"], 1e-12)?,
            rotary_emb_fraction: config.number_or(&["rotary_emb_fraction"], 1.0)?,
            rotary_emb_base: config.rope_theta(None, &["rotary_emb_base"], 1000.0)?,
            rotary_emb_interleaved: biased("rotary_emb_interleaved"),
            qkv_proj_bias: biased("qkv_proj_bias"),
            mlp_fc1_bias: biased("mlp_fc1_bias"),
            mlp_fc2_bias: biased("mlp_fc2_bias"),
            activation_function: "swiglu".to_owned(),
            prenorm: biased("prenorm"),
            model_type: Some("nomic_bert".to_owned()),
        };
        Ok(Self { model: NomicBertModel::load(weights, &config)?, hidden_size })
    }
}

impl Model for Nomic {
    fn forward(&self, ids: &Tensor, mask: &Tensor) -> Result<Tensor> {
        self.model.forward(ids, None, Some(mask))
    }

    fn hidden_size(&self) -> usize {
        self.hidden_size
    }
}
