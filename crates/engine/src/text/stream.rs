//! Text of a growing list of tokens, shown as soon as it is certain.

use super::Tokenizer;

/// Tokens of the prompt that the first text depends on: how it is spaced, and a character that the prompt began.
const CONTEXT: usize = 8;

/// Tokens that are held back for a character to become whole: each holds a byte at least, and no character has more.
const MOST_HELD: usize = 4;

/// What broken bytes are shown as.
const REPLACEMENT: char = char::REPLACEMENT_CHARACTER;

/// Gives out the text of tokens. A character may be spread over several tokens, so text is held back until it is
/// whole, or cannot become whole any more. Showing never fails: what a tokenizer cannot decode has no text.
pub struct TextStream<'a> {
    codec: &'a Tokenizer,
    /// The last tokens.
    tokens: Vec<u32>,
    /// How many of them were given out; those before are the context of those behind.
    shown: usize,
}

impl<'a> TextStream<'a> {
    pub(super) fn after(codec: &'a Tokenizer, prompt: &[u32]) -> TextStream<'a> {
        let tokens = prompt[prompt.len().saturating_sub(CONTEXT)..].to_vec();
        let mut stream = TextStream { codec, shown: tokens.len(), tokens };
        // A character that the prompt began is given out once it is whole.
        let first = stream.shown.saturating_sub(MOST_HELD - 1);
        while stream.shown > first && stream.text(stream.shown).ends_with(REPLACEMENT) {
            stream.shown -= 1;
        }
        if stream.text(stream.shown).ends_with(REPLACEMENT) {
            stream.shown = stream.tokens.len();
        }
        stream
    }

    /// Adds a token; returns the text that became certain, possibly none.
    pub fn push(&mut self, token: u32) -> String {
        self.tokens.push(token);
        let held = self.tokens.len() - self.shown;
        let text = self.text(self.tokens.len());
        if text.ends_with(REPLACEMENT) && held < MOST_HELD {
            return String::new();
        }
        self.give_out(&text)
    }

    /// What was held back when no more tokens come.
    pub fn finish(&mut self) -> String {
        let text = self.text(self.tokens.len());
        self.give_out(&text)
    }

    /// The part of `text`, that of all tokens, which was not given out yet.
    fn give_out(&mut self, text: &str) -> String {
        let before = self.text(self.shown);
        let new = match text.strip_prefix(before.as_str()) {
            Some(new) => new.to_owned(),
            // A later byte made a run of bytes invalid: what stands for it was given out already.
            None => text.chars().skip(before.chars().count()).collect(),
        };
        let context = self.tokens.len().saturating_sub(CONTEXT);
        self.tokens.drain(..context);
        self.shown = self.tokens.len();
        new
    }

    /// The text of the first `count` tokens that are kept.
    fn text(&self, count: usize) -> String {
        self.codec.decode(&self.tokens[..count]).unwrap_or_default()
    }
}
