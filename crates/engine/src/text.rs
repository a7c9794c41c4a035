//! Text to tokens and back, by the `tokenizer.json` of the checkpoint.

use crate::EngineError;
use flint_checkpoint::gguf::GgufTokenizer;
use flint_checkpoint::{guarded, read_tokenizer};
use tokenizers::tokenizer::DecodeStream;
use tokenizers::{
    DecoderWrapper, ModelWrapper, NormalizerWrapper, PostProcessorWrapper, PreTokenizerWrapper,
    Tokenizer,
};

/// The tokenizer of a model.
pub struct TextCodec {
    tokenizer: Tokenizer,
}

type Stream<'a> = DecodeStream<
    'a,
    ModelWrapper,
    NormalizerWrapper,
    PreTokenizerWrapper,
    PostProcessorWrapper,
    DecoderWrapper,
>;

impl TextCodec {
    /// Reads a `tokenizer.json`.
    ///
    /// # Errors
    /// When it is not one.
    pub fn parse(json: &[u8]) -> Result<TextCodec, EngineError> {
        let mut tokenizer = read_tokenizer(json).map_err(bad)?;
        // For batches in training: a prompt is never cut, and never padded (to terabytes, if a file says so).
        tokenizer.with_truncation(None).map_err(bad)?.with_padding(None);
        Ok(TextCodec { tokenizer })
    }

    /// The tokenizer of a GGUF file.
    ///
    /// # Errors
    /// When the library refuses it.
    pub(crate) fn of_gguf(tokenizer: &GgufTokenizer) -> Result<TextCodec, EngineError> {
        Ok(TextCodec { tokenizer: tokenizer.tokenizer().clone() })
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

    /// Turns tokens into text as they come, after those of `prompt`.
    ///
    /// # Errors
    /// When the tokenizer cannot decode the prompt.
    pub fn stream(&self, prompt: &[u32]) -> Result<TextStream<'_>, EngineError> {
        let mut stream = self.tokenizer.decode_stream(true);
        for &token in prompt {
            guarded(|| stream.step(token)).map_err(bad)?;
        }
        Ok(TextStream { stream })
    }
}

/// Text of a growing list of tokens. A character may be spread over several tokens, so text is given out
/// only once it is whole.
pub struct TextStream<'a> {
    stream: Stream<'a>,
}

impl TextStream<'_> {
    /// Adds a token; returns the text that became whole, possibly none.
    ///
    /// # Errors
    /// When the tokenizer cannot decode it.
    pub fn push(&mut self, token: u32) -> Result<String, EngineError> {
        Ok(guarded(|| self.stream.step(token)).map_err(bad)?.unwrap_or_default())
    }
}

fn bad(cause: impl std::fmt::Display) -> EngineError {
    EngineError::BadTokenizer { cause: cause.to_string() }
}
