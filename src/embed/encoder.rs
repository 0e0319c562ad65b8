//! What every encoder offers.

use super::{Artifacts, OpenDevice, Precision, StaticEncoder, TransformerEncoder};
use crate::{Error, Result};

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
    /// Arithmetic of the forward pass: `f32`, `bf16` or `int8`, and the kind of device where it is no CPU (`f32-cuda`), as
    /// each kind rounds in its own way.
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

    /// The first field in which `other` differs, if its vectors cannot be compared with this encoder's.
    ///
    /// Of vectors that a corpus brings (`vectors:COLUMN`) nothing is known but their dimension: that is compared.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Option<EncoderDifference> {
        self.differences(other).next()
    }

    /// As [`difference`](Self::difference), but of two precisions of one encoder it is none.
    ///
    /// Their vectors are not the same bit by bit, and a text's nearest centroid or outlier score may change with a
    /// rounding. Counts and shares over many texts can be compared.
    #[must_use]
    pub fn difference_beyond_precision(&self, other: &Self) -> Option<EncoderDifference> {
        self.differences(other).find(|difference| difference.field != PRECISION)
    }

    fn differences(&self, other: &Self) -> impl Iterator<Item = EncoderDifference> {
        let given = |id: &Self| id.name.starts_with(GIVEN);
        let fields = |id: &Self| {
            let Self { name, weights, pooling, prompt, max_tokens, dim, precision } = id.clone();
            let dim = ("dim", dim.to_string());
            if given(self) && given(other) {
                return vec![dim];
            }
            let pooling = serde_json::to_value(pooling).ok();
            let pooling = pooling.as_ref().and_then(serde_json::Value::as_str).unwrap_or_default().to_owned();
            let prompt = ("prompt", format!("{prompt:?}"));
            let max_tokens = ("max_tokens", max_tokens.to_string());
            let name = ("name", name);
            vec![name, ("weights", weights), ("pooling", pooling), prompt, max_tokens, dim, (PRECISION, precision)]
        };
        let both = fields(self).into_iter().zip(fields(other));
        both.filter(|((_, ours), (_, theirs))| ours != theirs).map(|((field, ours), (_, theirs))| EncoderDifference {
            field,
            ours,
            theirs,
        })
    }
}

/// How the name of what stands for an encoder begins where a corpus brings its vectors.
pub(super) const GIVEN: &str = "vectors:";

/// The name of the field of an encoder's precision.
const PRECISION: &str = "precision";

/// A field in which two encoders differ ([`EncoderId::difference`]).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncoderDifference {
    /// Its name.
    pub field: &'static str,
    /// The value of the first.
    pub ours: String,
    /// The value of the other.
    pub theirs: String,
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

    /// How many calls of [`Encoder::encode`] to make at the same time, so that its devices never wait for the caller. 1 if a
    /// call takes all of the processor, in the rayon pool of the caller.
    fn calls_at_once(&self) -> usize {
        1
    }

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

/// Builds the encoder that some artifacts are of, in the given precision or else in the fastest that stays near f32. A
/// static encoder runs on the CPU, in f32, whatever the device.
///
/// # Errors
/// As [`TransformerEncoder::load_in`], [`TransformerEncoder::load_fastest`] and [`StaticEncoder::load`]; and if a static
/// encoder should have another precision than f32.
pub fn load_encoder(
    artifacts: &Artifacts,
    device: &OpenDevice,
    precision: Option<Precision>,
) -> Result<Box<dyn Encoder>> {
    if artifacts.is_static() {
        check_static(&artifacts.name, precision)?;
        return Ok(Box::new(StaticEncoder::load(artifacts)?));
    }
    Ok(Box::new(match precision {
        Some(precision) => TransformerEncoder::load_in(artifacts, device, precision)?,
        None => TransformerEncoder::load_fastest(artifacts, device)?,
    }))
}

/// Refuses a precision that static encoders do not have.
///
/// # Errors
/// [`Error::Setting`] if one other than f32 was asked for.
pub fn check_static(name: &str, precision: Option<Precision>) -> Result<()> {
    let Some(precision) = precision.filter(|&precision| precision != Precision::F32) else { return Ok(()) };
    Err(Error::Setting {
        setting: "precision",
        expected: format!("auto or f32 for {name}, which is static and has no layers"),
        got: precision.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences() {
        let id = |name: &str, dim| EncoderId {
            name: name.to_owned(),
            weights: "w".to_owned(),
            pooling: Pooling::Mean,
            prompt: String::new(),
            max_tokens: 8,
            dim,
            precision: "f32".to_owned(),
        };
        let difference = |a: &EncoderId, b: &EncoderId| a.difference(b).map(|d| (d.field, d.ours, d.theirs));
        let differs = |field, ours: &str, theirs: &str| Some((field, ours.to_owned(), theirs.to_owned()));
        let base = id("a", 4);
        assert_eq!(difference(&base, &base.clone()), None);
        assert_eq!(difference(&base, &id("b", 4)), differs("name", "a", "b"));
        let cls = EncoderId { pooling: Pooling::LastToken, ..base.clone() };
        assert_eq!(difference(&base, &cls), differs("pooling", "mean", "last-token"));
        let prompted = EncoderId { prompt: "query: ".to_owned(), ..base.clone() };
        assert_eq!(difference(&base, &prompted), differs("prompt", "\"\"", "\"query: \""));
        let cuda = EncoderId { precision: "f32-cuda".to_owned(), ..base.clone() };
        assert_eq!(difference(&base, &cuda), differs("precision", "f32", "f32-cuda"));
        assert_eq!((base.difference_beyond_precision(&cuda), base.difference_beyond_precision(&base)), (None, None));
        let other = EncoderId { weights: "v".to_owned(), ..cuda };
        let beyond = base.difference_beyond_precision(&other).map(|d| (d.field, d.ours, d.theirs));
        assert_eq!(beyond, differs("weights", "w", "v"));
        assert_eq!(id("vectors:a", 4).difference_beyond_precision(&id("vectors:a", 3)).map(|d| d.field), Some("dim"));
        assert_eq!(difference(&id("vectors:a", 4), &id("vectors:b", 4)), None);
        assert_eq!(difference(&id("vectors:a", 4), &id("vectors:a", 3)), differs("dim", "4", "3"));
        assert_eq!(difference(&id("vectors:a", 4), &base), differs("name", "vectors:a", "a"));
    }
}
