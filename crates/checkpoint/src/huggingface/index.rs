//! Which files hold the tensors: one, or the shards that an index names.
//!
//! Attacks that end here, each with a test in `tests/it/hostile/index.rs`: names that are paths out of the directory,
//! hundreds of thousands of shards, a tensor that is in two shards, an index of other types, not UTF-8,
//! nested without end, of gigabytes; a shard that is a pipe, a directory or a loop of links.

use super::json::Named;
use super::{CheckpointError, MOST_TENSORS, text};
use serde::Deserialize;
use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

/// A file of all tensors, or an index of shards; the first that exists counts.
const LAYOUTS: [(&str, &str); 2] = [
    ("model.safetensors", "model.safetensors.index.json"),
    ("pytorch_model.bin", "pytorch_model.bin.index.json"),
];

/// Most shards: the largest published checkpoints have about two hundred, and every one is kept open.
const MOST_SHARDS: usize = 4096;

/// Longest name of a file, the folders before it included, in bytes.
const LONGEST_NAME: usize = 255;

#[derive(Deserialize)]
struct Index {
    weight_map: Named<String, MOST_TENSORS>,
}

/// Names of the tensor files in `dir`; `None` when there are none.
pub(super) fn shards(dir: &Path) -> Result<Option<Vec<String>>, CheckpointError> {
    for (single, index) in LAYOUTS {
        if text::find(&dir.join(single))?.is_some() {
            return Ok(Some(vec![single.to_owned()]));
        }
        if let Some(names) = indexed(dir.join(index))? {
            return Ok(Some(names));
        }
    }
    Ok(None)
}

/// Names that the index at `path` gives; `None` when there is none.
fn indexed(path: PathBuf) -> Result<Option<Vec<String>>, CheckpointError> {
    let Some(text) = text::read(&path)? else { return Ok(None) };
    parse(&text).map(Some).map_err(|problem| CheckpointError::BadFile { path, problem })
}

/// Names that an index gives, by ascending name.
pub(crate) fn parse(text: &[u8]) -> Result<Vec<String>, String> {
    let index: Index =
        serde_json::from_slice(text).map_err(|error| format!("is not an index: {error}"))?;
    let Named(files) = index.weight_map;
    let written: BTreeSet<String> = files.into_values().collect();
    // Two ways to write one name are one file.
    let mut names = BTreeSet::new();
    for name in &written {
        names.insert(within(name).ok_or_else(|| {
            format!("names a file outside the checkpoint: '{}'", name.escape_debug())
        })?);
    }
    if names.len() > MOST_SHARDS {
        return Err(format!("names {} files, at most {MOST_SHARDS} are read", names.len()));
    }
    Ok(names.into_iter().collect())
}

/// The path of a file in the directory or in a folder of it, without parts that lead nowhere (`./`); `None` for any other.
fn within(name: &str) -> Option<String> {
    let mut parts = Vec::new();
    for part in Path::new(name).components() {
        match part {
            Component::Normal(part) => parts.push(part.to_str()?),
            Component::CurDir => {}
            _ => return None,
        }
    }
    let is_plain = name.len() <= LONGEST_NAME && !name.contains(char::is_control);
    (is_plain && !parts.is_empty()).then(|| parts.join("/"))
}
