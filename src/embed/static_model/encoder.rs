//! The encoder of a static model: look up, add, normalize.
//!
//! A text's vector is the mean of its tokens' vectors, of unit length; tokens are added in the order of the text, so that
//! a vector depends on nothing else. Unknown tokens do not count. As Model2Vec, but for one departure: a text of unknown
//! tokens alone has the direction of the vocabulary's unknown token (of the first axis, where that has none), where
//! Model2Vec has zeros, which are no direction. Cost: `dim` additions a token, a small part of what its tokenizer takes.

use half::slice::HalfFloatSliceExt;
use rayon::prelude::*;

use super::{StaticModel, unknown_id};
use crate::embed::tokenize::TextTokenizer;
use crate::embed::{Artifacts, Encoder, EncoderId, Pooling, TokenizedText};
use crate::vectors::normalize;
use crate::{Error, Result};

/// Texts that one worker takes at a time.
const TEXTS_PER_TASK: usize = 256;

/// An encoder that looks tokens up. It runs on the CPU.
#[derive(Debug)]
pub struct StaticEncoder {
    id: EncoderId,
    tokenizer: TextTokenizer,
    /// Entries x `dim`.
    vectors: Vec<f32>,
    /// The id of what the vocabulary does not have.
    unknown: Option<u32>,
    /// The unit vector of a text that has no known token.
    nothing: Vec<f32>,
}

impl StaticEncoder {
    /// Reads a model of Model2Vec.
    ///
    /// # Errors
    /// As [`StaticModel::load`] and [`new`](Self::new).
    pub fn load(artifacts: &Artifacts) -> Result<Self> {
        Self::new(&StaticModel::load(artifacts)?)
    }

    /// The encoder of a model.
    ///
    /// # Errors
    /// If its tokenizer cannot be used, or has ids that the model has no vector of.
    pub fn new(model: &StaticModel) -> Result<Self> {
        let StaticModel { name, digest, prompt, max_tokens, tokenizer_json, dim, vectors: halves, .. } = model;
        let failed = |problem: String| Error::Encoder {
            encoder: name.clone(),
            problem: format!("tokenizer.json: {problem}"),
            help: "check that tokenizer.json and model.safetensors are of one model".to_owned(),
            source: None,
        };
        let tokenizer =
            TextTokenizer::without_special(tokenizer_json, prompt, *max_tokens).map_err(|e| failed(e.to_string()))?;
        if tokenizer.entries() > model.entries() {
            let (ids, vectors) = (tokenizer.entries(), model.entries());
            return Err(failed(format!("expected ids below {vectors}, the vectors there are, got {ids}")));
        }
        let unknown = unknown_id(tokenizer_json, model.entries(), |token| tokenizer.id_of(token))
            .map_err(|e| failed(e.to_string()))?;
        let mut vectors = vec![0.0; halves.len()];
        halves.convert_to_f32_slice(&mut vectors);
        let mut nothing = unknown.map_or(vec![0.0; *dim], |id| vectors[id as usize * dim..][..*dim].to_vec());
        normalize(&mut nothing);
        if nothing.iter().all(|&x| x == 0.0) {
            nothing[0] = 1.0;
        }
        let id = EncoderId {
            name: name.clone(),
            weights: digest.clone(),
            pooling: Pooling::Mean,
            prompt: prompt.clone(),
            max_tokens: *max_tokens,
            dim: *dim,
            precision: "f32".to_owned(),
        };
        Ok(Self { id, tokenizer, vectors, unknown, nothing })
    }

    fn embed(&self, ids: &[u32], out: &mut [f32]) {
        let dim = self.id.dim;
        for &id in ids.iter().filter(|&&id| Some(id) != self.unknown) {
            for (out, &x) in out.iter_mut().zip(&self.vectors[id as usize * dim..][..dim]) {
                *out += x;
            }
        }
        // The length of the sum is the mean's but for a factor.
        normalize(out);
        if out.iter().all(|&x| x == 0.0) {
            out.copy_from_slice(&self.nothing);
        }
    }
}

impl Encoder for StaticEncoder {
    fn id(&self) -> &EncoderId {
        &self.id
    }

    fn device(&self) -> &'static str {
        "cpu"
    }

    fn tokens_per_batch(&self) -> usize {
        1 << 20
    }

    fn tokenize(&self, texts: &[&str]) -> Result<Vec<TokenizedText>> {
        self.tokenizer.tokenize(texts).map_err(|e| Error::Encoder {
            encoder: self.id.name.clone(),
            problem: "the tokenizer failed on a text".to_owned(),
            help: "check that its tokenizer.json is the one that it was saved with".to_owned(),
            source: Some(e),
        })
    }

    fn encode(&self, batch: &[TokenizedText]) -> Result<Vec<f32>> {
        let dim = self.id.dim;
        let entries = self.vectors.len() / dim;
        if let Some(id) = batch.iter().flat_map(|text| &text.ids).find(|&&id| id as usize >= entries) {
            return Err(Error::Encoder {
                encoder: self.id.name.clone(),
                problem: format!("expected token ids below {entries}, got {id}"),
                help: "encode what this encoder tokenized".to_owned(),
                source: None,
            });
        }
        let mut vectors = vec![0.0; batch.len() * dim];
        let outs = vectors.par_chunks_mut(TEXTS_PER_TASK * dim);
        batch.par_chunks(TEXTS_PER_TASK).zip(outs).for_each(|(texts, outs)| {
            for (text, out) in texts.iter().zip(outs.chunks_exact_mut(dim)) {
                self.embed(&text.ids, out);
            }
        });
        Ok(vectors)
    }
}
