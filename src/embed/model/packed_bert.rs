//! BERT on a CPU: the tokens of many texts in one matrix, without padding.
//!
//! J. Devlin, M.-W. Chang, K. Lee, K. Toutanova, BERT: Pre-training of Deep Bidirectional Transformers for Language
//! Understanding, 2019, arXiv:1810.04805. `RoBERTa` and `XLM-RoBERTa` are the same network.
//!
//! Departures from the usual padded batch, none of which changes what is computed:
//! - Linear layers run over the tokens of all texts. A token's sums do not depend on its neighbours ([`Linear`]).
//! - Attention runs text by text over the text's own tokens: no mask, and shapes that depend on its length alone.
//! - Queries, keys and values come from one product.
//!
//! So a text has the same vectors, byte for byte, in any batch. Cost per token, for hidden size H, inner size F and
//! a text of S tokens: 2 (4 H H + 2 H F) + 4 S H floating-point operations per layer.

use candle_core::Result;
use candle_nn::VarBuilder;
use rayon::prelude::*;

use super::bert_weights::{BertWeights, LinearWeights, NormWeights, Places};
use crate::embed::Precision;
use crate::embed::kernel::{Activation, AttentionBuffers, Heads, LayerNorm, Level, Linear, Rounded, attend, padded};

/// Tokens whose inner activations are held at once: with them, a layer's work stays in a core's second cache.
const INNER_TOKENS: usize = 64;

/// A BERT encoder, packed for this processor.
#[derive(Debug)]
pub(crate) struct PackedBert {
    level: Level,
    hidden_size: usize,
    heads: Heads,
    /// Vocabulary x hidden.
    words: Vec<f32>,
    /// Position and first token type, added up: positions x hidden.
    positions: Vec<f32>,
    places: Places,
    embedding_norm: LayerNorm,
    layers: Vec<Layer>,
}

#[derive(Debug)]
struct Layer {
    query_key_value: Linear,
    attention_output: Linear,
    attention_norm: LayerNorm,
    inner: Linear,
    output: Linear,
    output_norm: LayerNorm,
}

/// Buffers of a forward pass, kept from one call to the next.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    hidden: Vec<f32>,
    query_key_value: Vec<f32>,
    context: Vec<f32>,
    inner: Vec<f32>,
    product: Vec<f32>,
    attention: AttentionBuffers,
    rounded: Rounded,
}

impl PackedBert {
    /// Builds the network for `level` if it is one that runs packed; `None` if it is another.
    pub(crate) fn load(
        config: &serde_json::Value,
        weights: &VarBuilder,
        precision: Precision,
        level: Level,
    ) -> Result<Option<Self>> {
        let Some(weights) = BertWeights::find(config, weights)? else { return Ok(None) };
        let config = &weights.config;
        let (hidden, heads) = (config.hidden_size, config.num_attention_heads);
        let norm = |norm: NormWeights| LayerNorm::new(norm.scale, norm.shift, config.layer_norm_eps as f32);
        let linear = |weight: LinearWeights| Linear::new(level, precision, &weight.rows, weight.inputs, weight.bias);
        let layer = |i| {
            let weights = weights.layer(i)?;
            Ok(Layer {
                query_key_value: linear(weights.query_key_value),
                attention_output: linear(weights.attention_output),
                attention_norm: norm(weights.attention_norm),
                inner: linear(weights.inner),
                output: linear(weights.output),
                output_norm: norm(weights.output_norm),
            })
        };
        let (positions, places) = weights.positions()?;
        Ok(Some(Self {
            level,
            hidden_size: hidden,
            heads: Heads { heads, size: hidden / heads },
            words: weights.words()?,
            positions,
            places,
            embedding_norm: norm(weights.embedding_norm()?),
            layers: (0..config.num_hidden_layers).into_par_iter().map(layer).collect::<Result<_>>()?,
        }))
    }

    /// Components of a token vector.
    pub(crate) fn hidden_size(&self) -> usize {
        self.hidden_size
    }

    /// Most tokens of a text.
    pub(crate) fn max_tokens(&self) -> usize {
        self.places.max_tokens()
    }

    /// Token vectors of texts, one after the other.
    pub(crate) fn forward<'a>(&self, texts: &[&[u32]], scratch: &'a mut Scratch) -> Result<&'a [f32]> {
        let tokens: usize = texts.iter().map(|ids| ids.len()).sum();
        let (level, size, stride) = (self.level, self.hidden_size, padded(self.hidden_size));
        let Scratch { hidden, query_key_value, context, inner, product, attention, rounded } = scratch;
        for rows in [&mut *hidden, context, product] {
            rows.clear();
            rows.resize(tokens * stride, 0.0);
        }
        self.embed(texts, hidden)?;
        self.embedding_norm.forward(level, hidden, product);
        for layer in &self.layers {
            let input_stride = layer.query_key_value.outputs();
            query_key_value.resize(tokens * input_stride, 0.0);
            layer.query_key_value.forward(level, hidden, query_key_value, Activation::None, rounded);
            let (mut input_left, mut context_left) = (query_key_value.as_slice(), context.as_mut_slice());
            for ids in texts {
                let (input, input_rest) = input_left.split_at(ids.len() * input_stride);
                let (context, context_rest) = std::mem::take(&mut context_left).split_at_mut(ids.len() * stride);
                attend(level, self.heads, ids.len(), input, context, attention);
                (input_left, context_left) = (input_rest, context_rest);
            }
            layer.attention_output.forward(level, context, product, Activation::None, rounded);
            layer.attention_norm.forward(level, hidden, product);
            inner.resize(tokens.min(INNER_TOKENS) * layer.inner.outputs(), 0.0);
            for block in hidden.chunks_mut(INNER_TOKENS * stride) {
                let inner = &mut inner[..block.len() / stride * layer.inner.outputs()];
                let product = &mut product[..block.len()];
                layer.inner.forward(level, block, inner, Activation::Gelu, rounded);
                layer.output.forward(level, inner, product, Activation::None, rounded);
                layer.output_norm.forward(level, block, product);
            }
        }
        if stride > size {
            for token in 0..tokens {
                hidden.copy_within(token * stride..token * stride + size, token * size);
            }
        }
        Ok(&hidden[..tokens * size])
    }

    /// Writes the sum of word, position and type embeddings.
    fn embed(&self, texts: &[&[u32]], hidden: &mut [f32]) -> Result<()> {
        let size = self.hidden_size;
        let mut rows = hidden.chunks_exact_mut(padded(size));
        for ids in texts {
            if ids.len() > self.max_tokens() {
                candle_core::bail!("expected at most {} tokens, got {}", self.max_tokens(), ids.len());
            }
            for ((&id, place), row) in ids.iter().zip(self.places.of(ids)).zip(&mut rows) {
                let Some(word) = self.words.get(id as usize * size..(id as usize + 1) * size) else {
                    candle_core::bail!("expected token ids below {}, got {id}", self.words.len() / size);
                };
                let position = &self.positions[place as usize * size..][..size];
                for ((x, &word), &position) in row.iter_mut().zip(word).zip(position) {
                    *x = word + position;
                }
            }
        }
        Ok(())
    }
}

#[cfg(all(test, feature = "embedded-model"))]
mod tests {
    use candle_core::{DType, Device, Tensor};
    use candle_transformers::models::bert::BertModel;

    use super::*;
    use crate::embed::{Artifacts, Weights};

    /// Every level and precision against candle's own BERT in f32, text by text; and no text depends on its batch.
    #[test]
    fn every_level_and_precision_agrees_with_candle() {
        let artifacts = Artifacts::embedded().unwrap();
        let Weights::Embedded(bytes) = artifacts.weights else { panic!("weights are in the binary") };
        let tensors = candle_core::safetensors::load_buffer(bytes, &Device::Cpu).unwrap();
        let weights = VarBuilder::from_tensors(tensors, DType::F32, &Device::Cpu);
        let config: serde_json::Value = serde_json::from_str(&artifacts.config_json).unwrap();
        let oracle = BertModel::load(weights.clone(), &serde_json::from_value(config.clone()).unwrap()).unwrap();
        let id = |i: u32| 1000 + i.wrapping_mul(2_654_435_761) % 29_000;
        let texts: Vec<Vec<u32>> = [1, 5, 9, 16, 17, 61].map(|n| (n..2 * n).map(id).collect()).to_vec();
        let texts: Vec<&[u32]> = texts.iter().map(Vec::as_slice).collect();
        let expected = texts.iter().map(|ids| {
            let ids = Tensor::new(*ids, &Device::Cpu).unwrap().unsqueeze(0).unwrap();
            oracle
                .forward(&ids, &ids.zeros_like().unwrap(), None)
                .unwrap()
                .flatten_all()
                .unwrap()
                .to_vec1::<f32>()
                .unwrap()
        });
        let expected: Vec<Vec<f32>> = expected.collect();
        let precisions = [(Precision::F32, 0.999_999), (Precision::Bf16, 0.999), (Precision::Int8, 0.95)];
        for (level, (precision, least)) in Level::available().into_iter().flat_map(|l| precisions.map(|p| (l, p))) {
            let bert = PackedBert::load(&config, &weights, precision, level).unwrap().unwrap();
            let mut scratch = Scratch::default();
            let together = bert.forward(&texts, &mut scratch).unwrap().to_vec();
            let mut left = together.as_slice();
            for (ids, expected) in texts.iter().zip(&expected) {
                let (own, rest) = left.split_at(ids.len() * bert.hidden_size());
                assert!(own == bert.forward(&[ids], &mut scratch).unwrap(), "{level:?} {precision:?}: bytes differ");
                let pairs = || own.iter().zip(expected).map(|(&a, &b)| (f64::from(a), f64::from(b)));
                let [ab, aa, bb] = pairs().fold([0.0; 3], |[ab, aa, bb], (a, b)| [ab + a * b, aa + a * a, bb + b * b]);
                let cosine = ab / (aa * bb).sqrt();
                assert!(cosine >= least, "{level:?} {precision:?}, {} tokens: cosine {cosine}", ids.len());
                left = rest;
            }
        }
    }
}
