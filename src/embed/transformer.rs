//! The encoder made of a tokenizer, a transformer and a pooling.

use std::sync::Mutex;

use candle_core::{DType, Tensor};
use candle_nn::VarBuilder;
use rayon::prelude::*;

use super::agreement::{self, Agreement};
use super::artifacts::{Artifacts, Verification, Weights};
use super::device::{Device, OpenDevice};
use super::devices::Devices;
use super::kernel::Level;
use super::model::{self, DeviceBert, Model, PackedBert, Scratch};
use super::tokenize::TextTokenizer;
use super::{Encoder, EncoderId, Pooling, Precision, TokenizedText};
use crate::vectors::normalize;
use crate::{Error, Result};

/// Most tokens that one worker takes at a time. More would cost memory, about 10 kB per token, and gain nothing; with
/// fewer, weights have to be read more often.
const TOKENS_PER_WORKER: usize = 256;

/// Most tokens, padding included, of a batch on a GPU.
const TOKENS_PER_GPU_BATCH: usize = 32_768;

/// Packed batches that a GPU has in hand: while it computes one, the next is sent, and the vectors of the last are read.
const CALLS_PER_GPU: usize = 2;

/// A transformer encoder, on any device.
pub struct TransformerEncoder {
    id: EncoderId,
    device: String,
    tokenizer: TextTokenizer,
    forward: Forward,
}

/// How the forward pass runs.
enum Forward {
    /// On a CPU, many texts at once without padding; and the buffers of workers that are idle.
    Packed(PackedBert, Mutex<Vec<Scratch>>),
    /// On a CPU, text by text: no padding, and no text can change another's vector.
    OneByOne(Box<dyn Model>),
    /// On an NVIDIA GPU in f16, many texts at once without padding.
    OnDevices(Devices<DeviceBert>),
    /// On a GPU, batches padded on the right.
    Padded(Devices<(Box<dyn Model>, candle_core::Device)>),
}

impl TransformerEncoder {
    /// Builds the encoder in f32, whatever the weights are stored in.
    ///
    /// # Errors
    /// If a file cannot be read, or if tokenizer, configuration and weights do not fit each other.
    pub fn load(artifacts: &Artifacts, device: &OpenDevice) -> Result<Self> {
        Self::load_in(artifacts, device, Precision::F32)
    }

    /// Builds the encoder in the precision that is fastest on this device, of those in which its vectors stay near those
    /// in f32 ([`Agreement::expected`]). For the encoder inside the binary that is known on a processor; else it is measured.
    ///
    /// # Errors
    /// As [`load`](Self::load); and if a forward pass fails.
    pub fn load_fastest(artifacts: &Artifacts, device: &OpenDevice) -> Result<Self> {
        if matches!(device.device, Device::Cuda(_)) {
            let packed = Self::build(artifacts, device, None)?;
            if !matches!(packed.forward, Forward::OnDevices(_)) {
                return Ok(packed);
            }
            let in_f32 = Self::load(artifacts, device)?;
            let agrees = agreement::measure(&packed, &in_f32).is_ok_and(|agreement| agreement.holds(Agreement::ON_GPU));
            return Ok(if agrees { packed } else { in_f32 });
        }
        let faster = if device.device == Device::Cpu { Level::best().faster_than_f32() } else { &[] };
        if let (Verification::Embedded, [fastest, ..]) = (artifacts.verification, faster) {
            return Self::load_in(artifacts, device, *fastest);
        }
        let in_f32 = Self::load(artifacts, device)?;
        for &precision in faster.iter().filter(|_| matches!(in_f32.forward, Forward::Packed(..))) {
            let encoder = Self::load_in(artifacts, device, precision)?;
            if agreement::measure(&encoder, &in_f32)?.holds(Agreement::expected(precision)) {
                return Ok(encoder);
            }
        }
        Ok(in_f32)
    }

    /// Builds the encoder in the given precision.
    ///
    /// # Errors
    /// As [`load`](Self::load); and if it is not [`Precision::F32`] where BERT does not run in our own kernels: on a GPU,
    /// or in another architecture.
    pub fn load_in(artifacts: &Artifacts, device: &OpenDevice, precision: Precision) -> Result<Self> {
        Self::build(artifacts, device, Some(precision))
    }

    /// Without a precision: f16 where BERT runs packed on a GPU, f32 elsewhere.
    fn build(artifacts: &Artifacts, device: &OpenDevice, precision: Option<Precision>) -> Result<Self> {
        let Artifacts { name, pooling, prompt, max_tokens, .. } = artifacts;
        let failed = |problem: &str, source: Box<dyn std::error::Error + Send + Sync>| Error::Encoder {
            encoder: name.clone(),
            problem: problem.to_owned(),
            help: "check that the folder or id names a sentence encoder with tokenizer.json, config.json and weights \
                   in safetensors format; `semcov model list` shows encoders that are known to work"
                .to_owned(),
            source: Some(source),
        };
        let tokenizer = TextTokenizer::new(&artifacts.tokenizer_json, prompt, *max_tokens)
            .map_err(|e| failed("tokenizer.json cannot be used", e))?;
        let config: serde_json::Value =
            serde_json::from_str(&artifacts.config_json).map_err(|e| failed("config.json is not JSON", e.into()))?;
        let weights = load_weights(&artifacts.weights, |e| failed("weights cannot be read", e.into()))?;
        let (forward, dim) = Forward::load(&config, weights, device, *max_tokens, precision)
            .map_err(|e| failed("the network cannot be built from its configuration and weights", e.into()))?;
        let is_f32 = precision.is_none_or(|precision| precision == Precision::F32);
        if !is_f32 && !matches!(forward, Forward::Packed(..)) {
            return Err(Error::Setting {
                setting: "precision",
                expected: "f32, or an encoder of the BERT family on the CPU".to_owned(),
                got: format!("{} for {name} on {}", precision.unwrap_or_default(), device.device),
            });
        }
        let id = EncoderId {
            name: name.clone(),
            weights: artifacts.digest.clone(),
            pooling: *pooling,
            prompt: prompt.clone(),
            max_tokens: *max_tokens,
            dim,
            precision: match device.device {
                Device::Auto | Device::Cpu => precision.unwrap_or_default().to_string(),
                Device::Cuda(_) if matches!(forward, Forward::OnDevices(_)) => "f16-cuda".to_owned(),
                Device::Cuda(_) => "f32-cuda".to_owned(),
                Device::Metal => "f32-metal".to_owned(),
            },
        };
        Ok(Self { id, device: device.device.to_string(), tokenizer, forward })
    }

    fn failed(&self, problem: String, source: Box<dyn std::error::Error + Send + Sync>) -> Error {
        let help = match self.forward {
            Forward::OnDevices(_) | Forward::Padded(..) => {
                "if the GPU is out of memory, free some or run with `--device cpu`"
            }
            _ => "this is a bug if the encoder is one that `semcov model list` shows; please report it",
        };
        Error::Encoder { encoder: self.id.name.clone(), problem, help: help.to_owned(), source: Some(source) }
    }
}

/// All weights, on the CPU.
fn load_weights(weights: &Weights, failed: impl Fn(candle_core::Error) -> Error) -> Result<VarBuilder<'static>> {
    let mut tensors = std::collections::HashMap::new();
    let mut add = |bytes: &[u8]| {
        tensors.extend(candle_core::safetensors::load_buffer(bytes, &candle_core::Device::Cpu).map_err(&failed)?);
        Ok::<_, Error>(())
    };
    weights.read().try_for_each(|bytes| add(&bytes?))?;
    Ok(VarBuilder::from_tensors(tensors, DType::F32, &candle_core::Device::Cpu))
}

impl Forward {
    /// The forward pass, and the number of components of its vectors.
    fn load(
        config: &serde_json::Value,
        weights: VarBuilder,
        device: &OpenDevice,
        max_tokens: usize,
        precision: Option<Precision>,
    ) -> candle_core::Result<(Self, usize)> {
        let fits = |most: usize| {
            if max_tokens > most {
                candle_core::bail!("expected at most {most} tokens per text, got {max_tokens}");
            }
            Ok(())
        };
        if matches!(device.device, Device::Cuda(_)) && precision.is_none() {
            let load = |device| DeviceBert::load(config, &weights, DType::F16, device);
            let models: Vec<_> =
                device.candle.iter().filter_map(|d| load(d).transpose()).collect::<candle_core::Result<_>>()?;
            if let Some(model) = models.first() {
                fits(model.max_tokens())?;
                let dim = model.hidden_size();
                return Ok((Self::OnDevices(Devices::new(models)), dim));
            }
        }
        if device.device != Device::Cpu {
            let load = |device: &candle_core::Device| {
                Ok((model::load(config, weights.clone().set_device(device.clone()))?, device.clone()))
            };
            let models = device.candle.iter().map(load).collect::<candle_core::Result<Vec<_>>>()?;
            let dim = models.first().map_or(0, |(model, _)| model.hidden_size());
            return Ok((Self::Padded(Devices::new(models)), dim));
        }
        if let Some(model) = PackedBert::load(config, &weights, precision.unwrap_or_default(), Level::best())? {
            fits(model.max_tokens())?;
            let dim = model.hidden_size();
            return Ok((Self::Packed(model, Mutex::default()), dim));
        }
        let model = model::load(config, weights)?;
        let dim = model.hidden_size();
        Ok((Self::OneByOne(model), dim))
    }

    fn encode(&self, batch: &[TokenizedText], dim: usize, pooling: Pooling) -> candle_core::Result<Vec<f32>> {
        match self {
            Self::Packed(model, idle) => encode_packed(model, idle, batch, dim, pooling),
            Self::OneByOne(model) => encode_one_by_one(model.as_ref(), batch, dim, pooling),
            Self::OnDevices(models) => {
                let ids: Vec<&[u32]> = batch.iter().map(|text| text.ids.as_slice()).collect();
                models.with_idlest(|model| model.embed(&ids, pooling))
            }
            Self::Padded(models) => {
                models.with_idlest(|(model, device)| encode_padded(model.as_ref(), batch, dim, pooling, device))
            }
        }
    }
}

fn encode_packed(
    model: &PackedBert,
    idle: &Mutex<Vec<Scratch>>,
    batch: &[TokenizedText],
    dim: usize,
    pooling: Pooling,
) -> candle_core::Result<Vec<f32>> {
    let tokens: usize = batch.iter().map(|text| text.ids.len()).sum();
    let per_worker = tokens.div_ceil(rayon::current_num_threads()).min(TOKENS_PER_WORKER);
    let mut vectors = vec![0.0; batch.len() * dim];
    // Whole texts per worker. Where the borders lie changes no vector.
    let mut shares = Vec::new();
    let (mut texts_left, mut vectors_left) = (batch, vectors.as_mut_slice());
    while !texts_left.is_empty() {
        let mut tokens = 0;
        let fitting = texts_left.iter().take_while(|text| {
            tokens += text.ids.len();
            tokens <= per_worker
        });
        let n = fitting.count().max(1);
        let (texts, rest) = texts_left.split_at(n);
        let (out, rest_out) = std::mem::take(&mut vectors_left).split_at_mut(n * dim);
        shares.push((texts, out));
        (texts_left, vectors_left) = (rest, rest_out);
    }
    shares.into_par_iter().try_for_each(|(texts, out)| {
        let scratch = idle.lock().ok().and_then(|mut idle| idle.pop());
        let mut scratch = scratch.unwrap_or_default();
        let ids: Vec<&[u32]> = texts.iter().map(|text| text.ids.as_slice()).collect();
        let mut token_vectors = model.forward(&ids, &mut scratch)?;
        for (ids, out) in ids.iter().zip(out.chunks_exact_mut(dim)) {
            let (own, rest) = token_vectors.split_at(ids.len() * dim);
            pooling.pool(own, out);
            token_vectors = rest;
        }
        if let Ok(mut idle) = idle.lock() {
            idle.push(scratch);
        }
        candle_core::Result::Ok(())
    })?;
    Ok(vectors)
}

fn encode_one_by_one(
    model: &dyn Model,
    batch: &[TokenizedText],
    dim: usize,
    pooling: Pooling,
) -> candle_core::Result<Vec<f32>> {
    let mut vectors = vec![0.0; batch.len() * dim];
    batch.par_iter().zip(vectors.par_chunks_exact_mut(dim)).filter(|(text, _)| !text.ids.is_empty()).try_for_each(
        |(text, out)| {
            let ids = Tensor::new(text.ids.as_slice(), &candle_core::Device::Cpu)?.unsqueeze(0)?;
            let token_vectors = model.forward(&ids, &ids.ones_like()?)?;
            pooling.pool(&token_vectors.flatten_all()?.to_vec1::<f32>()?, out);
            candle_core::Result::Ok(())
        },
    )?;
    Ok(vectors)
}

fn encode_padded(
    model: &dyn Model,
    batch: &[TokenizedText],
    dim: usize,
    pooling: Pooling,
    device: &candle_core::Device,
) -> candle_core::Result<Vec<f32>> {
    let longest = batch.iter().map(|text| text.ids.len()).max().unwrap_or(0);
    if longest == 0 {
        return Ok(vec![0.0; batch.len() * dim]);
    }
    let size = batch.len() * longest;
    let (mut ids, mut mask, mut weights) = (vec![0u32; size], vec![0u32; size], vec![0f32; size]);
    for (row, text) in batch.iter().enumerate() {
        let row = row * longest..row * longest + text.ids.len();
        ids[row.clone()].copy_from_slice(&text.ids);
        mask[row.clone()].fill(1);
        for (weight, value) in weights[row].iter_mut().zip(pooling.weights(text.ids.len())) {
            *weight = value;
        }
    }
    let shape = (batch.len(), longest);
    let (ids, mask) = (Tensor::from_vec(ids, shape, device)?, Tensor::from_vec(mask, shape, device)?);
    let token_vectors = model.forward(&ids, &mask)?.to_dtype(DType::F32)?;
    let weights = Tensor::from_vec(weights, (batch.len(), 1, longest), device)?;
    let mut vectors = weights.matmul(&token_vectors.contiguous()?)?.flatten_all()?.to_vec1()?;
    vectors.chunks_exact_mut(dim).for_each(normalize);
    Ok(vectors)
}

impl Encoder for TransformerEncoder {
    fn id(&self) -> &EncoderId {
        &self.id
    }

    fn device(&self) -> &str {
        &self.device
    }

    fn tokens_per_batch(&self) -> usize {
        match &self.forward {
            Forward::OnDevices(models) => {
                models.iter().map(DeviceBert::tokens_per_batch).min().unwrap_or(TOKENS_PER_GPU_BATCH)
            }
            Forward::Padded(..) => TOKENS_PER_GPU_BATCH,
            // Enough for every worker to come back many times, so that they end together.
            _ => 32 * TOKENS_PER_WORKER * rayon::current_num_threads(),
        }
    }

    fn calls_at_once(&self) -> usize {
        match &self.forward {
            Forward::OnDevices(models) => CALLS_PER_GPU * models.iter().len(),
            Forward::Padded(models) => models.iter().len(),
            Forward::Packed(..) | Forward::OneByOne(_) => 1,
        }
    }

    fn tokenize(&self, texts: &[&str]) -> Result<Vec<TokenizedText>> {
        self.tokenizer.tokenize(texts).map_err(|e| self.failed("the tokenizer failed on a text".to_owned(), e))
    }

    fn encode(&self, batch: &[TokenizedText]) -> Result<Vec<f32>> {
        self.forward
            .encode(batch, self.id.dim, self.id.pooling)
            .map_err(|e| self.failed(format!("the forward pass failed on {}", self.device), e.into()))
    }
}
