//! Text to tokens for texts of strangers: what looks like a special token is text like any other.

use crate::tokenizer::guarded;
use tokenizers::{AddedVocabulary, Model, OffsetType, PreTokenizer, Result, Token, Tokenizer};

/// An encoder that shares a tokenizer, and finds no special tokens in a text.
///
/// A user who types `<|im_end|>` says these characters, and does not end his turn. Tokens that are not special, such as
/// user-defined ones, are found all the same.
#[derive(Debug, Clone)]
pub struct PlainText {
    added: AddedVocabulary,
}

impl PlainText {
    /// The plain encoder of `tokenizer`. It takes memory for its added tokens alone.
    pub fn of(tokenizer: &Tokenizer) -> PlainText {
        let mut added = tokenizer.get_added_vocabulary().clone();
        added.set_encode_special_tokens(true);
        PlainText { added }
    }

    /// The tokens of `text` by `tokenizer`, the one that this was made of; with what is added to `whole` texts.
    ///
    /// # Errors
    /// When the library fails on the text.
    pub fn encode(
        &self,
        tokenizer: &Tokenizer,
        text: &str,
        whole: bool,
    ) -> std::result::Result<Vec<u32>, String> {
        let encoded = guarded(|| {
            let mut pieces = self.added.extract_and_normalize(tokenizer.get_normalizer(), text);
            if let Some(splitting) = tokenizer.get_pre_tokenizer() {
                splitting.pre_tokenize(&mut pieces)?;
            }
            pieces.tokenize(|piece| self.tokens(tokenizer, piece.get()))?;
            let encoded = pieces.into_encoding(None, 0, OffsetType::None)?;
            tokenizer.post_process(encoded, None, whole)
        })?;
        Ok(encoded.get_ids().to_vec())
    }

    /// The tokens of a piece. Where merges make a special token of it, its characters are taken one by one.
    fn tokens(&self, tokenizer: &Tokenizer, piece: &str) -> Result<Vec<Token>> {
        let model = tokenizer.get_model();
        let tokens = model.tokenize(piece)?;
        let special = |token: &Token| self.added.is_special_token(&token.value);
        if !tokens.iter().any(special) {
            return Ok(tokens);
        }
        let mut plain = Vec::with_capacity(tokens.len());
        for token in tokens {
            let (start, end) = token.offsets;
            let text = piece.get(start..end).unwrap_or_default();
            // One character that is special is what stands for all that is unknown.
            if !special(&token) || text.chars().nth(1).is_none() {
                plain.push(token);
                continue;
            }
            for character in text.chars() {
                plain.extend(model.tokenize(character.encode_utf8(&mut [0; 4]))?);
            }
        }
        Ok(plain)
    }
}
