//! BERT on a CPU: the tokens of many texts in one matrix, without padding.
//!
//! J. Devlin, M.-W. Chang, K. Lee, K. Toutanova, BERT: Pre-training of Deep Bidirectional Transformers for Language
//! Understanding, 2019, arXiv:1810.04805. `RoBERTa` and `XLM-RoBERTa` are the same network with positions that begin
//! behind the padding token's id.
//!
//! Departures from the usual padded batch, none of which changes what is computed:
//! - Linear layers run over the tokens of all texts. A token's sums do not depend on its neighbours ([`Linear`]).
//! - Attention runs text by text over the text's own tokens: no mask, and shapes that depend on its length alone.
//! - Queries, keys and values come from one product; 1 / sqrt(head size) is part of the query weights.
//!
//! So a text has the same vectors, byte for byte, in any batch. Cost per token, for hidden size H, inner size F and
//! a text of S tokens: 2 (4 H H + 2 H F) + 4 S H floating-point operations per layer.

use candle_core::{Error, Result};
use candle_nn::VarBuilder;
use rayon::prelude::*;
use serde::Deserialize;

use crate::embed::Precision;
use crate::embed::kernel::{Activation, AttentionBuffers, Heads, LayerNorm, Level, Linear, Rounded, attend, padded};

/// Tokens whose inner activations are held at once: with them, a layer's work stays in a core's second cache.
const INNER_TOKENS: usize = 64;

#[derive(Debug, Deserialize)]
struct Config {
    model_type: String,
    hidden_act: String,
    #[serde(default = "absolute")]
    position_embedding_type: String,
    hidden_size: usize,
    intermediate_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    vocab_size: usize,
    max_position_embeddings: usize,
    type_vocab_size: usize,
    layer_norm_eps: f64,
    #[serde(default)]
    pad_token_id: usize,
}

fn absolute() -> String {
    "absolute".to_owned()
}

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
        if !matches!(config["model_type"].as_str(), Some("bert" | "roberta" | "xlm-roberta")) {
            return Ok(None);
        }
        let config = Config::deserialize(config).map_err(Error::wrap)?;
        if config.hidden_act != "gelu" || config.position_embedding_type != "absolute" {
            return Ok(None);
        }
        if config.num_attention_heads == 0 || !config.hidden_size.is_multiple_of(config.num_attention_heads) {
            let (size, heads) = (config.hidden_size, config.num_attention_heads);
            candle_core::bail!("expected a hidden size that is a multiple of the heads, got {size} and {heads}");
        }
        let prefix = if config.model_type == "bert" { "bert" } else { "roberta" };
        let is_prefixed = weights.contains_tensor(&format!("{prefix}.embeddings.word_embeddings.weight"));
        let weights = if is_prefixed { weights.pp(prefix) } else { weights.clone() };
        Self::load_network(&config, &weights, precision, level).map(Some)
    }

    fn load_network(config: &Config, weights: &VarBuilder, precision: Precision, level: Level) -> Result<Self> {
        let hidden = config.hidden_size;
        let embeddings = weights.pp("embeddings");
        let table = |rows, name: &str| embeddings.pp(name).get((rows, hidden), "weight")?.flatten_all()?.to_vec1();
        let first_position = if config.model_type == "bert" { 0 } else { config.pad_token_id + 1 };
        let first_type: Vec<f32> = table(config.type_vocab_size, "token_type_embeddings")?;
        let mut positions: Vec<f32> = table(config.max_position_embeddings, "position_embeddings")?;
        positions.drain(..(first_position * hidden).min(positions.len()));
        for row in positions.chunks_exact_mut(hidden) {
            for (x, &of_type) in row.iter_mut().zip(&first_type) {
                *x += of_type;
            }
        }
        let linear = |weight: Weight| Linear::new(level, precision, &weight.rows, weight.inputs, weight.bias);
        let layers = (0..config.num_hidden_layers)
            .into_par_iter()
            .map(|i| Layer::load(config, &weights.pp("encoder.layer").pp(i), &linear))
            .collect::<Result<_>>()?;
        Ok(Self {
            level,
            hidden_size: hidden,
            heads: Heads { heads: config.num_attention_heads, size: hidden / config.num_attention_heads },
            words: table(config.vocab_size, "word_embeddings")?,
            positions,
            embedding_norm: load_norm(config, &embeddings.pp("LayerNorm"))?,
            layers,
        })
    }

    /// Components of a token vector.
    pub(crate) fn hidden_size(&self) -> usize {
        self.hidden_size
    }

    /// Most tokens of a text.
    pub(crate) fn max_tokens(&self) -> usize {
        self.positions.len() / self.hidden_size
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
            for ((&id, position), row) in ids.iter().zip(self.positions.chunks_exact(size)).zip(&mut rows) {
                let Some(word) = self.words.get(id as usize * size..(id as usize + 1) * size) else {
                    candle_core::bail!("expected token ids below {}, got {id}", self.words.len() / size);
                };
                for ((x, &word), &position) in row.iter_mut().zip(word).zip(position) {
                    *x = word + position;
                }
            }
        }
        Ok(())
    }
}

/// A linear layer as it is stored: for each output a row of inputs, and a bias.
struct Weight {
    rows: Vec<f32>,
    inputs: usize,
    bias: Vec<f32>,
}

impl Weight {
    fn load(inputs: usize, outputs: usize, weights: &VarBuilder) -> Result<Self> {
        let rows = weights.get((outputs, inputs), "weight")?.flatten_all()?.to_vec1()?;
        Ok(Self { rows, inputs, bias: weights.get(outputs, "bias")?.to_vec1()? })
    }

    /// Queries, keys and values in one layer.
    fn load_query_key_value(config: &Config, weights: &VarBuilder) -> Result<Self> {
        let hidden = config.hidden_size;
        let head_size = hidden / config.num_attention_heads;
        let scale = 1.0 / (head_size as f32).sqrt();
        let mut all = Self::load(hidden, hidden, &weights.pp("query"))?;
        for x in all.rows.iter_mut().chain(&mut all.bias) {
            *x *= scale;
        }
        for name in ["key", "value"] {
            let part = Self::load(hidden, hidden, &weights.pp(name))?;
            all.rows.extend(part.rows);
            all.bias.extend(part.bias);
        }
        Ok(all)
    }
}

impl Layer {
    fn load(config: &Config, weights: &VarBuilder, linear: &impl Fn(Weight) -> Linear) -> Result<Self> {
        let (hidden, inner) = (config.hidden_size, config.intermediate_size);
        let attention = weights.pp("attention");
        Ok(Self {
            query_key_value: linear(Weight::load_query_key_value(config, &attention.pp("self"))?),
            attention_output: linear(Weight::load(hidden, hidden, &attention.pp("output.dense"))?),
            attention_norm: load_norm(config, &attention.pp("output.LayerNorm"))?,
            inner: linear(Weight::load(hidden, inner, &weights.pp("intermediate.dense"))?),
            output: linear(Weight::load(inner, hidden, &weights.pp("output.dense"))?),
            output_norm: load_norm(config, &weights.pp("output.LayerNorm"))?,
        })
    }
}

fn load_norm(config: &Config, weights: &VarBuilder) -> Result<LayerNorm> {
    let get = |name| weights.get(config.hidden_size, name)?.to_vec1();
    Ok(LayerNorm::new(get("weight")?, get("bias")?, config.layer_norm_eps as f32))
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
