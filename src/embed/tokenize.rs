//! From text to token ids, with what a limit cuts off counted.

use rayon::prelude::*;
use tokenizers::{PostProcessor, PostProcessorWrapper, Tokenizer, TruncationDirection};

use super::TokenizedText;

/// A tokenizer, the prompt put before every text, and the limit every text is cut at.
#[derive(Debug)]
pub(super) struct TextTokenizer {
    tokenizer: Tokenizer,
    prompt: String,
    /// Tokens kept of a text, without the special tokens put around it.
    max_own_tokens: usize,
}

impl TextTokenizer {
    /// Reads a `tokenizer.json`. Its settings for truncation and padding are not used.
    pub(super) fn new(json: &[u8], prompt: &str, max_tokens: usize) -> tokenizers::Result<Self> {
        let mut tokenizer = Tokenizer::from_bytes(json)?;
        tokenizer.with_truncation(None)?;
        tokenizer.with_padding(None);
        let special = tokenizer.get_post_processor().map_or(0, |processor| processor.added_tokens(false));
        if special >= max_tokens {
            return Err(format!("expected a limit above {special} special tokens, got {max_tokens}").into());
        }
        Ok(Self { tokenizer, prompt: prompt.to_owned(), max_own_tokens: max_tokens - special })
    }

    /// The same without the special tokens that it would put around a text.
    pub(super) fn without_special(json: &[u8], prompt: &str, max_tokens: usize) -> tokenizers::Result<Self> {
        let mut bare = Self::new(json, prompt, usize::MAX)?;
        bare.tokenizer.with_post_processor(None::<PostProcessorWrapper>);
        Ok(Self { max_own_tokens: max_tokens, ..bare })
    }

    /// Ids of its vocabulary lie below this.
    pub(super) fn entries(&self) -> usize {
        self.tokenizer.get_vocab(true).into_values().max().map_or(0, |id| id as usize + 1)
    }

    /// The id of an entry of its vocabulary.
    pub(super) fn id_of(&self, token: &str) -> Option<u32> {
        self.tokenizer.token_to_id(token)
    }

    /// Splits texts into tokens, in order, in the rayon pool of the caller.
    pub(super) fn tokenize(&self, texts: &[&str]) -> tokenizers::Result<Vec<TokenizedText>> {
        texts.par_iter().map(|text| self.tokenize_one(text)).collect()
    }

    fn tokenize_one(&self, text: &str) -> tokenizers::Result<TokenizedText> {
        let mut encoding = if self.prompt.is_empty() {
            self.tokenizer.encode_fast(text, false)?
        } else {
            self.tokenizer.encode_fast(format!("{}{text}", self.prompt), false)?
        };
        let truncated = encoding.len().saturating_sub(self.max_own_tokens);
        if truncated > 0 {
            encoding.truncate(self.max_own_tokens, 0, TruncationDirection::Right);
            encoding.take_overflowing();
        }
        let encoding = self.tokenizer.post_process(encoding, None, true)?;
        Ok(TokenizedText { ids: encoding.get_ids().to_vec(), truncated })
    }
}
