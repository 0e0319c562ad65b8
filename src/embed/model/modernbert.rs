//! ModernBERT: normalization before each part, rotary positions, gated units, and two kinds of layers, of which one sees
//! the whole text and the other only the tokens nearby.
//!
//! B. Warner et al., Smarter, Better, Faster, Longer: A Modern Bidirectional Encoder for Fast, Memory Efficient, and Long
//! Context Finetuning and Inference, 2024, arXiv:2412.13663.
//!
//! Not through candle-transformers 0.11, which keeps masks in f32 and angles in the precision of the weights, so that half
//! precision fails or is wrong, and which reads weights only under `model.`.

use candle_core::{D, Result, Tensor};
use candle_nn::{
    Activation, Embedding, LayerNorm, Linear, Module, VarBuilder, embedding, layer_norm, layer_norm_no_bias, linear_b,
};

use super::Model;
use super::config::Config;
use super::layers::{Rotary, attend, distance_bias, padding_bias, rooted, split_heads};

pub(super) struct ModernBert {
    words: Embedding,
    norm: LayerNorm,
    layers: Vec<Layer>,
    final_norm: LayerNorm,
    near: Rotary,
    far: Rotary,
    /// How many positions away a token is seen by a local layer.
    reach: usize,
}

struct Layer {
    /// The first layer has none: the words are normalized already.
    attention_norm: Option<LayerNorm>,
    qkv: Linear,
    output: Linear,
    unit_norm: LayerNorm,
    gated: Linear,
    down: Linear,
    heads: usize,
    is_local: bool,
    activation: Activation,
}

impl ModernBert {
    pub(super) fn load(config: Config, weights: VarBuilder) -> Result<Self> {
        let weights = rooted(weights, &["", "model."], "embeddings.tok_embeddings.weight");
        let hidden = config.size(&["hidden_size"])?;
        let n_layers = config.size(&["num_hidden_layers"])?;
        let positions = config.size(&["max_position_embeddings"])?;
        let dh = hidden / config.size(&["num_attention_heads"])?;
        let rotary = |theta| Rotary::new(positions, dh, theta, weights.dtype(), weights.device());
        let every = config.size_or(&["global_attn_every_n_layers"], 3)?.max(1);
        let is_local = |i: usize| match config.0["layer_types"][i].as_str() {
            Some(kind) => kind == "sliding_attention",
            None => !i.is_multiple_of(every),
        };
        Ok(Self {
            words: embedding(config.size(&["vocab_size"])?, hidden, weights.pp("embeddings.tok_embeddings"))?,
            norm: norm(config, weights.pp("embeddings.norm"))?,
            layers: (0..n_layers)
                .map(|i| Layer::load(config, is_local(i), &weights.pp("layers").pp(i)))
                .collect::<Result<_>>()?,
            final_norm: norm(config, weights.pp("final_norm"))?,
            near: rotary(config.rope_theta(Some("sliding_attention"), &["local_rope_theta"], 10_000.0)?)?,
            far: rotary(config.rope_theta(Some("full_attention"), &["global_rope_theta"], 160_000.0)?)?,
            reach: config.size_or(&["local_attention"], 128)? / 2,
        })
    }
}

fn norm(config: Config, weights: VarBuilder) -> Result<LayerNorm> {
    let hidden = config.size(&["hidden_size"])?;
    let eps = config.number_or(&["norm_eps", "layer_norm_eps"], 1e-5)?;
    if config.switch("norm_bias") { layer_norm(hidden, eps, weights) } else { layer_norm_no_bias(hidden, eps, weights) }
}

impl Layer {
    fn load(config: Config, is_local: bool, weights: &VarBuilder) -> Result<Self> {
        let hidden = config.size(&["hidden_size"])?;
        let inner = config.size(&["intermediate_size"])?;
        let (attention_bias, unit_bias) = (config.switch("attention_bias"), config.switch("mlp_bias"));
        let has_norm = weights.contains_tensor("attn_norm.weight");
        Ok(Self {
            attention_norm: has_norm.then(|| norm(config, weights.pp("attn_norm"))).transpose()?,
            qkv: linear_b(hidden, 3 * hidden, attention_bias, weights.pp("attn.Wqkv"))?,
            output: linear_b(hidden, hidden, attention_bias, weights.pp("attn.Wo"))?,
            unit_norm: norm(config, weights.pp("mlp_norm"))?,
            gated: linear_b(hidden, 2 * inner, unit_bias, weights.pp("mlp.Wi"))?,
            down: linear_b(inner, hidden, unit_bias, weights.pp("mlp.Wo"))?,
            heads: config.size(&["num_attention_heads"])?,
            is_local,
            activation: config.activation(&["hidden_activation"], Activation::Gelu)?,
        })
    }

    fn forward(&self, x: &Tensor, padding: &Tensor, model: &ModernBert) -> Result<Tensor> {
        let normed = self.attention_norm.as_ref().map_or_else(|| Ok(x.clone()), |norm| norm.forward(x))?;
        let qkv = self.qkv.forward(&normed)?.chunk(3, D::Minus1)?;
        let rotary = if self.is_local { &model.near } else { &model.far };
        let query = rotary.turn(&split_heads(&qkv[0], self.heads)?)?;
        let key = rotary.turn(&split_heads(&qkv[1], self.heads)?)?;
        let seen = attend(&query, &key, &split_heads(&qkv[2], self.heads)?, |queries| {
            if self.is_local {
                let s = x.dim(1)?;
                distance_bias(queries, s, model.reach, x.dtype(), x.device())?.broadcast_add(padding)
            } else {
                Ok(padding.clone())
            }
        })?;
        let x = (self.output.forward(&seen)? + x)?;
        let gated = self.gated.forward(&self.unit_norm.forward(&x)?)?.chunk(2, D::Minus1)?;
        self.down.forward(&(self.activation.forward(&gated[0].contiguous()?)? * &gated[1])?)? + x
    }
}

impl Model for ModernBert {
    fn forward(&self, ids: &Tensor, mask: &Tensor) -> Result<Tensor> {
        let x = self.norm.forward(&self.words.forward(ids)?)?;
        let padding = padding_bias(mask, x.dtype())?;
        let x = self.layers.iter().try_fold(x, |x, layer| layer.forward(&x, &padding, self))?;
        self.final_norm.forward(&x)
    }

    fn hidden_size(&self) -> usize {
        self.words.hidden_size()
    }
}
