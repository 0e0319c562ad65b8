//! A vocabulary's vectors and its tokenizer, in the files of Model2Vec.
//!
//! `model.safetensors` holds `embeddings`, entries x components, as f16 (read as well: f32, integers of 8 bits), already
//! weighted. Quantized models have `mapping`, the row of each entry, and `weights`, a factor for each: they are multiplied
//! out as they are read. `config.json` names the kind, `"model_type": "model2vec"`; `modules.json` is for
//! sentence-transformers.
//!
//! Departure: an entry that no text can contain (special tokens, `[unused1]`) keeps its id and has a row of zeros, where
//! Model2Vec takes it out and numbers the others anew. So the tokenizer stays that of the encoder, but for what that puts
//! around a text, cuts off and fills up.

use half::f16;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde_json::{Value, json};

use super::MAX_TOKENS;
use crate::embed::Artifacts;
use crate::{Error, Result};

/// Token vectors, and the tokenizer whose ids number them.
#[derive(Clone, Debug, PartialEq)]
pub struct StaticModel {
    pub(super) name: String,
    /// What its [`EncoderId`](crate::embed::EncoderId) has for weights.
    pub(super) digest: String,
    pub(super) prompt: String,
    pub(super) max_tokens: usize,
    pub(super) tokenizer_json: Vec<u8>,
    pub(super) dim: usize,
    /// Entries of the vocabulary x `dim`, weighted.
    pub(super) vectors: Vec<f16>,
    /// Its `config.json`.
    pub(super) config: Value,
}

impl StaticModel {
    /// Reads a model of Model2Vec.
    ///
    /// # Errors
    /// If a file cannot be read, or is not what Model2Vec writes.
    pub fn load(artifacts: &Artifacts) -> Result<Self> {
        let failed = |problem: String| Error::Encoder {
            encoder: artifacts.name.clone(),
            problem: format!("model.safetensors: {problem}"),
            help: "check that the folder is one that `semcov model distill` or Model2Vec's `save_pretrained` wrote"
                .to_owned(),
            source: None,
        };
        let config = serde_json::from_str(&artifacts.config_json).map_err(|e| failed(format!("config.json: {e}")))?;
        let bytes = artifacts.weights.read().next().ok_or_else(|| failed("expected one, got none".to_owned()))??;
        let tensors = SafeTensors::deserialize(&bytes).map_err(|e| failed(e.to_string()))?;
        let (dim, vectors) = entries(&tensors).map_err(failed)?;
        Ok(Self {
            name: artifacts.name.clone(),
            digest: artifacts.digest.clone(),
            prompt: artifacts.prompt.clone(),
            max_tokens: artifacts.max_tokens,
            tokenizer_json: artifacts.tokenizer_json.clone(),
            dim,
            vectors,
            config,
        })
    }

    /// The same with a prompt before every text.
    #[must_use]
    pub fn with_prompt(self, prompt: String) -> Self {
        Self { prompt, ..self }
    }

    /// What a user knows it by.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Entries of the vocabulary.
    #[must_use]
    pub fn entries(&self) -> usize {
        self.vectors.len() / self.dim
    }

    /// Components of a vector.
    #[must_use]
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// The files of its folder, by name; the last one is what makes the folder an encoder.
    ///
    /// # Errors
    /// None, as long as safetensors can hold what fits into memory.
    pub fn files(&self) -> Result<Vec<(&'static str, Vec<u8>)>> {
        let modules = json!([
            {"idx": 0, "name": "0", "path": ".", "type": "sentence_transformers.models.StaticEmbedding"},
            {"idx": 1, "name": "1", "path": "1_Normalize", "type": "sentence_transformers.models.Normalize"},
        ]);
        let pretty = |value: &Value| format!("{value:#}\n").into_bytes();
        Ok(vec![
            ("model.safetensors", self.weights()?),
            ("tokenizer.json", self.tokenizer_json.clone()),
            ("modules.json", pretty(&modules)),
            ("config.json", pretty(&self.config)),
        ])
    }

    /// `model.safetensors`, with a digest of its contents and of what it was made from, so that it can be told from a
    /// damaged or another one.
    ///
    /// # Errors
    /// As [`files`](Self::files).
    pub fn weights(&self) -> Result<Vec<u8>> {
        let bytes: &[u8] = bytemuck::cast_slice(&self.vectors);
        let failed = |e: safetensors::SafeTensorError| Error::Io(std::io::Error::other(e));
        let view = TensorView::new(Dtype::F16, vec![self.entries(), self.dim], bytes).map_err(failed)?;
        // One entry: the order of several would be another one each time.
        let digest = [(DIGEST.to_owned(), digest(&self.digest, bytes))].into_iter().collect();
        safetensors::serialize([("embeddings", view)], Some(digest)).map_err(failed)
    }

    /// Vectors that [`weights`](Self::weights) wrote, if they are whole and were made from `source`.
    pub(super) fn read_weights(bytes: &[u8], source: &str) -> Option<(usize, Vec<f16>)> {
        let (_, header) = SafeTensors::read_metadata(bytes).ok()?;
        let found = header.metadata().as_ref()?.get(DIGEST)?;
        let tensors = SafeTensors::deserialize(bytes).ok()?;
        let expected = digest(source, tensors.tensor("embeddings").ok()?.data());
        if *found == expected { entries(&tensors).ok() } else { None }
    }
}

/// What the header of `model.safetensors` calls its digest.
const DIGEST: &str = "blake3";

/// Digest (BLAKE3, hex) of what vectors were made from, and of the vectors.
fn digest(source: &str, vectors: &[u8]) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&(source.len() as u64).to_le_bytes());
    hasher.update(source.as_bytes()).update(vectors);
    hasher.finalize().to_hex().to_string()
}

/// The `config.json` of a model distilled from the encoder `source`.
pub(super) fn config(source: &str, dim: usize, sif_coefficient: f64, frequencies: &str) -> Value {
    json!({
        "model_type": "model2vec",
        "architectures": ["StaticModel"],
        "tokenizer_name": source,
        "apply_pca": dim,
        "sif_coefficient": sif_coefficient,
        "token_frequencies": frequencies,
        "hidden_dim": dim,
        "seq_length": MAX_TOKENS,
        "max_length": null,
        "normalize": true,
        "pooling": "mean",
        "embedding_dtype": "float16",
    })
}

/// Components, and the vectors of all entries.
pub(super) fn entries(tensors: &SafeTensors<'_>) -> Result<(usize, Vec<f16>), String> {
    let embeddings = ["embeddings", "embedding.weight"].iter().find_map(|name| tensors.tensor(name).ok());
    let embeddings = embeddings.ok_or("expected a tensor `embeddings`, got none")?;
    let &[rows, dim] = embeddings.shape() else {
        return Err(format!("expected embeddings of two dimensions, got {:?}", embeddings.shape()));
    };
    if rows == 0 || dim == 0 {
        return Err(format!("expected embeddings, got {rows} of {dim} components"));
    }
    let vectors = numbers(&embeddings)?;
    let optional = |name: &str| tensors.tensor(name).ok().map(|tensor| numbers(&tensor)).transpose();
    let (weights, mapping) = (optional("weights")?, optional("mapping")?);
    if let Some(x) = vectors.iter().chain(weights.iter().flatten()).find(|x| !x.is_finite()) {
        return Err(format!("expected finite components and weights, got {x}"));
    }
    let n = mapping.as_ref().or(weights.as_ref()).map_or(rows, Vec::len);
    if weights.as_ref().is_some_and(|weights| weights.len() != n) {
        return Err(format!("expected a weight for each of {n} entries, got {}", weights.map_or(0, |w| w.len())));
    }
    let mut all = Vec::with_capacity(n * dim);
    for entry in 0..n {
        let row = mapping.as_ref().map_or(entry as f64, |mapping| mapping[entry]);
        if !(0.0..rows as f64).contains(&row) {
            return Err(format!("expected rows below {rows} for the entries, got {row}"));
        }
        let weight = weights.as_ref().map_or(1.0, |weights| weights[entry]);
        all.extend(vectors[row as usize * dim..][..dim].iter().map(|x| f16::from_f64(x * weight)));
    }
    // What fits into 16 bits is 65,504: far more than the components of any encoder.
    if all.iter().any(|x| !x.is_finite()) {
        return Err("expected components that fit into 16 bits".to_owned());
    }
    Ok((dim, all))
}

/// A tensor's numbers; all of the kinds that are read are exact in f64.
fn numbers(tensor: &TensorView<'_>) -> Result<Vec<f64>, String> {
    fn read<const N: usize>(bytes: &[u8], number: impl Fn([u8; N]) -> f64) -> Vec<f64> {
        bytes.chunks_exact(N).filter_map(|chunk| chunk.try_into().ok()).map(number).collect()
    }
    let data = tensor.data();
    Ok(match tensor.dtype() {
        Dtype::F64 => read(data, f64::from_le_bytes),
        Dtype::F32 => read(data, |bytes| f32::from_le_bytes(bytes).into()),
        Dtype::F16 => read(data, |bytes| f16::from_le_bytes(bytes).to_f64()),
        Dtype::I8 => read(data, |bytes| i8::from_le_bytes(bytes).into()),
        Dtype::I32 => read(data, |bytes| i32::from_le_bytes(bytes).into()),
        Dtype::I64 => read(data, |bytes| i64::from_le_bytes(bytes) as f64),
        other => return Err(format!("expected numbers of 8 to 64 bits as Model2Vec writes them, got {other:?}")),
    })
}
