//! Tokenizers built from the metadata of GGUF files.

mod built;
mod hostile;
mod published;
mod splitting;
mod twin;

use crate::writer::{Gguf, Value, f32s, i32s, string, strings, u32};
use flint_checkpoint::gguf::{GgufError, GgufTokenizer, Specials, TokenizerFault};

/// A vocabulary in the making: tokens with kinds and scores.
#[derive(Clone, Default)]
struct Tokens {
    list: Vec<(String, i32, f32)>,
    model: &'static str,
    more: Vec<(String, Value)>,
}

impl Tokens {
    /// A SentencePiece vocabulary: three special tokens, then all bytes, then `pieces`, the first with the highest score.
    fn pieces(pieces: &[&str]) -> Tokens {
        let mut tokens = Tokens { model: "llama", ..Tokens::default() };
        tokens = tokens.with("<unk>", 2).with("<s>", 3).with("</s>", 3);
        for byte in 0..=u8::MAX {
            tokens = tokens.with(&format!("<0x{byte:02X}>"), 6);
        }
        for (piece, rank) in pieces.iter().zip(1u8..) {
            tokens.list.push(((*piece).to_owned(), 1, -f32::from(rank)));
        }
        tokens
    }

    /// A byte-level vocabulary of the letters a to e and a space, with `merges`, cut in this way.
    fn merges(splitting: &str, merges: &[&str]) -> Tokens {
        let mut tokens = Tokens { model: "gpt2", ..Tokens::default() };
        for letter in ["a", "b", "c", "d", "e", "\u{120}", "<", ">", "|"] {
            tokens = tokens.with(letter, 1);
        }
        for merge in merges {
            let token = merge.replace(' ', "");
            if !tokens.list.iter().any(|(text, ..)| *text == token) {
                tokens = tokens.with(&token, 1);
            }
        }
        tokens.key("pre", string(splitting)).key("merges", strings(merges))
    }

    fn with(mut self, text: &str, kind: i32) -> Tokens {
        self.list.push((text.to_owned(), kind, -1000.0));
        self
    }

    fn key(mut self, name: &str, value: Value) -> Tokens {
        self.more.retain(|(known, _)| known != name);
        self.more.push((name.to_owned(), value));
        self
    }

    fn named(self, name: &str) -> Tokens {
        let id = self.id(name);
        let key = match name {
            "<s>" => "bos_token_id",
            _ => "eos_token_id",
        };
        self.key(key, u32(id))
    }

    fn id(&self, text: &str) -> u32 {
        self.list.iter().position(|(known, ..)| known == text).unwrap() as u32
    }

    fn ids(&self, texts: &[&str]) -> Vec<u32> {
        texts.iter().map(|text| self.id(text)).collect()
    }

    /// The file; keys that were given replace what follows from the tokens.
    fn file(&self) -> Gguf {
        let texts: Vec<&str> = self.list.iter().map(|(text, ..)| text.as_str()).collect();
        let kinds: Vec<i32> = self.list.iter().map(|&(_, kind, _)| kind).collect();
        let scores: Vec<f32> = self.list.iter().map(|&(.., score)| score).collect();
        let own = [
            ("model", string(self.model)),
            ("tokens", strings(&texts)),
            ("token_type", i32s(&kinds)),
            ("scores", f32s(&scores)),
        ];
        let mut file = Gguf::default();
        for (name, value) in own {
            if !self.more.iter().any(|(known, _)| known == name) {
                file = file.key(format!("tokenizer.ggml.{name}"), value);
            }
        }
        for (name, value) in &self.more {
            let key = match name.contains('.') {
                true => name.clone(),
                false => format!("tokenizer.ggml.{name}"),
            };
            file = file.key(key, value.clone());
        }
        file
    }

    fn build(&self) -> Result<GgufTokenizer, GgufError> {
        GgufTokenizer::new(self.file().read().unwrap().metadata())
    }

    fn fault(&self) -> TokenizerFault {
        match self.build() {
            Err(GgufError::Tokenizer { fault, .. }) => fault,
            other => panic!("{other:?}"),
        }
    }

    /// The texts of the tokens of `text`.
    fn encode(&self, text: &str, whole: bool, specials: Specials) -> Vec<String> {
        let ids = self.build().unwrap().encode(text, whole, specials).unwrap();
        ids.iter().map(|&id| self.list[id as usize].0.clone()).collect()
    }
}
