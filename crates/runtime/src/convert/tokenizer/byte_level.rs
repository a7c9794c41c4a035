//! `vocab.json` and `merges.txt`: byte-level BPE as GPT-2 and OPT have it.

use super::settings::Settings;
use super::{Checkpoint, CheckpointError, Parts};
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
    let ids: HashMap<String, u32> = serde_json::from_slice(vocabulary)
        .map_err(|error| bad(format!("is no vocabulary: {error}")))?;
    let text = checkpoint.text(MERGES)?;
    let text = text.ok_or_else(|| bad(format!("has no {MERGES} beside it")))?;
    let merges = merges(&text).map_err(|problem| checkpoint.bad(MERGES, problem))?;
    Ok(Parts {
        normalizer: Value::Null,
        pre_tokenizer: json!({ "type": "ByteLevel", "add_prefix_space": settings.prefix_space,
            "trim_offsets": true, "use_regex": true }),
        decoder: json!({ "type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true,
            "use_regex": true }),
        model: json!({ "type": "BPE", "vocab": ids, "merges": merges }),
        ids,
    })
}

/// Pairs of pieces, the first merged first.
fn merges(text: &[u8]) -> Result<Vec<(&str, &str)>, String> {
    let text = std::str::from_utf8(text).map_err(|_| "is not in UTF-8".to_owned())?;
    let mut merges = Vec::new();
    for (index, line) in text.lines().enumerate() {
        // The first line may say which version of the format it is; a merge may begin with '#', too.
        if line.is_empty() || (index == 0 && line.starts_with("#version")) {
            continue;
        }
        match line.split_once(' ') {
            Some((left, right)) if !right.contains(' ') => merges.push((left, right)),
            _ => return Err(format!("line {} is no pair of pieces", index + 1)),
        }
    }
    Ok(merges)
}
