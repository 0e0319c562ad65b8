//! DistilBERT: BERT's layers under other names, without segments.
//!
//! V. Sanh, L. Debut, J. Chaumond, T. Wolf, DistilBERT, a distilled version of BERT, 2019, arXiv:1910.01108.
//!
//! Not through candle-transformers 0.11, which computes `gelu` by its tanh approximation; the original has the exact one.

use candle_core::{Result, Tensor};
use candle_nn::{Activation, Embedding, LayerNorm, Module, VarBuilder, embedding, layer_norm};

use super::Model;
use super::config::Config;
use super::layers::{Names, PostNormLayer, Shape, padding_bias, rooted};

const NAMES: Names = Names {
    query: "attention.q_lin",
    key: "attention.k_lin",
    value: "attention.v_lin",
    output: "attention.out_lin",
    attention_norm: "sa_layer_norm",
    up: "ffn.lin1",
    down: "ffn.lin2",
    output_norm: "output_layer_norm",
};

pub(super) struct DistilBert {
    words: Embedding,
    positions: Embedding,
    norm: LayerNorm,
    layers: Vec<PostNormLayer>,
}

impl DistilBert {
    pub(super) fn load(config: Config, weights: VarBuilder) -> Result<Self> {
        let weights = rooted(weights, &["", "distilbert."], "embeddings.word_embeddings.weight");
        let shape = Shape {
            hidden: config.size(&["dim"])?,
            heads: config.size(&["n_heads"])?,
            inner: config.size(&["hidden_dim"])?,
            eps: 1e-12,
            activation: config.activation(&["activation"], Activation::Gelu)?,
        };
        let tables = weights.pp("embeddings");
        let layers = weights.pp("transformer.layer");
        Ok(Self {
            words: embedding(config.size(&["vocab_size"])?, shape.hidden, tables.pp("word_embeddings"))?,
            positions: embedding(
                config.size(&["max_position_embeddings"])?,
                shape.hidden,
                tables.pp("position_embeddings"),
            )?,
            norm: layer_norm(shape.hidden, shape.eps, tables.pp("LayerNorm"))?,
            layers: (0..config.size(&["n_layers"])?)
                .map(|i| PostNormLayer::load(&layers.pp(i), &NAMES, &shape))
                .collect::<Result<_>>()?,
        })
    }
}

impl Model for DistilBert {
    fn forward(&self, ids: &Tensor, mask: &Tensor) -> Result<Tensor> {
        let positions = Tensor::arange(0, ids.dim(1)? as u32, ids.device())?;
        let x = self.words.forward(ids)?.broadcast_add(&self.positions.forward(&positions)?)?;
        let bias = padding_bias(mask, x.dtype())?;
        self.layers.iter().try_fold(self.norm.forward(&x)?, |x, layer| layer.forward(&x, &bias))
    }

    fn hidden_size(&self) -> usize {
        self.words.hidden_size()
    }
}
