//! XLM-RoBERTa: BERT's layers, with positions numbered from the padding token's id + 1.
//!
//! A. Conneau et al., Unsupervised Cross-lingual Representation Learning at Scale, 2020, arXiv:1911.02116.
//!
//! Not through candle-transformers 0.11, which numbers positions in the precision of the weights: bf16 has only 8 bits
//! for them, so that positions past 256 run together.

use candle_core::{DType, Result, Tensor};
use candle_nn::{Activation, Embedding, LayerNorm, Module, VarBuilder, embedding, layer_norm};

use super::Model;
use super::config::Config;
use super::layers::{Names, PostNormLayer, Shape, padding_bias, rooted};

const NAMES: Names = Names {
    query: "attention.self.query",
    key: "attention.self.key",
    value: "attention.self.value",
    output: "attention.output.dense",
    attention_norm: "attention.output.LayerNorm",
    up: "intermediate.dense",
    down: "output.dense",
    output_norm: "output.LayerNorm",
};

pub(super) struct XlmRoberta {
    words: Embedding,
    positions: Embedding,
    /// The segment of every token is the first.
    segment: Tensor,
    norm: LayerNorm,
    layers: Vec<PostNormLayer>,
    padding: u32,
}

impl XlmRoberta {
    pub(super) fn load(config: Config, weights: VarBuilder) -> Result<Self> {
        let weights = rooted(weights, &["", "roberta."], "embeddings.word_embeddings.weight");
        let shape = Shape {
            hidden: config.size(&["hidden_size"])?,
            heads: config.size(&["num_attention_heads"])?,
            inner: config.size(&["intermediate_size"])?,
            eps: config.number_or(&["layer_norm_eps"], 1e-12)?,
            activation: config.activation(&["hidden_act"], Activation::Gelu)?,
        };
        let tables = weights.pp("embeddings");
        let layers = weights.pp("encoder.layer");
        let segments = config.size_or(&["type_vocab_size"], 1)?;
        Ok(Self {
            words: embedding(config.size(&["vocab_size"])?, shape.hidden, tables.pp("word_embeddings"))?,
            positions: embedding(
                config.size(&["max_position_embeddings"])?,
                shape.hidden,
                tables.pp("position_embeddings"),
            )?,
            segment: tables.get((segments, shape.hidden), "token_type_embeddings.weight")?.narrow(0, 0, 1)?,
            norm: layer_norm(shape.hidden, shape.eps, tables.pp("LayerNorm"))?,
            layers: (0..config.size(&["num_hidden_layers"])?)
                .map(|i| PostNormLayer::load(&layers.pp(i), &NAMES, &shape))
                .collect::<Result<_>>()?,
            padding: config.size_or(&["pad_token_id"], 1)? as u32,
        })
    }

    /// b x s: counts the tokens that are not padding from the padding token's id + 1; padding has that id itself.
    fn position_ids(&self, ids: &Tensor) -> Result<Tensor> {
        let is_token = ids.ne(self.padding)?.to_dtype(DType::F32)?;
        let counted = (is_token.cumsum(1)? * is_token)?;
        (counted + f64::from(self.padding))?.to_dtype(DType::U32)
    }
}

impl Model for XlmRoberta {
    fn forward(&self, ids: &Tensor, mask: &Tensor) -> Result<Tensor> {
        let positions = self.positions.forward(&self.position_ids(ids)?)?;
        let x = (self.words.forward(ids)?.broadcast_add(&self.segment)? + positions)?;
        let bias = padding_bias(mask, x.dtype())?;
        self.layers.iter().try_fold(self.norm.forward(&x)?, |x, layer| layer.forward(&x, &bias))
    }

    fn hidden_size(&self) -> usize {
        self.words.hidden_size()
    }
}
