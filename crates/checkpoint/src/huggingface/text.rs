//! The text files of a checkpoint: regular files of a size that a real one may have, names used once.
//!
//! Attacks that end here, each with a test in `tests/it/hostile/texts.rs`: a text of gigabytes (parsed, it would
//! take many times its size), a pipe or a device in its place (reading would never end), a loop of links, a
//! directory. A link to a file elsewhere is followed, for that is how download caches are made: its bytes are
//! treated like any other.

use super::{CheckpointError, json, read_error};
use crate::lookalike::Lookalike;
use std::fs::{self, File, Metadata};
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
    let size = match find(path)? {
        Some(found) if found.is_file() => found.len(),
        Some(_) => return Err(bad(path, "is not a regular file".to_owned())),
        None => return Ok(None),
    };
    if size > largest {
        return Err(bad(path, format!("has {size} bytes, at most {largest} are read")));
    }
    let mut text = Vec::with_capacity(size as usize);
    let file = File::open(path).map_err(|cause| read_error(path, cause))?;
    // The cap holds even when the file grows after it was asked for its length.
    file.take(largest).read_to_end(&mut text).map_err(|cause| read_error(path, cause))?;
    match Lookalike::failed_download(&text) {
        // A template or a list of merges may be empty, JSON never is.
        Some(found) if !text.is_empty() || path.extension().is_some_and(|it| it == "json") => {
            Err(bad(path, found.to_string()))
        }
        _ => Ok(Some(text)),
    }
}

/// What lies at `path`, links followed; `None` where there is nothing. A link to nothing is not nothing: what it
/// led to is part of the checkpoint, and another file must not be taken in its place.
pub(super) fn find(path: &Path) -> Result<Option<Metadata>, CheckpointError> {
    match fs::metadata(path) {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => match fs::read_link(path) {
            Ok(target) => Err(CheckpointError::DeadLink { path: path.to_owned(), target }),
            Err(_) => Ok(None),
        },
        Err(cause) => Err(read_error(path, cause)),
    }
}

/// Opens a file of tensors. Opening a pipe would wait for whoever writes to it.
pub(super) fn open_regular(path: &Path) -> Result<File, CheckpointError> {
    if find(path)?.is_some_and(|found| !found.is_file()) {
        return Err(bad(path, "is not a regular file".to_owned()));
    }
    let file = File::open(path).map_err(|cause| read_error(path, cause))?;
    match Lookalike::failed_download_of(&file) {
        Some(found) => Err(bad(path, found.to_string())),
        None => Ok(file),
    }
}

fn bad(path: &Path, problem: String) -> CheckpointError {
    CheckpointError::BadFile { path: path.to_owned(), problem }
}
