//! The text files of a checkpoint: regular files of a size that a real one may have, names used once.
//!
//! Attacks that end here, each with a test in `tests/it/hostile/texts.rs`: a text of gigabytes (parsed, it would
//! take many times its size), a pipe or a device in its place (reading would never end), a loop of links, a
//! directory. A link to a file elsewhere is followed, for that is how download caches are made: its bytes are
//! treated like any other.

use super::{CheckpointError, json, read_error};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

/// Largest `tokenizer.json` that is read, in bytes: the largest in use take half of it.
pub const LARGEST_TOKENIZER: u64 = 64 << 20;

/// Largest files that are read, by name; a real one takes at most about half.
const LARGEST: [(&str, u64); 5] = [
    ("tokenizer.json", LARGEST_TOKENIZER),
    ("vocab.json", 16 << 20),
    ("merges.txt", 16 << 20),
    ("tokenizer.model", 16 << 20),
    ("tokenizer_config.json", 2 << 20),
];

/// Largest index of shards: one line for each tensor.
const LARGEST_INDEX: u64 = 16 << 20;

/// Largest of the others: a real `config.json` takes a few kilobytes.
const LARGEST_OTHER: u64 = 1 << 20;

/// JSON files in which a name that comes twice could mean two things to two readers. Others look for it
/// while they are read; `tokenizer.json` is left to its library.
const NAMED: [&str; 5] = [
    "config.json",
    "generation_config.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
];

/// Reads the text file at `path`; `None` when it is not there.
pub(super) fn read(path: &Path) -> Result<Option<Vec<u8>>, CheckpointError> {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let Some(text) = read_capped(path, largest(name))? else { return Ok(None) };
    match NAMED.contains(&name).then(|| json::problem(&text)).flatten() {
        Some(problem) => Err(bad(path, problem)),
        None => Ok(Some(text)),
    }
}

fn largest(name: &str) -> u64 {
    let known = LARGEST.iter().find(|(known, _)| *known == name).map(|&(_, largest)| largest);
    known.unwrap_or(if name.ends_with(".index.json") { LARGEST_INDEX } else { LARGEST_OTHER })
}

fn read_capped(path: &Path, largest: u64) -> Result<Option<Vec<u8>>, CheckpointError> {
    let size = match fs::metadata(path) {
        Ok(found) if found.is_file() => found.len(),
        Ok(_) => return Err(bad(path, "is not a regular file".to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(cause) => return Err(read_error(path, cause)),
    };
    if size > largest {
        return Err(bad(path, format!("has {size} bytes, at most {largest} are read")));
    }
    let mut text = Vec::with_capacity(size as usize);
    let file = File::open(path).map_err(|cause| read_error(path, cause))?;
    // The cap holds even when the file grows after it was asked for its length.
    file.take(largest).read_to_end(&mut text).map_err(|cause| read_error(path, cause))?;
    Ok(Some(text))
}

/// Opens a file of tensors. Opening a pipe would wait for whoever writes to it.
pub(super) fn open_regular(path: &Path) -> Result<File, CheckpointError> {
    let found = fs::metadata(path).map_err(|cause| read_error(path, cause))?;
    if !found.is_file() {
        return Err(bad(path, "is not a regular file".to_owned()));
    }
    File::open(path).map_err(|cause| read_error(path, cause))
}

fn bad(path: &Path, problem: String) -> CheckpointError {
    CheckpointError::BadFile { path: path.to_owned(), problem }
}
