//! What every encoder offers.

use crate::Result;

/// How token vectors become one text vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pooling {
    /// Mean over all tokens.
    Mean,
    /// The first token.
    Cls,
    /// The last token.
    LastToken,
}

/// The fingerprint of an encoder: two encoders with the same `EncoderId` give the same vectors.
///
/// Everything that can change a vector is in it. It names the folder of the vector store, and results of different
/// ids are never compared.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct EncoderId {
    /// The name a user knows: `all-MiniLM-L6-v2`, `BAAI/bge-small-en-v1.5`, a folder's name.
    pub name: String,
    /// BLAKE3 digest (hex) of weights, tokenizer and configuration.
    pub weights: String,
    /// How token vectors are pooled.
    pub pooling: Pooling,
    /// What is put before every text.
    pub prompt: String,
    /// Tokens kept of a text, special tokens included.
    pub max_tokens: usize,
    /// Components of a vector.
    pub dim: usize,
    /// Arithmetic of the forward pass: `f32`, and the kind of device where it is no CPU (`f32-cuda`), as each kind rounds
    /// in its own way.
    pub precision: String,
}

impl EncoderId {
    /// 16 hexadecimal digits over all fields.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        let Self { name, weights, pooling, prompt, max_tokens, dim, precision } = self;
        for field in
            [name, weights, &format!("{pooling:?}"), prompt, &max_tokens.to_string(), &dim.to_string(), precision]
        {
            hasher.update(&(field.len() as u64).to_le_bytes());
            hasher.update(field.as_bytes());
        }
        hasher.finalize().to_hex()[..16].to_owned()
    }
}

/// A text as the model reads it: prompt and special tokens included, cut at the encoder's limit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TokenizedText {
    /// Token ids, without padding.
    pub ids: Vec<u32>,
    /// Tokens that the limit cut off.
    pub truncated: usize,
}

/// Turns texts into unit vectors.
///
/// On a CPU a text's vector never depends on the other texts of its batch, down to the last bit.
pub trait Encoder: Send + Sync {
    /// The fingerprint of what [`Encoder::encode`] computes.
    fn id(&self) -> &EncoderId;

    /// Where the forward pass runs, for people: `cpu`, `cuda:0`, `metal`.
    fn device(&self) -> &str;

    /// Most tokens (padding included, where there is any) to hand to one [`Encoder::encode`] call.
    fn tokens_per_batch(&self) -> usize;

    /// Splits texts into tokens, in order.
    ///
    /// # Errors
    /// If the tokenizer fails on a text.
    fn tokenize(&self, texts: &[&str]) -> Result<Vec<TokenizedText>>;

    /// Embeds tokenized texts: `batch.len()` x `dim` components, each row of unit length, in the order of `batch`.
    ///
    /// # Errors
    /// If the device fails, or runs out of memory.
    fn encode(&self, batch: &[TokenizedText]) -> Result<Vec<f32>>;
}
