//! Static encoders: a vector for every entry of a vocabulary, and of a text the mean of its tokens' vectors.
//!
//! Model2Vec (Minish Lab, github.com/MinishLab/model2vec) makes one from a transformer without any text: [`Distillation`]
//! is that recipe, [`StaticModel`] what comes out, in Model2Vec's own files, and [`StaticEncoder`] embeds with it. Words
//! have one vector wherever they stand, so this is a tier for screening many texts fast: METHODS.md has what it loses.

mod distill;
mod encoder;
mod model;

pub use distill::{Counter, DistillParams, Distillation, ValidDistillParams};
pub use encoder::StaticEncoder;
pub use model::StaticModel;
use serde::Deserialize;

/// Tokens of a text that a static encoder reads where nothing else is said: all, but for a text that would fill memory.
pub(in crate::embed) const MAX_TOKENS: usize = 1_000_000;

/// The id, below `entries`, that a `tokenizer.json` gives to what its vocabulary does not have; `id_of` gives that of an entry.
fn unknown_id(
    tokenizer_json: &[u8],
    entries: usize,
    id_of: impl Fn(&str) -> Option<u32>,
) -> tokenizers::Result<Option<u32>> {
    #[derive(Deserialize)]
    struct File {
        model: Model,
    }
    #[derive(Deserialize)]
    struct Model {
        unk_token: Option<String>,
        unk_id: Option<u32>,
    }
    let File { model } = serde_json::from_slice(tokenizer_json)?;
    let id = model.unk_id.or_else(|| id_of(&model.unk_token?));
    match id.filter(|&id| id as usize >= entries) {
        Some(id) => Err(format!("expected an id below {entries} for unknown tokens, got {id}").into()),
        None => Ok(id),
    }
}

#[cfg(test)]
mod tests;
