//! Text to tokens and back, by the `tokenizer.json` of the checkpoint.

mod pieces;
mod prompt;
mod stream;

pub use prompt::PromptPart;
pub use stream::TextStream;

use crate::EngineError;
use flint_checkpoint::gguf::{GgufTokenizer, PlainText};
use flint_checkpoint::{guarded, read_tokenizer};
use std::collections::HashMap;
use tokenizers::Tokenizer as Library;

/// The tokenizer of a model.
pub struct Tokenizer {
    tokenizer: Library,
    /// Encodes what somebody typed: special tokens in it are text.
    plain: PlainText,
}

impl Tokenizer {
    /// Reads a `tokenizer.json`.
    ///
    /// # Errors
    /// When it is not one.
    pub fn parse(json: &[u8]) -> Result<Tokenizer, EngineError> {
        let mut tokenizer = read_tokenizer(json).map_err(bad)?;
        // For batches in training: a prompt is never cut, and never padded (to terabytes, if a file says so).
        tokenizer.with_truncation(None).map_err(bad)?.with_padding(None);
        Ok(Tokenizer { plain: PlainText::of(&tokenizer), tokenizer })
    }

    /// The tokenizer of a GGUF file.
    ///
    /// # Errors
    /// When the library refuses it.
    pub(crate) fn of_gguf(tokenizer: &GgufTokenizer) -> Result<Tokenizer, EngineError> {
        let (tokenizer, plain) = tokenizer.clone().into_parts();
        Ok(Tokenizer { tokenizer, plain })
    }

    /// Tokens of `text`; with the marks that the model expects around a text when `whole`.
    ///
    /// # Errors
    /// When the tokenizer cannot express the text.
    pub fn encode(&self, text: &str, whole: bool) -> Result<Vec<u32>, EngineError> {
        let encoded = guarded(|| self.tokenizer.encode_fast(text, whole)).map_err(bad)?;
        Ok(encoded.get_ids().to_vec())
    }

    /// Text of `tokens`, without special tokens.
    ///
    /// # Errors
    /// When the tokenizer cannot decode them.
    pub fn decode(&self, tokens: &[u32]) -> Result<String, EngineError> {
        guarded(|| self.tokenizer.decode(tokens, true)).map_err(bad)
    }

    /// The token whose piece of the vocabulary this is; `None` where there is none.
    pub fn token(&self, piece: &str) -> Option<u32> {
        self.tokenizer.token_to_id(piece)
    }

    /// All pieces, with the token that each is.
    pub fn pieces(&self) -> HashMap<String, u32> {
        self.tokenizer.get_vocab(true)
    }

    /// The special token whose text this is; `None` where there is none.
    pub fn special_token(&self, text: &str) -> Option<u32> {
        self.token(text).filter(|&token| self.is_special(token))
    }

    /// Turns tokens into text as they come, after those of `prompt`.
    pub fn stream(&self, prompt: &[u32]) -> TextStream<'_> {
        TextStream::after(self, prompt)
    }
}

fn bad(cause: impl std::fmt::Display) -> EngineError {
    EngineError::BadTokenizer { cause: cause.to_string() }
}
