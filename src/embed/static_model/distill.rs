//! Distillation: a transformer's vocabulary as static vectors, by the recipe of Model2Vec (Minish Lab 2024,
//! github.com/MinishLab/model2vec).
//!
//! 1. Every entry of the vocabulary that a text can contain goes through the encoder alone, behind the special tokens that
//!    it puts before any text; its vector is that of its own position.
//! 2. PCA over the entries: less their mean, along the first `dim` principal components.
//! 3. The weight of smooth inverse frequency (Arora et al. 2017, openreview.net/forum?id=SyK00v5xx): a/(a + p) with a =
//!    1e-4 and p by Zipf's law over the vocabulary, whose order follows frequency: p ~ 1/(rank + 1), rank from 1.
//! 4. Where a corpus was counted, times b/(b + q) with b = .1 and the entry's share q of the corpus' tokens: what every text
//!    of it has says little.
//!
//! Departures: Model2Vec takes the mean over all positions, special tokens behind the entry included, and leaves vectors as
//! long as they are, here of unit length (METHODS.md has what that is worth). It removes `[unused1]` and its like, and keeps
//! some special tokens; here entries that no text can contain have no part in PCA and ranks. Step 4 is our own: the
//! corpus' shares in place of Zipf's law would silence a narrow corpus' own topics. Vectors are rounded to f16, as Model2Vec's.
//!
//! Cost: one forward pass of a text of two tokens per entry, then dim^3 for PCA. Memory: a vector of the encoder per entry.

use std::collections::BTreeMap;

use half::f16;
use serde_json::{Map, Value};
use tokenizers::Tokenizer;

use super::{MAX_TOKENS, StaticModel, model, unknown_id};
use crate::embed::tokenize::TextTokenizer;
use crate::embed::{Artifacts, Encoder, OpenDevice, Pooling, TokenizedText, TransformerEncoder};
use crate::progress::{Progress, Stage};
use crate::vectors::EmbeddingMatrix;
use crate::vectors::moments::Moments;
use crate::vectors::pca::Pca;
use crate::{Error, Result};

/// Raised when the recipe changes, and with it every vector.
const RECIPE: &str = "semcov static 1";

/// The share of a corpus' tokens at which an entry counts half of what it does without a corpus.
const CORPUS_COEFFICIENT: f64 = 0.1;

/// How to distill.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DistillParams {
    /// Components of a vector, at least 1; the encoder's own number, if that is smaller. Default 256.
    pub dim: usize,
    /// The share of all text, between 0 and 1, at which an entry counts half. Default 1e-4.
    pub sif_coefficient: f64,
}

impl Default for DistillParams {
    fn default() -> Self {
        Self { dim: 256, sif_coefficient: 1e-4 }
    }
}

/// Settings that were checked.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ValidDistillParams(DistillParams);

impl DistillParams {
    /// Checks the settings.
    ///
    /// # Errors
    /// [`Error::Setting`] if one is out of its range.
    pub fn check(self) -> Result<ValidDistillParams> {
        let refused =
            |setting, expected: &str, got: String| Error::Setting { setting, expected: expected.to_owned(), got };
        if self.dim == 0 {
            return Err(refused("dim", "at least 1", self.dim.to_string()));
        }
        if !(self.sif_coefficient > 0.0 && self.sif_coefficient < 1.0) {
            return Err(refused("sif-coefficient", "a number between 0 and 1", self.sif_coefficient.to_string()));
        }
        Ok(ValidDistillParams(self))
    }
}

/// A distillation that is being prepared.
pub struct Distillation {
    source: Artifacts,
    /// Its `tokenizer.json` without what it would put around a text, cut off and fill up.
    pub(super) tokenizer_json: Vec<u8>,
    params: DistillParams,
    /// Of each id its number of tokens in a corpus; none without a corpus.
    counts: Vec<u64>,
}

impl Distillation {
    /// Of a transformer; its pooling and prompt have no part in it.
    ///
    /// # Errors
    /// [`Error::Encoder`] if it is static already, or its tokenizer cannot be read.
    pub fn new(source: &Artifacts, params: ValidDistillParams) -> Result<Self> {
        if source.is_static() {
            return Err(Error::Encoder {
                encoder: source.name.clone(),
                problem: "expected a transformer to distill, got a static encoder".to_owned(),
                help: "use it as it is: `--encoder` takes its folder or name".to_owned(),
                source: None,
            });
        }
        let mut tokenizer: Map<String, Value> =
            serde_json::from_slice(&source.tokenizer_json).map_err(|e| failed(source, e.into()))?;
        for key in ["truncation", "padding", "post_processor"] {
            tokenizer.insert(key.to_owned(), Value::Null);
        }
        let tokenizer_json = Value::Object(tokenizer).to_string().into_bytes();
        let source = Artifacts { pooling: Pooling::LastToken, prompt: String::new(), ..source.clone() };
        Ok(Self { source, tokenizer_json, params: params.0, counts: Vec::new() })
    }

    /// What the model will be called: `static:` and the encoder's name.
    #[must_use]
    pub fn name(&self) -> String {
        format!("static:{}", self.source.name)
    }

    /// Digest (BLAKE3, hex) of all that the model is made from: the encoder's files, the recipe, its settings and what was
    /// counted. It stands for the weights in the encoder's fingerprint: as with a transformer, two processors may
    /// round differently, and yet their vectors can be compared.
    #[must_use]
    pub fn digest(&self) -> String {
        let DistillParams { dim, sif_coefficient } = self.params;
        let mut hasher = blake3::Hasher::new();
        hasher.update(format!("{RECIPE} {} {dim} {sif_coefficient:e}", self.source.digest).as_bytes());
        self.counts.iter().for_each(|count| {
            hasher.update(&count.to_le_bytes());
        });
        hasher.finalize().to_hex().to_string()
    }

    /// Counts the tokens of a corpus, whose frequencies then weight the entries.
    ///
    /// # Errors
    /// If the tokenizer cannot be used.
    pub fn counter(&mut self) -> Result<Counter<'_>> {
        let tokenizer = TextTokenizer::without_special(&self.tokenizer_json, "", MAX_TOKENS)
            .map_err(|e| failed(&self.source, e))?;
        self.counts.resize(tokenizer.entries(), 0);
        Ok(Counter { tokenizer, source: &self.source, counts: &mut self.counts })
    }

    /// The model, where `weights` are those of a [`StaticModel`] that this distillation gave before; else `None`.
    #[must_use]
    pub fn restore(&self, weights: &[u8]) -> Option<StaticModel> {
        let (dim, vectors) = StaticModel::read_weights(weights, &self.digest())?;
        Some(self.model(dim, vectors))
    }

    /// Distills. Work is parallel in the rayon pool of the caller; the result is the same at any number of threads.
    ///
    /// # Errors
    /// If the encoder cannot be loaded or run, or its tokenizer cannot be used.
    pub fn run(&self, progress: &dyn Progress) -> Result<StaticModel> {
        let vocabulary = Vocabulary::of(&self.source)?;
        let encoder = TransformerEncoder::load(&self.source, &OpenDevice::cpu())?;
        let vectors = vocabulary.encode(&encoder, progress)?;
        let all = encoder.id().dim;
        let dim = self.params.dim.min(all);
        let weights = self.weights(&vocabulary);
        let n = vocabulary.usable.len();
        let pca = Pca::fit(&Moments::of(&EmbeddingMatrix::from_f32(all, &vectors[..n * all])), dim);
        let mut halves = vec![f16::ZERO; vocabulary.entries * dim];
        let mut projected = vec![0.0; dim];
        // The unknown token weighs nothing in a text: it only lends its direction to one that has no other.
        for ((id, weight), vector) in
            vocabulary.ids().zip(weights.into_iter().chain([1.0])).zip(vectors.chunks_exact(all))
        {
            pca.project(vector, &mut projected);
            let out = &mut halves[id as usize * dim..][..dim];
            for (out, &x) in out.iter_mut().zip(&projected) {
                *out = f16::from_f64(f64::from(x) * weight);
            }
        }
        Ok(self.model(dim, halves))
    }

    /// The weights of the usable entries.
    fn weights(&self, vocabulary: &Vocabulary) -> Vec<f64> {
        let smooth = |coefficient: f64, share: f64| coefficient / (coefficient + share);
        let usable = &vocabulary.usable;
        let zipf = |i: usize| 1.0 / (i + 2) as f64;
        let total: f64 = (0..usable.len()).map(zipf).sum();
        let count = |id: u32| self.counts.get(id as usize).copied().unwrap_or(0);
        let counted = usable.iter().map(|&id| count(id)).sum::<u64>().max(1);
        let weight = |(i, &id): (usize, &u32)| {
            let of_corpus = smooth(CORPUS_COEFFICIENT, count(id) as f64 / counted as f64);
            smooth(self.params.sif_coefficient, zipf(i) / total) * of_corpus
        };
        usable.iter().enumerate().map(weight).collect()
    }

    fn model(&self, dim: usize, vectors: Vec<f16>) -> StaticModel {
        let frequencies = if self.counts.is_empty() { "zipf" } else { "corpus" };
        StaticModel {
            name: self.name(),
            digest: self.digest(),
            prompt: String::new(),
            max_tokens: MAX_TOKENS,
            tokenizer_json: self.tokenizer_json.clone(),
            dim,
            vectors,
            config: model::config(&self.source.name, dim, self.params.sif_coefficient, frequencies),
        }
    }
}

fn failed(source: &Artifacts, error: tokenizers::Error) -> Error {
    Error::Encoder {
        encoder: source.name.clone(),
        problem: "its tokenizer cannot be distilled".to_owned(),
        help: "distill an encoder of `semcov model list`".to_owned(),
        source: Some(error),
    }
}

/// Counts the tokens of a corpus.
pub struct Counter<'a> {
    tokenizer: TextTokenizer,
    source: &'a Artifacts,
    counts: &'a mut [u64],
}

impl Counter<'_> {
    /// Adds texts, in normal form; their order does not matter. Returns their tokens.
    ///
    /// # Errors
    /// If the tokenizer fails on a text.
    pub fn add(&mut self, texts: &[&str]) -> Result<u64> {
        let tokenized = self.tokenizer.tokenize(texts).map_err(|e| failed(self.source, e))?;
        let ids = tokenized.iter().flat_map(|text| &text.ids);
        Ok(ids.map(|&id| self.counts[id as usize] += 1).count() as u64)
    }
}

/// The entries of a vocabulary, and how an encoder begins to read.
pub(super) struct Vocabulary {
    /// Ids, those that stand for nothing included.
    pub(super) entries: usize,
    /// The ids of entries that a text can contain, ascending.
    pub(super) usable: Vec<u32>,
    pub(super) unknown: Option<u32>,
    /// The special tokens before any text.
    pub(super) before: Vec<u32>,
}

impl Vocabulary {
    pub(super) fn of(source: &Artifacts) -> Result<Self> {
        let failed = |e| failed(source, e);
        let mut tokenizer = Tokenizer::from_bytes(&source.tokenizer_json).map_err(failed)?;
        tokenizer.with_truncation(None).map_err(failed)?;
        tokenizer.with_padding(None);
        let by_id: BTreeMap<u32, String> =
            tokenizer.get_vocab(true).into_iter().map(|(token, id)| (id, token)).collect();
        let special = tokenizer.get_added_tokens_decoder();
        let is_special = |id: &u32| special.get(id).is_some_and(|token| token.special);
        let usable = by_id.iter().filter(|(id, token)| !is_special(id) && !is_placeholder(token)).map(|(&id, _)| id);
        let entries = by_id.last_key_value().map_or(0, |(&id, _)| id as usize + 1);
        let unknown =
            unknown_id(&source.tokenizer_json, entries, |token| tokenizer.token_to_id(token)).map_err(failed)?;
        // What stands before any text stands before this one.
        let bare = tokenizer.encode_fast("a", false).map_err(failed)?;
        let framed = tokenizer.post_process(bare.clone(), None, true).map_err(failed)?;
        let (bare, framed) = (bare.get_ids(), framed.get_ids());
        let place = framed.windows(bare.len().max(1)).position(|ids| ids == bare).unwrap_or(0);
        Ok(Self { entries, usable: usable.collect(), unknown, before: framed[..place].to_vec() })
    }

    /// The ids of all entries that need a vector: the usable ones, and behind them the unknown token.
    fn ids(&self) -> impl Iterator<Item = u32> {
        self.usable.iter().copied().chain(self.unknown)
    }

    /// The encoder's vectors of [`ids`](Self::ids).
    fn encode(&self, encoder: &dyn Encoder, progress: &dyn Progress) -> Result<Vec<f32>> {
        let framed = |id| [&self.before[..], &[id]].concat();
        let texts: Vec<TokenizedText> = self.ids().map(|id| TokenizedText { ids: framed(id), truncated: 0 }).collect();
        let tokens = self.before.len() + 1;
        progress.start(Stage::Distill, Some(texts.len() as u64));
        let mut vectors = Vec::with_capacity(texts.len() * encoder.id().dim);
        for batch in texts.chunks((encoder.tokens_per_batch() / tokens).max(1)) {
            vectors.extend(encoder.encode(batch)?);
            progress.advance(batch.len() as u64, (batch.len() * tokens) as u64);
        }
        progress.finish();
        Ok(vectors)
    }
}

/// An entry that is kept for later use, as BERT's `[unused1]`.
pub(super) fn is_placeholder(token: &str) -> bool {
    let number = token.strip_prefix("[unused").and_then(|rest| rest.strip_suffix(']'));
    number.is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()))
}
