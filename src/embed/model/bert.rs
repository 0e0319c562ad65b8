//! BERT in padded batches, as it runs on a GPU. `RoBERTa` and `XLM-RoBERTa` are the same network with positions numbered from
//! the padding token's id + 1.
//!
//! J. Devlin, M.-W. Chang, K. Lee, K. Toutanova, BERT: Pre-training of Deep Bidirectional Transformers for Language
//! Understanding, 2019, arXiv:1810.04805; A. Conneau et al., Unsupervised Cross-lingual Representation Learning at Scale,
//! 2020, arXiv:1911.02116.
//!
//! Not through candle-transformers 0.11: its BERT materialises every mask and does not know candle's fused attention, and its
//! XLM-RoBERTa numbers positions in the precision of the weights, of which bf16 has but 8 bits. Tests compare with both.

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

pub(super) struct Bert {
    words: Embedding,
    positions: Embedding,
    /// The segment of every token is the first.
    segment: Tensor,
    norm: LayerNorm,
    layers: Vec<PostNormLayer>,
    /// The padding token, if positions depend on it.
    padding: Option<u32>,
}

impl Bert {
    /// `counts_tokens` if positions are those of `RoBERTa`.
    pub(super) fn load(config: Config, weights: VarBuilder, counts_tokens: bool) -> Result<Self> {
        let weights = rooted(weights, &["", "bert.", "roberta."], "embeddings.word_embeddings.weight");
        if let Some(kind) = config.find(&["position_embedding_type"]).filter(|kind| *kind != "absolute") {
            candle_core::bail!("config.json: expected absolute positions, got {kind}");
        }
        let padding = if counts_tokens { Some(config.size_or(&["pad_token_id"], 1)? as u32) } else { None };
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
            padding,
        })
    }

    /// What is added to the words of b x s tokens: s or b x s rows. With a padding token, the tokens that are not padding are
    /// counted from its id + 1, and padding has that id itself.
    fn positions(&self, ids: &Tensor) -> Result<Tensor> {
        let Some(padding) = self.padding else {
            return self.positions.forward(&Tensor::arange(0, ids.dim(1)? as u32, ids.device())?);
        };
        let is_token = ids.ne(padding)?.to_dtype(DType::F32)?;
        let counted = (is_token.cumsum(1)? * is_token)?;
        self.positions.forward(&(counted + f64::from(padding))?.to_dtype(DType::U32)?)
    }
}

impl Model for Bert {
    fn forward(&self, ids: &Tensor, mask: &Tensor) -> Result<Tensor> {
        let x = self.words.forward(ids)?.broadcast_add(&self.segment)?.broadcast_add(&self.positions(ids)?)?;
        let bias = padding_bias(mask, x.dtype())?;
        self.layers.iter().try_fold(self.norm.forward(&x)?, |x, layer| layer.forward(&x, &bias))
    }

    fn hidden_size(&self) -> usize {
        self.words.hidden_size()
    }
}
