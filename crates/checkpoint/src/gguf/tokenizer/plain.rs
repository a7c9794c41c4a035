//! Text to tokens for texts of strangers: what looks like a special token is text like any other.

use crate::tokenizer::guarded;
use tokenizers::{
    AddedToken, AddedVocabulary, Model, OffsetType, PreTokenizer, Result, Token, Tokenizer,
};

/// Stands for a special token in front of a text: two characters that Unicode will never assign.
const SOMETHING_SPECIAL: &str = "\u{10fffe}\u{10ffff}";

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
        let mut added = unmarked(tokenizer);
        let mark = AddedToken::from(SOMETHING_SPECIAL, false).normalized(false);
        // Without the mark a text after a special token is encoded like one at the beginning.
        let _ = added.add_tokens([mark], tokenizer.get_model(), tokenizer.get_normalizer());
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
        if text.contains(SOMETHING_SPECIAL) {
            let plain = PlainText { added: unmarked(tokenizer) };
            return plain.run(tokenizer, text, whole);
        }
        self.run(tokenizer, text, whole)
    }

    /// The tokens of `text` as it goes on after a special token: some tokenizers put a space in front of the first text
    /// alone.
    ///
    /// # Errors
    /// When the library fails on the text.
    pub fn encode_after_special(
        &self,
        tokenizer: &Tokenizer,
        text: &str,
    ) -> std::result::Result<Vec<u32>, String> {
        let mark = self.added.token_to_id(SOMETHING_SPECIAL, tokenizer.get_model());
        let Some(mark) = mark.filter(|_| !text.contains(SOMETHING_SPECIAL)) else {
            return self.encode(tokenizer, text, false);
        };
        let mut tokens = self.run(tokenizer, &format!("{SOMETHING_SPECIAL}{text}"), false)?;
        tokens.retain(|&token| token != mark);
        Ok(tokens)
    }

    fn run(
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

/// What is added to the vocabulary of `tokenizer`, such that special tokens are not looked for.
fn unmarked(tokenizer: &Tokenizer) -> AddedVocabulary {
    let mut added = tokenizer.get_added_vocabulary().clone();
    added.set_encode_special_tokens(true);
    added
}
