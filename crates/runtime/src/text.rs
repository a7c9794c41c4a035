//! Text to tokens and back, by the `tokenizer.json` of the checkpoint.

mod screen;

use crate::RuntimeError;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use tokenizers::tokenizer::DecodeStream;
use tokenizers::{
    DecoderWrapper, ModelWrapper, NormalizerWrapper, PostProcessorWrapper, PreTokenizerWrapper,
    Tokenizer,
};

/// Largest `tokenizer.json` that is read, in bytes: the largest in use take half of it.
pub(crate) const LARGEST_TOKENIZER: u64 = 64 << 20;

thread_local! {
    /// Whether the library is at work, on a file that may have been made to harm.
    static AT_WORK: Cell<bool> = const { Cell::new(false) };
}

/// Whether a panic of this thread is that of the library over a file, which is an error like any other.
pub(crate) fn panics_are_errors() -> bool {
    AT_WORK.get()
}

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
    pub fn parse(json: &[u8]) -> Result<TextCodec, RuntimeError> {
        let mut tokenizer = read(json).map_err(bad)?;
        // For batches in training: a prompt is never cut, and never padded (to terabytes, if a file says so).
        tokenizer.with_truncation(None).map_err(bad)?.with_padding(None);
        Ok(TextCodec { tokenizer })
    }

    /// Tokens of `text`; with the marks that the model expects around a text when `whole`.
    ///
    /// # Errors
    /// When the tokenizer cannot express the text.
    pub fn encode(&self, text: &str, whole: bool) -> Result<Vec<u32>, RuntimeError> {
        let encoded = guarded(|| self.tokenizer.encode_fast(text, whole)).map_err(bad)?;
        Ok(encoded.get_ids().to_vec())
    }

    /// Text of `tokens`, without special tokens.
    ///
    /// # Errors
    /// When the tokenizer cannot decode them.
    pub fn decode(&self, tokens: &[u32]) -> Result<String, RuntimeError> {
        guarded(|| self.tokenizer.decode(tokens, true)).map_err(bad)
    }

    /// Turns tokens into text as they come, after those of `prompt`.
    ///
    /// # Errors
    /// When the tokenizer cannot decode the prompt.
    pub fn stream(&self, prompt: &[u32]) -> Result<TextStream<'_>, RuntimeError> {
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
    pub fn push(&mut self, token: u32) -> Result<String, RuntimeError> {
        Ok(guarded(|| self.stream.step(token)).map_err(bad)?.unwrap_or_default())
    }
}

/// Lets the library read a `tokenizer.json`.
pub(crate) fn read(json: &[u8]) -> Result<Tokenizer, String> {
    screen::screen(json)?;
    guarded(|| Tokenizer::from_bytes(json))
}

/// Runs the library. Some files make it panic; to whoever gave the file that is one more way to be wrong.
fn guarded<T>(work: impl FnOnce() -> tokenizers::Result<T>) -> Result<T, String> {
    let before = AT_WORK.replace(true);
    let done = catch_unwind(AssertUnwindSafe(work));
    AT_WORK.set(before);
    match done {
        Ok(result) => result.map_err(|error| error.to_string()),
        Err(_) => Err("the library that reads tokenizers fails on it".to_owned()),
    }
}

fn bad(cause: impl std::fmt::Display) -> RuntimeError {
    RuntimeError::BadTokenizer { cause: cause.to_string() }
}
