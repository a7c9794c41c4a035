//! Which files hold the tensors: one, or the shards that an index names.

use super::{CheckpointError, read_text};
use serde::Deserialize;
use std::collections::{BTreeSet, HashMap};
use std::path::{Component, Path, PathBuf};

/// A file of all tensors, or an index of shards; the first that exists counts.
const LAYOUTS: [(&str, &str); 2] = [
    ("model.safetensors", "model.safetensors.index.json"),
    ("pytorch_model.bin", "pytorch_model.bin.index.json"),
];

#[derive(Deserialize)]
struct Index {
    weight_map: HashMap<String, String>,
}

/// Names of the tensor files in `dir`; `None` when there are none.
pub(super) fn shards(dir: &Path) -> Result<Option<Vec<String>>, CheckpointError> {
    for (single, index) in LAYOUTS {
        if dir.join(single).is_file() {
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
    let Some(text) = read_text(&path)? else { return Ok(None) };
    let bad = |problem: String| CheckpointError::BadFile { path: path.clone(), problem };
    let index: Index =
        serde_json::from_slice(&text).map_err(|error| bad(format!("is no index: {error}")))?;
    let names: BTreeSet<String> = index.weight_map.into_values().collect();
    match names.iter().find(|name| !is_plain(name)) {
        Some(name) => Err(bad(format!("names a file outside the checkpoint: '{name}'"))),
        None => Ok(Some(names.into_iter().collect())),
    }
}

/// Whether a name is that of a file in the directory itself.
fn is_plain(name: &str) -> bool {
    let mut parts = Path::new(name).components();
    matches!((parts.next(), parts.next()), (Some(Component::Normal(_)), None))
}
