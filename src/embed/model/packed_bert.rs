//! BERT on a CPU: the tokens of many texts in one matrix, without padding.
//!
//! J. Devlin, M.-W. Chang, K. Lee, K. Toutanova, BERT: Pre-training of Deep Bidirectional Transformers for Language
//! Understanding, 2019, arXiv:1810.04805. `RoBERTa` and `XLM-RoBERTa` are the same network with positions that begin
//! behind the padding token's id.
//!
//! Departures from the usual padded batch, none of which changes what is computed:
//! - Linear layers run over tiles of exactly [`TILE`] tokens, the last one filled up with zeros. Every product has one
//!   shape then, so a token's sums do not depend on its neighbours.
//! - Attention runs text by text over the text's own tokens: no mask, and shapes that depend on its length alone.
//! - Queries, keys and values come from one product; 1 / sqrt(head size) is part of the query weights.
//!
//! So a text has the same vectors, byte for byte, in any batch. Cost per token, for hidden size H, inner size F and
//! a text of S tokens: 2 (4 H H + 2 H F) + 4 S H floating-point operations per layer.

use candle_core::{Error, Result};
use candle_nn::VarBuilder;
use serde::Deserialize;

use crate::embed::kernel::{LayerNorm, Matrix, add_bias, add_bias_gelu, multiply, softmax};

/// Tokens per product of a linear layer. Larger tiles are up to 8 % faster, but even a short text alone fills a tile.
const TILE: usize = 32;

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

/// A BERT encoder with its weights in f32.
#[derive(Debug)]
pub(crate) struct PackedBert {
    hidden_size: usize,
    heads: usize,
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

/// A linear layer whose bias is left to the caller.
#[derive(Debug)]
struct Linear {
    /// Inputs x outputs: the transpose of how it is stored, since products are faster so.
    weight: Vec<f32>,
    bias: Vec<f32>,
}

impl Linear {
    fn forward(&self, tile: &[f32], out: &mut [f32]) {
        let outputs = self.bias.len();
        let inputs = self.weight.len() / outputs;
        multiply(Matrix::row_major(tile, inputs), Matrix::row_major(&self.weight, outputs), out, outputs);
    }
}

/// Buffers of a forward pass, kept from one call to the next.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    hidden: Vec<f32>,
    query_key_value: Vec<f32>,
    context: Vec<f32>,
    scores: Vec<f32>,
    inner: Vec<f32>,
    product: Vec<f32>,
}

impl PackedBert {
    /// Builds the network if it is one that runs packed; `None` if it is another.
    pub(crate) fn load(config: &serde_json::Value, weights: &VarBuilder) -> Result<Option<Self>> {
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
        Self::load_network(&config, &weights).map(Some)
    }

    fn load_network(config: &Config, weights: &VarBuilder) -> Result<Self> {
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
        let layers = (0..config.num_hidden_layers).map(|i| Layer::load(config, &weights.pp("encoder.layer").pp(i)));
        Ok(Self {
            hidden_size: hidden,
            heads: config.num_attention_heads,
            words: table(config.vocab_size, "word_embeddings")?,
            positions,
            embedding_norm: load_norm(config, &embeddings.pp("LayerNorm"))?,
            layers: layers.collect::<Result<_>>()?,
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

    /// Token vectors of texts, one after the other: as many rows as the texts have tokens, and then some.
    pub(crate) fn forward<'a>(&self, texts: &[&[u32]], scratch: &'a mut Scratch) -> Result<&'a [f32]> {
        let tokens: usize = texts.iter().map(|ids| ids.len()).sum();
        let hidden_size = self.hidden_size;
        let size = tokens.next_multiple_of(TILE) * hidden_size;
        let Scratch { hidden, query_key_value, context, scores, inner, product } = scratch;
        // What is left from another call stands in no row that is used, except in the last tile of `context`.
        hidden.resize(size, 0.0);
        query_key_value.resize(3 * size, 0.0);
        context.clear();
        context.resize(size, 0.0);
        product.resize(TILE * hidden_size, 0.0);

        self.embed(texts, hidden)?;
        for layer in &self.layers {
            let tiles = hidden.chunks_exact(TILE * hidden_size);
            for (tile, out) in tiles.zip(query_key_value.chunks_exact_mut(3 * TILE * hidden_size)) {
                layer.query_key_value.forward(tile, out);
                add_bias(out, &layer.query_key_value.bias);
            }
            let mut first = 0;
            for ids in texts {
                let input = &query_key_value[first * 3 * hidden_size..];
                self.attend(ids.len(), input, scores, &mut context[first * hidden_size..]);
                first += ids.len();
            }
            inner.resize(TILE * layer.inner.bias.len(), 0.0);
            let tiles = hidden.chunks_exact_mut(TILE * hidden_size);
            for (tile, context) in tiles.zip(context.chunks_exact(TILE * hidden_size)) {
                layer.attention_output.forward(context, product);
                layer.attention_norm.forward_residual(tile, product, &layer.attention_output.bias);
                layer.inner.forward(tile, inner);
                add_bias_gelu(inner, &layer.inner.bias);
                layer.output.forward(inner, product);
                layer.output_norm.forward_residual(tile, product, &layer.output.bias);
            }
        }
        Ok(&hidden[..])
    }

    /// Writes the sum of word, position and type embeddings, normalized; zeros behind the last token.
    fn embed(&self, texts: &[&[u32]], hidden: &mut [f32]) -> Result<()> {
        let size = self.hidden_size;
        let mut rows = hidden.chunks_exact_mut(size);
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
                self.embedding_norm.forward(row);
            }
        }
        rows.for_each(|row| row.fill(0.0));
        Ok(())
    }

    /// Attention within one text of `tokens` tokens: each head's values, weighted by the softmax of its queries times
    /// its keys. `input` has queries, keys and values side by side.
    fn attend(&self, tokens: usize, input: &[f32], scores: &mut Vec<f32>, context: &mut [f32]) {
        let hidden = self.hidden_size;
        let head_size = hidden / self.heads;
        scores.resize(tokens * tokens, 0.0);
        for first in (0..hidden).step_by(head_size) {
            let part = |i: usize| Matrix::strided(&input[i * hidden + first..], tokens, head_size, 3 * hidden);
            multiply(part(0), part(1).transposed(), scores, tokens);
            softmax(scores, tokens);
            multiply(Matrix::row_major(scores, tokens), part(2), &mut context[first..], hidden);
        }
    }
}

impl Layer {
    fn load(config: &Config, weights: &VarBuilder) -> Result<Self> {
        let (hidden, inner) = (config.hidden_size, config.intermediate_size);
        let attention = weights.pp("attention");
        Ok(Self {
            query_key_value: load_query_key_value(config, &attention.pp("self"))?,
            attention_output: load_linear(hidden, hidden, &attention.pp("output.dense"))?,
            attention_norm: load_norm(config, &attention.pp("output.LayerNorm"))?,
            inner: load_linear(hidden, inner, &weights.pp("intermediate.dense"))?,
            output: load_linear(inner, hidden, &weights.pp("output.dense"))?,
            output_norm: load_norm(config, &weights.pp("output.LayerNorm"))?,
        })
    }
}

fn load_linear(inputs: usize, outputs: usize, weights: &VarBuilder) -> Result<Linear> {
    let weight = weights.get((outputs, inputs), "weight")?.t()?.flatten_all()?.to_vec1()?;
    Ok(Linear { weight, bias: weights.get(outputs, "bias")?.to_vec1()? })
}

fn load_query_key_value(config: &Config, weights: &VarBuilder) -> Result<Linear> {
    let hidden = config.hidden_size;
    let head_size = hidden / config.num_attention_heads;
    let scale = 1.0 / (head_size as f64).sqrt();
    let part = |name: &str, scale: f64| {
        let weights = weights.pp(name);
        Ok::<_, Error>(((weights.get((hidden, hidden), "weight")? * scale)?, (weights.get(hidden, "bias")? * scale)?))
    };
    let (query, query_bias) = part("query", scale)?;
    let (key, key_bias) = part("key", 1.0)?;
    let (value, value_bias) = part("value", 1.0)?;
    let weight = candle_core::Tensor::cat(&[query, key, value], 0)?.t()?.flatten_all()?.to_vec1()?;
    let bias = candle_core::Tensor::cat(&[query_bias, key_bias, value_bias], 0)?.to_vec1()?;
    Ok(Linear { weight, bias })
}

fn load_norm(config: &Config, weights: &VarBuilder) -> Result<LayerNorm> {
    Ok(LayerNorm {
        weight: weights.get(config.hidden_size, "weight")?.to_vec1()?,
        bias: weights.get(config.hidden_size, "bias")?.to_vec1()?,
        epsilon: config.layer_norm_eps as f32,
    })
}
