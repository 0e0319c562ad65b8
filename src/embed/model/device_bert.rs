//! BERT on a GPU: the tokens of many texts in one matrix, without padding.
//!
//! J. Devlin, M.-W. Chang, K. Lee, K. Toutanova, BERT: Pre-training of Deep Bidirectional Transformers for Language
//! Understanding, 2019, arXiv:1810.04805. `RoBERTa` and `XLM-RoBERTa` are the same network.
//!
//! Departures from the usual padded batch, none of which changes what is computed:
//! - Linear layers run over the tokens of all texts, attention within each text: nothing is padded, nothing masked.
//! - A layer is four products and four operations of [`gpu`](crate::embed::gpu): attention, twice the sum of
//!   bias and residual with its normalization, and the activation. Biases are added there.
//! - Pooling and normalization run on the device; the host sends ids and reads unit vectors.
//!
//! f16 in memory, f32 in sums: of a GPU's tensor cores f16 and bf16 are as fast, and f16 keeps 3 bits more, while the
//! activations of sentence encoders stay far below its limit of 65,504. On a CPU it runs by the operations' twins, in f32
//! or f16, for tests.
//!
//! Cost per token as on a CPU (`packed_bert`), and for hidden size H and inner size F memory for about 8 H + F numbers.

use candle_core::{DType, Device, Result, Tensor};
use candle_nn::VarBuilder;

use super::bert_weights::{BertWeights, LinearWeights, NormWeights, Places};
use crate::embed::Pooling;
use crate::embed::gpu::{
    Norm, Packing, Transfers, add_gelu, add_norm, attend, embed_norm, fits_cuda, free_memory, pool,
};
use crate::embed::kernel::Heads;

/// A batch has from this many tokens, where memory is short, ...
const LEAST_TOKENS: usize = 16_384;
/// ... to this many: a window of the corpus has to be several batches, so that they overlap.
const MOST_TOKENS: usize = 65_536;

/// A BERT encoder on a device.
#[derive(Debug)]
pub(crate) struct DeviceBert {
    device: Device,
    hidden_size: usize,
    tokens_per_batch: usize,
    heads: Heads,
    /// Vocabulary x hidden.
    words: Tensor,
    /// Position and first token type, added up: positions x hidden.
    positions: Tensor,
    places: Places,
    embedding_norm: Norm,
    layers: Vec<Layer>,
    transfers: Transfers,
}

/// A linear layer: inputs x outputs, and a bias.
#[derive(Debug)]
struct Linear {
    weight: Tensor,
    bias: Tensor,
}

#[derive(Debug)]
struct Layer {
    query_key_value: Linear,
    attention_output: Linear,
    attention_norm: Norm,
    inner: Linear,
    output: Linear,
    output_norm: Norm,
}

/// As many tokens as are worth while, if two batches take at most half of the free memory (bytes).
fn tokens_per_batch(hidden_size: usize, inner_size: usize, free_memory: Option<usize>) -> usize {
    let per_token = (8 * hidden_size + inner_size) * size_of::<half::f16>();
    free_memory.map_or(MOST_TOKENS, |free| free / 4 / per_token).clamp(LEAST_TOKENS, MOST_TOKENS)
}

impl DeviceBert {
    /// Builds the network on `device` if it is one that runs packed there; `None` if it is another. `weights` are on the CPU,
    /// and become `dtype`: f16, or on a CPU f32.
    ///
    /// # Errors
    /// If weights are missing or of other shapes than `config` says, or the device fails.
    pub(crate) fn load(
        config: &serde_json::Value,
        weights: &VarBuilder,
        dtype: DType,
        device: &Device,
    ) -> Result<Option<Self>> {
        let Some(weights) = BertWeights::find(config, weights)? else { return Ok(None) };
        let config = &weights.config;
        let (hidden_size, inner_size) = (config.hidden_size, config.intermediate_size);
        let heads = Heads { heads: config.num_attention_heads, size: hidden_size / config.num_attention_heads };
        if device.is_cuda() && !fits_cuda(hidden_size, heads.size, inner_size) {
            return Ok(None);
        }
        let matrix = |x: Vec<f32>, columns: usize| {
            let rows = x.len() / columns;
            Tensor::from_vec(x, (rows, columns), &Device::Cpu)?.to_dtype(dtype)?.to_device(device)
        };
        let linear = |LinearWeights { rows, inputs, bias }: LinearWeights| {
            let bias = Tensor::new(bias, &Device::Cpu)?.to_dtype(dtype)?.to_device(device)?;
            Result::Ok(Linear { weight: matrix(rows, inputs)?.t()?, bias })
        };
        let norm = |norm: NormWeights| Norm::new(norm.scale, norm.shift, config.layer_norm_eps as f32, dtype, device);
        let layer = |i| {
            let weights = weights.layer(i)?;
            Ok(Layer {
                query_key_value: linear(weights.query_key_value)?,
                attention_output: linear(weights.attention_output)?,
                attention_norm: norm(weights.attention_norm)?,
                inner: linear(weights.inner)?,
                output: linear(weights.output)?,
                output_norm: norm(weights.output_norm)?,
            })
        };
        let (positions, places) = weights.positions()?;
        Ok(Some(Self {
            device: device.clone(),
            hidden_size,
            heads,
            words: matrix(weights.words()?, hidden_size)?,
            positions: matrix(positions, hidden_size)?,
            places,
            embedding_norm: norm(weights.embedding_norm()?)?,
            layers: (0..config.num_hidden_layers).map(layer).collect::<Result<_>>()?,
            // Behind the weights, which take their part of the memory.
            tokens_per_batch: tokens_per_batch(hidden_size, inner_size, free_memory(device)),
            transfers: Transfers::default(),
        }))
    }

    /// Components of a vector.
    pub(crate) fn hidden_size(&self) -> usize {
        self.hidden_size
    }

    /// Most tokens of a text.
    pub(crate) fn max_tokens(&self) -> usize {
        self.places.max_tokens()
    }

    /// Most tokens of a batch.
    pub(crate) fn tokens_per_batch(&self) -> usize {
        self.tokens_per_batch
    }

    /// Unit vectors of texts, one after the other; the zero vector for a text without tokens.
    ///
    /// # Errors
    /// If a text has more than [`max_tokens`](Self::max_tokens) or an id beyond the vocabulary, or the device fails.
    pub(crate) fn embed(&self, texts: &[&[u32]], pooling: Pooling) -> Result<Vec<f32>> {
        if texts.iter().all(|ids| ids.is_empty()) {
            return Ok(vec![0.0; texts.len() * self.hidden_size]);
        }
        if let Some(ids) = texts.iter().find(|ids| ids.len() > self.max_tokens()) {
            candle_core::bail!("expected at most {} tokens, got {}", self.max_tokens(), ids.len());
        }
        let places: Vec<u32> = texts.iter().flat_map(|ids| self.places.of(ids)).collect();
        let limits = (self.words.dim(0)?, self.positions.dim(0)?);
        let packing = Packing::new(texts, &places, limits, &self.transfers, &self.device)?;
        let mut hidden = embed_norm(&packing, &self.words, &self.positions, &self.embedding_norm)?;
        for layer in &self.layers {
            let Layer { query_key_value, attention_output, attention_norm, inner, output, output_norm } = layer;
            let product = hidden.matmul(&query_key_value.weight)?;
            let context = attend(&product, &query_key_value.bias, &packing, self.heads)?;
            drop(product);
            let product = context.matmul(&attention_output.weight)?;
            hidden = add_norm(&product, &attention_output.bias, &hidden, attention_norm)?;
            let activations = hidden.matmul(&inner.weight)?;
            add_gelu(&activations, &inner.bias)?;
            let product = activations.matmul(&output.weight)?;
            hidden = add_norm(&product, &output.bias, &hidden, output_norm)?;
        }
        self.transfers.fetch(&pool(&hidden, &packing, pooling)?)
    }
}

#[cfg(all(test, feature = "embedded-model"))]
mod tests {
    use candle_nn::VarBuilder;
    use candle_transformers::models::bert::BertModel;

    use super::*;
    use crate::embed::{Artifacts, Weights};

    /// The operations' twins against candle's own BERT in f32, text by text: in f32 the same, in f16 rounded.
    #[test]
    fn twins_agree_with_candle() {
        let artifacts = Artifacts::embedded().unwrap();
        let Weights::Embedded(bytes) = artifacts.weights else { panic!("weights are in the binary") };
        let tensors = candle_core::safetensors::load_buffer(bytes, &Device::Cpu).unwrap();
        let weights = VarBuilder::from_tensors(tensors, DType::F32, &Device::Cpu);
        let config: serde_json::Value = serde_json::from_str(&artifacts.config_json).unwrap();
        let oracle = BertModel::load(weights.clone(), &serde_json::from_value(config.clone()).unwrap()).unwrap();
        let id = |i: u32| 1000 + i.wrapping_mul(2_654_435_761) % 29_000;
        let texts: Vec<Vec<u32>> = [1, 0, 5, 16, 17, 70].map(|n| (n..2 * n).map(id).collect()).to_vec();
        let texts: Vec<&[u32]> = texts.iter().map(Vec::as_slice).collect();
        for (dtype, least) in [(DType::F32, 0.999_999), (DType::F16, 0.999_95)] {
            let bert = DeviceBert::load(&config, &weights, dtype, &Device::Cpu).unwrap().unwrap();
            for pooling in [Pooling::Mean, Pooling::Cls, Pooling::LastToken] {
                let vectors = bert.embed(&texts, pooling).unwrap();
                for (ids, vector) in texts.iter().zip(vectors.chunks_exact(bert.hidden_size())) {
                    if ids.is_empty() {
                        assert!(vector.iter().all(|&x| x == 0.0));
                        continue;
                    }
                    let ids = Tensor::new(*ids, &Device::Cpu).unwrap().unsqueeze(0).unwrap();
                    let tokens = oracle.forward(&ids, &ids.zeros_like().unwrap(), None).unwrap();
                    let mut expected = vec![0.0; bert.hidden_size()];
                    pooling.pool(&tokens.flatten_all().unwrap().to_vec1::<f32>().unwrap(), &mut expected);
                    let cosine: f64 = vector.iter().zip(&expected).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum();
                    assert!(cosine >= least, "{dtype:?} {pooling:?}, {:?}: cosine {cosine}", ids.dims());
                }
            }
        }
    }
}
