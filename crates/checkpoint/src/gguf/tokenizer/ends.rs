//! Which tokens end an answer: named by keys, or known by their texts, as files rarely name all of them.

use super::super::error::GgufError;
use super::super::metadata::Metadata;
use super::vocabulary::{TokenKind, Vocabulary};

/// Keys that name a token after which an answer does not go on.
const KEYS: [&str; 5] =
    ["eot_token_id", "eom_token_id", "fim_pad_token_id", "fim_rep_token_id", "fim_sep_token_id"];

/// Texts of tokens that end an answer, in whatever vocabulary they are: ends of text, turns and messages of many models,
/// then the padding, repository and file marks of models for code.
const NAMES: [&str; 33] = [
    "</s>",
    "<eos>",
    "<|endoftext|>",
    "<|end_of_text|>",
    "<\u{ff5c}end\u{2581}of\u{2581}sentence\u{ff5c}>",
    "<|eot_id|>",
    "<|eom_id|>",
    "<|im_end|>",
    "<|end|>",
    "<|return|>",
    "<|call|>",
    "<|calls|>",
    "<|flush|>",
    "<end_of_turn>",
    "<end_of_utterance>",
    "<turn|>",
    "<|tool_response>",
    "<EOT>",
    "_<EOT>",
    "[EOT]",
    "[EOS]",
    "[e~[",
    "<|fim_pad|>",
    "<fim-pad>",
    "<fim_pad>",
    "<PAD>",
    "[PAD]",
    "<|fim_repo|>",
    "<|repo_name|>",
    "<fim-repo>",
    "<REPO>",
    "<reponame>",
    "<|file_sep|>",
];

/// Marks of gpt-oss between the parts of an answer: part of what is shown.
const SHOWN: [&str; 4] = ["<|channel|>", "<|message|>", "<|start|>", "<|constrain|>"];

/// Sets of tokens of which all are there in vocabularies where `<|end|>` only ends a part of an answer.
const PARTS: [[&str; 2]; 2] = [["<|return|>", "<|call|>"], ["<|flush|>", "<|calls|>"]];

/// The mark between parts of an answer in those vocabularies.
const END: &str = "<|end|>";

/// Finds the ends, and gives tokens that are known by name the kind that they have whatever the file says.
pub(super) fn find(
    metadata: &Metadata,
    vocabulary: &mut Vocabulary<'_>,
) -> Result<Vec<u32>, GgufError> {
    let mut ends = Vec::new();
    for key in KEYS {
        ends.extend(vocabulary.id(metadata, key)?);
    }
    let id = |vocabulary: &Vocabulary<'_>, name: &str| vocabulary.ids.get(name).copied();
    let in_parts = PARTS.iter().any(|set| set.iter().all(|name| id(vocabulary, name).is_some()));
    for name in NAMES {
        let Some(id) = id(vocabulary, name) else { continue };
        if name == END && in_parts {
            set(vocabulary, id, TokenKind::UserDefined);
            continue;
        }
        set(vocabulary, id, TokenKind::Control);
        ends.push(id);
    }
    for name in SHOWN {
        if let Some(id) = id(vocabulary, name) {
            set(vocabulary, id, TokenKind::UserDefined);
        }
    }
    Ok(ends)
}

fn set(vocabulary: &mut Vocabulary<'_>, id: u32, kind: TokenKind) {
    let place = usize::try_from(id).ok().and_then(|id| vocabulary.kinds.get_mut(id));
    if let Some(place) = place {
        *place = kind;
    }
}
