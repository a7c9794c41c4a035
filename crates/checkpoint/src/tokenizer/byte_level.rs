//! `vocab.json` and `merges.txt`: byte-level BPE as GPT-2 and OPT have it.

use super::settings::Settings;
use super::{Checkpoint, CheckpointError, MOST_PIECES, Parts};
use crate::huggingface::json::Named;
use serde_json::{Value, json};
use std::collections::HashMap;

pub(super) const VOCABULARY: &str = "vocab.json";
const MERGES: &str = "merges.txt";

/// Classes that split texts the way of GPT-2 before they merge bytes. Others do so in their own way.
const CLASSES: [&str; 2] = ["GPT2Tokenizer", "CodeGenTokenizer"];

pub(super) fn parts(
    checkpoint: &Checkpoint,
    settings: &Settings,
    vocabulary: &[u8],
) -> Result<Parts, CheckpointError> {
    let bad = |problem: String| checkpoint.bad(VOCABULARY, problem);
    if let Some(class) = settings.class.as_deref().filter(|class| !CLASSES.contains(class)) {
        return Err(bad(format!("is of a {class}, which needs a tokenizer.json beside it")));
    }
    let ids = self::vocabulary(vocabulary).map_err(bad)?;
    let text = checkpoint.text(MERGES)?;
    let text = text.ok_or_else(|| bad(format!("has no {MERGES} beside it")))?;
    let merges = merges(&text, ids.len()).map_err(|problem| checkpoint.bad(MERGES, problem))?;
    Ok(assemble(ids, &merges, settings.prefix_space.unwrap_or(false)))
}

/// Ids by piece.
pub(super) fn vocabulary(text: &[u8]) -> Result<HashMap<String, u32>, String> {
    let read = serde_json::from_slice::<Named<u32, MOST_PIECES>>(text);
    read.map(|Named(ids)| ids).map_err(|error| format!("is not a vocabulary: {error}"))
}

pub(super) fn assemble(
    ids: HashMap<String, u32>,
    merges: &[(&str, &str)],
    prefix_space: bool,
) -> Parts {
    Parts {
        normalizer: Value::Null,
        pre_tokenizer: json!({ "type": "ByteLevel", "add_prefix_space": prefix_space,
            "trim_offsets": true, "use_regex": true }),
        decoder: json!({ "type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true,
            "use_regex": true }),
        model: json!({ "type": "BPE", "vocab": ids, "merges": merges }),
        ids,
        marked: Vec::new(),
    }
}

/// Pairs of pieces, the first merged first; each makes a piece of its own, so there are at most `most`.
pub(super) fn merges(text: &[u8], most: usize) -> Result<Vec<(&str, &str)>, String> {
    let text = std::str::from_utf8(text).map_err(|_| "is not in UTF-8".to_owned())?;
    let mut merges = Vec::new();
    for (index, line) in text.lines().enumerate() {
        // The first line may say which version of the format it is; a merge may begin with '#', too.
        if line.is_empty() || (index == 0 && line.starts_with("#version")) {
            continue;
        }
        if merges.len() == most {
            return Err(format!("has more merges than the vocabulary has pieces, which is {most}"));
        }
        match line.split_once(' ') {
            Some((left, right)) if !right.contains(' ') => merges.push((left, right)),
            _ => return Err(format!("line {} is not a pair of pieces", index + 1)),
        }
    }
    Ok(merges)
}
