//! A vocabulary of the right size: llama.cpp loads no model without one. Its words mean nothing.

use flint_checkpoint::gguf::NewValue;

/// Types of tokens.
mod kind {
    pub(super) const NORMAL: i32 = 1;
    pub(super) const UNKNOWN: i32 = 2;
    pub(super) const CONTROL: i32 = 3;
    pub(super) const BYTE: i32 = 6;
}

/// The entries of a vocabulary of `size` tokens, in the form of a SentencePiece model: three special ones,
/// the bytes where there is room, then made-up words.
pub(super) fn entries(size: usize) -> Vec<(String, NewValue)> {
    let special = [("<unk>", kind::UNKNOWN), ("<s>", kind::CONTROL), ("</s>", kind::CONTROL)];
    let special = special.map(|(text, kind)| (text.to_owned(), kind));
    let bytes = (0..=u8::MAX).map(|byte| (format!("<0x{byte:02X}>"), kind::BYTE));
    let bytes = bytes.filter(|_| size >= 3 + 256);
    let words = (0..size).map(|number| (format!("\u{2581}w{number}"), kind::NORMAL));
    let tokens = special.into_iter().chain(bytes).chain(words).take(size);
    let (texts, kinds): (Vec<String>, Vec<i32>) = tokens.unzip();
    // The later a token, the less it is liked, as where the pieces were learned.
    let scores = (0..texts.len()).map(|number| -(number as f32)).collect();
    let last = size.saturating_sub(1).min(2) as u32;
    let values = [
        ("model", NewValue::Text("llama".to_owned())),
        ("tokens", NewValue::Texts(texts)),
        ("scores", NewValue::F32s(scores)),
        ("token_type", NewValue::I32s(kinds)),
        ("bos_token_id", NewValue::U32(last.min(1))),
        ("eos_token_id", NewValue::U32(last)),
        ("unknown_token_id", NewValue::U32(0)),
    ];
    values.map(|(key, value)| (format!("tokenizer.ggml.{key}"), value)).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_size_has_as_many_different_tokens() {
        for size in [3, 100, 259, 400, 32000] {
            let entries = entries(size);
            let NewValue::Texts(texts) = &entries[1].1 else { panic!("no texts") };
            assert_eq!(texts.iter().collect::<BTreeSet<_>>().len(), size);
            let NewValue::I32s(kinds) = &entries[3].1 else { panic!("no kinds") };
            let bytes = kinds.iter().filter(|&&kind| kind == kind::BYTE).count();
            assert_eq!((kinds.len(), bytes), (size, if size >= 259 { 256 } else { 0 }));
        }
    }
}
