//! The bytes of single tokens, as reports of probabilities show them.

use super::Tokenizer;
use tokenizers::DecoderWrapper;

impl Tokenizer {
    /// Number of tokens.
    pub fn vocabulary(&self) -> usize {
        self.tokenizer.get_vocab_size(true)
    }

    /// The text of a special token, or the piece of the vocabulary; `None` past the vocabulary.
    pub fn piece(&self, token: u32) -> Option<String> {
        self.tokenizer.id_to_token(token)
    }

    /// The bytes that a token adds to a text; a special token stands for its name. Empty past the vocabulary.
    pub fn bytes(&self, token: u32) -> Vec<u8> {
        let Some(piece) = self.piece(token) else { return Vec::new() };
        if self.tokenizer.get_added_vocabulary().get_added_tokens_decoder().contains_key(&token) {
            return piece.into_bytes();
        }
        if let Some(byte) = byte_named(&piece) {
            return vec![byte];
        }
        match self.tokenizer.get_decoder() {
            Some(DecoderWrapper::ByteLevel(_)) => byte_level(&piece),
            _ => piece.replace('\u{2581}', " ").into_bytes(),
        }
    }
}

/// The byte that a piece such as `<0x0A>` stands for.
fn byte_named(piece: &str) -> Option<u8> {
    let digits = piece.strip_prefix("<0x")?.strip_suffix('>')?;
    (digits.len() == 2).then(|| u8::from_str_radix(digits, 16).ok())?
}

/// The bytes of a piece in which each byte is a printable character, as GPT-2 began it.
fn byte_level(piece: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(piece.len());
    for character in piece.chars() {
        let code = u32::from(character);
        match code {
            0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff => bytes.push(code as u8),
            // Those that do not print come in their order from 256 on.
            0x100..=0x120 => bytes.push((code - 0x100) as u8),
            0x121..=0x142 => bytes.push((code - 0x121 + 0x7f) as u8),
            0x143 => bytes.push(0xad),
            _ => bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    bytes
}
