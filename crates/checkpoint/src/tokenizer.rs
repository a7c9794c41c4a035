//! The tokenizer of a checkpoint as the text of `tokenizer.json`, whichever form it is published in.
//!
//! Attacks that end here, each with a test in `tests/it/hostile/tokenizers.rs`: vocabularies and lists of merges
//! of millions, pieces that are there twice, merges that make tens of gigabytes out of a small model, ids near
//! 2^32, lengths near 2^64, other types, nesting without end, texts that are not UTF-8, a `tokenizer.json` that
//! makes its library panic or that would pad each text to terabytes.

mod byte_level;
mod library;
mod protobuf;
mod screen;
mod sentencepiece;
mod settings;

pub use library::{guarded, panics_are_errors, read as read_tokenizer};

use crate::{Checkpoint, CheckpointError};
use serde_json::{Value, json};
use settings::{AddedToken, Settings};
use std::collections::HashMap;

/// Most pieces of a vocabulary: the largest have two thirds of it. What is kept of each takes a few hundred bytes.
const MOST_PIECES: usize = 3 << 17;

/// The vocabulary, and what a form puts into `tokenizer.json`.
struct Parts {
    /// Every piece with its id.
    ids: HashMap<String, u32>,
    /// Pieces that the vocabulary says stand for themselves.
    marked: Vec<AddedToken>,
    normalizer: Value,
    pre_tokenizer: Value,
    decoder: Value,
    model: Value,
}

/// The text of `tokenizer.json`: as published, or built from other forms; `None` when the checkpoint has
/// none. In one that is built, texts begin with the token `begin`, or with the one that the settings name in its place.
///
/// # Errors
/// When a form is damaged or needs something that is not built.
pub fn tokenizer_json(
    checkpoint: &Checkpoint,
    begin: Option<u32>,
) -> Result<Option<Vec<u8>>, CheckpointError> {
    if let Some(text) = checkpoint.text("tokenizer.json")? {
        // What does not parse is found out now, not when the bundle is used.
        library::read(&text).map_err(|problem| checkpoint.bad("tokenizer.json", problem))?;
        return Ok(Some(text));
    }
    let (name, parts, settings) = if let Some(text) = checkpoint.text(byte_level::VOCABULARY)? {
        let settings = Settings::read(checkpoint)?;
        (byte_level::VOCABULARY, byte_level::parts(checkpoint, &settings, &text)?, settings)
    } else if let Some(model) = checkpoint.text(sentencepiece::MODEL)? {
        let settings = Settings::read(checkpoint)?;
        let parts = sentencepiece::parts(&model, &settings)
            .map_err(|problem| checkpoint.bad(sentencepiece::MODEL, problem))?;
        (sentencepiece::MODEL, parts, settings)
    } else {
        return Ok(None);
    };
    build(parts, &settings, begin).map(Some).map_err(|problem| checkpoint.bad(name, problem))
}

/// Bytes of the `tokenizer.json` of a SentencePiece model; for [`super::parsers`].
pub(crate) fn from_sentencepiece(model: &[u8]) -> Result<usize, String> {
    let settings = Settings::default();
    build(sentencepiece::parts(model, &settings)?, &settings, None).map(|text| text.len())
}

/// Bytes of the `tokenizer.json` of a vocabulary, its merges, and the three files of settings; for [`super::parsers`].
pub(crate) fn from_byte_level(
    vocabulary: &[u8],
    merges: &[u8],
    settings: [&[u8]; 3],
) -> Result<usize, String> {
    let settings = Settings::parse(settings).map_err(|error| error.to_string())?;
    let ids = byte_level::vocabulary(vocabulary)?;
    let merges = byte_level::merges(merges, ids.len())?;
    let parts = byte_level::assemble(ids, &merges, settings.prefix_space.unwrap_or(false));
    build(parts, &settings, None).map(|text| text.len())
}

/// Puts the parts together and lets the library read them.
fn build(parts: Parts, settings: &Settings, begin: Option<u32>) -> Result<Vec<u8>, String> {
    let mut added = settings.added(&parts.ids, &parts.marked);
    added.sort_by_key(|token| token.id);
    let begin = begin.map(|id| {
        let id = settings.begin(&parts.ids).unwrap_or(id);
        let piece = parts.ids.iter().find(|&(_, &known)| known == id).map(|(piece, _)| piece);
        let content =
            piece.or(added.iter().find(|token| token.id == id).map(|token| &token.content));
        content.map(|content| (id, content)).ok_or(format!("has no token {id} to begin texts with"))
    });
    let tokens: Vec<Value> = added
        .iter()
        .map(|token| {
            json!({ "id": token.id, "content": token.content, "special": token.special,
                "single_word": false, "lstrip": token.lstrip, "rstrip": token.rstrip,
                "normalized": false })
        })
        .collect();
    let text = json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": tokens,
        "normalizer": parts.normalizer,
        "pre_tokenizer": parts.pre_tokenizer,
        "post_processor": begin.transpose()?.map(|(id, content)| beginning(id, content)),
        "decoder": parts.decoder,
        "model": parts.model,
    });
    let text = serde_json::to_vec(&text).map_err(|error| error.to_string())?;
    let built = library::read(&text)?;
    // The library numbers tokens that are in no vocabulary itself.
    for token in &added {
        let got = built.token_to_id(&token.content);
        if got != Some(token.id) {
            let (content, id) = (&token.content, token.id);
            return Err(format!("leaves a gap before '{content}': its id is {id}, not {got:?}"));
        }
    }
    Ok(text)
}

/// Puts a token in front of every text.
fn beginning(id: u32, content: &str) -> Value {
    let begin = json!({ "SpecialToken": { "id": content, "type_id": 0 } });
    let sequence = |id, kind| json!({ "Sequence": { "id": id, "type_id": kind } });
    json!({
        "type": "TemplateProcessing",
        "single": [begin, sequence("A", 0)],
        "pair": [begin, sequence("A", 0), sequence("B", 1)],
        "special_tokens": { content: { "id": content, "ids": [id], "tokens": [content] } },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// What `text` and `ids` become with a SentencePiece model whose `tokenizer_config.json` is `config`.
    fn both_ways(name: &str, config: &str, text: &str, ids: &[u32]) -> (Vec<u32>, String) {
        let model = fs::read(flint_fixtures::tokenizer(name).join(sentencepiece::MODEL)).unwrap();
        let settings = Settings::parse([config.as_bytes(), b"{}", b"{}"]).unwrap();
        let parts = sentencepiece::parts(&model, &settings).unwrap();
        let tokenizer = library::read(&build(parts, &settings, Some(1)).unwrap()).unwrap();
        let encoded = tokenizer.encode(text, true).unwrap();
        (encoded.get_ids().to_vec(), tokenizer.decode(ids, true).unwrap())
    }

    // The ids of these tests are those of transformers 5.24.

    #[test]
    fn pieces_that_stand_for_themselves_are_found_and_control_pieces_are_not_shown() {
        let prompt = "<|im_start|>user hi<|im_end|>";
        let want = [1, 4, 343, 355, 350, 281, 272, 351, 5];
        // 3 is a control piece; without settings the vocabulary alone says so.
        let (ids, text) = both_ways("llama-pieces", "{}", prompt, &[1, 3, 355, 350, 281, 2]);
        assert_eq!((&ids[..], &text[..]), (&want[..], "user"));
        let (ids, text) = both_ways("llama-pieces", "{}", "a<ctl>b", &want);
        assert!(ids.contains(&3), "{ids:?}");
        // User-defined pieces are text like any other when they are shown.
        assert!(text.contains("<|im_start|>") && text.contains("<|im_end|>"), "{text}");
    }

    #[test]
    fn whether_a_space_goes_in_front_is_for_the_settings_to_say() {
        let (ids, text) =
            both_ways("llama", r#"{"add_prefix_space": false}"#, "Hello 12345 world", &[340, 341]);
        let want = [1, 370, 341, 283, 344, 340, 52, 53, 54, 55, 56, 263, 289, 311];
        assert_eq!(ids, want);
        // A space that nobody put in front is not taken away either.
        assert!(text.starts_with(' '), "{text:?}");
        let (ids, _) = both_ways("llama", "{}", "Hello 12345 world", &[]);
        assert_eq!(ids[..3], [1, 340, 370]);
    }

    #[test]
    fn the_text_behind_a_special_token_gets_a_space_only_in_the_legacy_way() {
        let named = r#""bos_token": "<s>", "eos_token": "</s>""#;
        let config = |legacy| format!("{{{named}, \"legacy\": {legacy}}}");
        let (ids, _) = both_ways("llama", &config(false), "</s>hi<pad>", &[]);
        assert_eq!(ids, [1, 2, 345, 348, 63, 360, 305, 65]);
        let (ids, _) = both_ways("llama", &config(true), "</s>hi<pad>", &[]);
        assert_eq!(ids[..4], [1, 2, 269, 348]);
        // In front of a whole text it stands either way.
        let (ids, _) = both_ways("llama", &config(false), "Hello", &[]);
        assert_eq!(ids[..3], [1, 340, 370]);
    }
}
