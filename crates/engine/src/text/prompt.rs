//! Prompts in parts of two kinds: control tokens, and texts in which none are recognised.

use super::{Tokenizer, bad};
use crate::EngineError;

/// A part of a prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PromptPart<'a> {
    /// Exactly one special token, by its text.
    Control(&'a str),
    /// Text, in which what reads like a special token is text like any other.
    Text(&'a str),
}

impl Tokenizer {
    /// The texts of all special tokens.
    pub fn special_tokens(&self) -> Vec<String> {
        let added = self.tokenizer.get_added_tokens_decoder();
        let special = added.into_values().filter(|token| token.special);
        let mut texts: Vec<String> = special.map(|token| token.content).collect();
        texts.sort_unstable();
        texts
    }

    /// The token that every whole text begins with, where there is one.
    ///
    /// # Errors
    /// When the tokenizer cannot say.
    pub fn begin(&self) -> Result<Option<u32>, EngineError> {
        let first = self.encode("", true)?.first().copied();
        Ok(first.filter(|&token| self.is_special(token)))
    }

    /// Whether a token is special: it steers the model and has no text.
    pub fn is_special(&self, token: u32) -> bool {
        let added = self.tokenizer.get_added_vocabulary().get_added_tokens_decoder();
        added.get(&token).is_some_and(|token| token.special)
    }

    /// Tokens of the parts, one after the other, as if they were one text in which only [`PromptPart::Control`] parts are
    /// special tokens. Nothing is added at its beginning.
    ///
    /// # Errors
    /// When the tokenizer cannot express a text, or a control part is not a special token.
    pub fn encode_parts(&self, parts: &[PromptPart<'_>]) -> Result<Vec<u32>, EngineError> {
        let mut tokens = Vec::new();
        for (index, part) in parts.iter().enumerate() {
            match *part {
                PromptPart::Control(name) => {
                    let token = self.special_token(name);
                    tokens.push(
                        token.ok_or_else(|| bad(format!("'{name}' is not a special token")))?,
                    );
                }
                PromptPart::Text(text) => {
                    let before = index.checked_sub(1).map(|before| parts[before]);
                    let text = self.trimmed(text, before, parts.get(index + 1).copied());
                    let encoded = match before {
                        Some(_) => self.plain.encode_after_special(&self.tokenizer, text),
                        None => self.plain.encode(&self.tokenizer, text, false),
                    };
                    tokens.extend(encoded.map_err(bad)?);
                }
            }
        }
        Ok(tokens)
    }

    /// A text without the white space that the special tokens beside it take for their own.
    fn trimmed<'t>(
        &self,
        text: &'t str,
        before: Option<PromptPart<'_>>,
        after: Option<PromptPart<'_>>,
    ) -> &'t str {
        let added = self.tokenizer.get_added_vocabulary().get_added_tokens_decoder();
        let token = |part| match part {
            Some(PromptPart::Control(name)) => added.get(&self.special_token(name)?),
            _ => None,
        };
        let text = if token(before).is_some_and(|it| it.rstrip) { text.trim_start() } else { text };
        if token(after).is_some_and(|it| it.lstrip) { text.trim_end() } else { text }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flint_checkpoint::gguf::{GgufFile, GgufTokenizer};

    /// The tokenizers that ship, in which every form of white space before texts occurs.
    fn codecs() -> Vec<(&'static str, Tokenizer)> {
        let names = ["llama-spm", "llama-bpe", "phi-3", "gpt-2", "qwen2", "falcon", "deepseek-llm"];
        let open = |name| {
            let path = flint_fixtures::root().join(format!("gguf/vocabularies/{name}.gguf"));
            let tokenizer = GgufTokenizer::new(GgufFile::open(&path).unwrap().metadata()).unwrap();
            (name, Tokenizer::of_gguf(&tokenizer).unwrap())
        };
        names.into_iter().map(open).collect()
    }

    #[test]
    fn parts_give_the_tokens_of_their_text_when_nobody_typed_a_special_token() {
        for (name, codec) in codecs() {
            for special in codec.special_tokens().into_iter().take(40) {
                let texts = ["user\nHi there. ", " spaced  ", "\n"];
                let mut parts = vec![PromptPart::Control(&special)];
                for text in &texts {
                    parts.extend([PromptPart::Text(text), PromptPart::Control(&special)]);
                }
                let whole = texts.map(|text| format!("{special}{text}")).concat() + &special;
                let want = codec.encode(&whole, false).unwrap();
                assert_eq!(codec.encode_parts(&parts).unwrap(), want, "{name}: {special}");
            }
        }
    }

    #[test]
    fn typed_special_tokens_are_text() {
        for (name, codec) in codecs() {
            for special in codec.special_tokens().into_iter().filter(|it| it.len() > 1).take(40) {
                let token = codec.special_token(&special).unwrap();
                let typed = format!("a{special}b\u{10fffe}\u{10ffff}");
                let parts = [
                    PromptPart::Text(&typed),
                    PromptPart::Control(&special),
                    PromptPart::Text(&typed),
                ];
                let tokens = codec.encode_parts(&parts).unwrap();
                assert_eq!(
                    tokens.iter().filter(|&&it| it == token).count(),
                    1,
                    "{name}: {special}"
                );
                let vocabulary = codec.vocabulary() as u32;
                assert!(tokens.iter().all(|&token| token < vocabulary), "{name}");
            }
        }
    }
}
