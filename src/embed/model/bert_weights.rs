//! The weights of BERT as files have them, for the two forward passes that take them apart.
//!
//! J. Devlin, M.-W. Chang, K. Lee, K. Toutanova, BERT: Pre-training of Deep Bidirectional Transformers for Language
//! Understanding, 2019, arXiv:1810.04805. `RoBERTa` and `XLM-RoBERTa` are the same network with positions that begin
//! behind the padding token's id.
//!
//! Departures from the files: position and first token type are one table, queries, keys and values one layer, and
//! 1 / sqrt(head size) is part of the query weights.

use candle_core::{Error, Result};
use candle_nn::VarBuilder;
use serde::Deserialize;

/// The fields of a `config.json` that shape the network.
#[derive(Debug, Deserialize)]
pub(super) struct Config {
    model_type: String,
    hidden_act: String,
    #[serde(default = "absolute")]
    position_embedding_type: String,
    pub(super) hidden_size: usize,
    pub(super) intermediate_size: usize,
    pub(super) num_hidden_layers: usize,
    pub(super) num_attention_heads: usize,
    vocab_size: usize,
    max_position_embeddings: usize,
    type_vocab_size: usize,
    pub(super) layer_norm_eps: f64,
    #[serde(default)]
    pad_token_id: usize,
}

fn absolute() -> String {
    "absolute".to_owned()
}

/// A BERT that was found in files.
pub(super) struct BertWeights<'a> {
    pub(super) config: Config,
    weights: VarBuilder<'a>,
}

/// Which row of the table of positions a token has. `RoBERTa` counts the tokens that are not padding; padding, which a text can
/// contain as any other token, has the last row.
#[derive(Clone, Copy, Debug)]
pub(super) struct Places {
    rows: usize,
    padding: Option<u32>,
}

impl Places {
    /// Most tokens of a text.
    pub(super) fn max_tokens(self) -> usize {
        self.rows.saturating_sub(usize::from(self.padding.is_some()))
    }

    /// The row of each of at most [`max_tokens`](Self::max_tokens) tokens.
    pub(super) fn of(self, ids: &[u32]) -> impl Iterator<Item = u32> {
        let mut counted = 0;
        ids.iter().map(move |&id| {
            if self.padding == Some(id) {
                return self.rows as u32 - 1;
            }
            counted += 1;
            counted - 1
        })
    }
}

/// A linear layer: for each output a row of inputs, and a bias.
pub(super) struct LinearWeights {
    pub(super) rows: Vec<f32>,
    pub(super) inputs: usize,
    pub(super) bias: Vec<f32>,
}

/// A layer normalization: a factor and a summand for each component.
pub(super) struct NormWeights {
    pub(super) scale: Vec<f32>,
    pub(super) shift: Vec<f32>,
}

/// A layer of the encoder. The outputs of the first are queries, scaled, then keys, then values.
pub(super) struct LayerWeights {
    pub(super) query_key_value: LinearWeights,
    pub(super) attention_output: LinearWeights,
    pub(super) attention_norm: NormWeights,
    pub(super) inner: LinearWeights,
    pub(super) output: LinearWeights,
    pub(super) output_norm: NormWeights,
}

impl<'a> BertWeights<'a> {
    /// The network that `config` describes, if it is one of BERT's family.
    pub(super) fn find(config: &serde_json::Value, weights: &VarBuilder<'a>) -> Result<Option<Self>> {
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
        Ok(Some(Self { config, weights }))
    }

    fn table(&self, rows: usize, name: &str) -> Result<Vec<f32>> {
        let table = self.weights.pp("embeddings").pp(name).get((rows, self.config.hidden_size), "weight")?;
        table.flatten_all()?.to_vec1()
    }

    /// Vocabulary x hidden.
    pub(super) fn words(&self) -> Result<Vec<f32>> {
        self.table(self.config.vocab_size, "word_embeddings")
    }

    /// Position and first token type, added up: positions x hidden; and which of these a token has.
    pub(super) fn positions(&self) -> Result<(Vec<f32>, Places)> {
        let Config { hidden_size, max_position_embeddings, type_vocab_size, pad_token_id, .. } = self.config;
        let first_type = self.table(type_vocab_size, "token_type_embeddings")?;
        let mut positions = self.table(max_position_embeddings, "position_embeddings")?;
        let counts_tokens = self.config.model_type != "bert";
        if counts_tokens {
            if pad_token_id >= max_position_embeddings {
                candle_core::bail!("expected a padding token below {max_position_embeddings}, got {pad_token_id}");
            }
            // Its own row goes to the end, those before it are never used.
            positions.drain(..pad_token_id * hidden_size);
            positions.rotate_left(hidden_size);
        }
        for row in positions.chunks_exact_mut(hidden_size) {
            for (x, &of_type) in row.iter_mut().zip(&first_type) {
                *x += of_type;
            }
        }
        let padding = counts_tokens.then_some(pad_token_id as u32);
        let rows = positions.len() / hidden_size;
        Ok((positions, Places { rows, padding }))
    }

    /// The normalization of the embeddings.
    pub(super) fn embedding_norm(&self) -> Result<NormWeights> {
        self.norm(&self.weights.pp("embeddings.LayerNorm"))
    }

    /// Layer `i`, from 0.
    pub(super) fn layer(&self, i: usize) -> Result<LayerWeights> {
        let (hidden, inner) = (self.config.hidden_size, self.config.intermediate_size);
        let weights = self.weights.pp("encoder.layer").pp(i);
        let attention = weights.pp("attention");
        Ok(LayerWeights {
            query_key_value: self.query_key_value(&attention.pp("self"))?,
            attention_output: LinearWeights::load(hidden, hidden, &attention.pp("output.dense"))?,
            attention_norm: self.norm(&attention.pp("output.LayerNorm"))?,
            inner: LinearWeights::load(hidden, inner, &weights.pp("intermediate.dense"))?,
            output: LinearWeights::load(inner, hidden, &weights.pp("output.dense"))?,
            output_norm: self.norm(&weights.pp("output.LayerNorm"))?,
        })
    }

    /// Queries, keys and values in one layer.
    fn query_key_value(&self, weights: &VarBuilder) -> Result<LinearWeights> {
        let hidden = self.config.hidden_size;
        let head_size = hidden / self.config.num_attention_heads;
        let scale = 1.0 / (head_size as f32).sqrt();
        let mut all = LinearWeights::load(hidden, hidden, &weights.pp("query"))?;
        for x in all.rows.iter_mut().chain(&mut all.bias) {
            *x *= scale;
        }
        for name in ["key", "value"] {
            let part = LinearWeights::load(hidden, hidden, &weights.pp(name))?;
            all.rows.extend(part.rows);
            all.bias.extend(part.bias);
        }
        Ok(all)
    }

    fn norm(&self, weights: &VarBuilder) -> Result<NormWeights> {
        let get = |name| weights.get(self.config.hidden_size, name)?.to_vec1();
        Ok(NormWeights { scale: get("weight")?, shift: get("bias")? })
    }
}

impl LinearWeights {
    fn load(inputs: usize, outputs: usize, weights: &VarBuilder) -> Result<Self> {
        let rows = weights.get((outputs, inputs), "weight")?.flatten_all()?.to_vec1()?;
        Ok(Self { rows, inputs, bias: weights.get(outputs, "bias")?.to_vec1()? })
    }
}
