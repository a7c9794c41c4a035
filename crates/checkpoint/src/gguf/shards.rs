//! The parts of a split model: how their files are called, and what each says of the others.

use super::error::{GgufError, SplitFault};
use super::header::Header;
use std::path::{Path, PathBuf};

/// Most parts of a model. The largest models in use have some fifty.
const MOST_SHARDS: u32 = 1024;

/// How many parts the model has whose first part `header` is from: one, where nothing is said of a split.
pub(super) fn count(path: &Path, header: &Header) -> Result<u32, GgufError> {
    let count = header.metadata.get::<u32>("split.count")?.unwrap_or(1);
    if count <= 1 {
        return Ok(1);
    }
    if count > MOST_SHARDS {
        return Err(fault(path, SplitFault::TooMany { count, most: MOST_SHARDS }));
    }
    let no = header.metadata.require::<u32>("split.no")?;
    if no == 0 {
        return Ok(count);
    }
    let first = prefix(path, no, count).map(|prefix| file_name(prefix, 0, count));
    let first = first.unwrap_or_else(|| format!("...{}", ending(0, count)));
    Err(fault(path, SplitFault::NotFirst { no, count, first }))
}

/// Where part `no` lies, beside the first one.
pub(super) fn path(first: &Path, no: u32, count: u32) -> Result<PathBuf, GgufError> {
    let prefix = prefix(first, 0, count)
        .ok_or_else(|| fault(first, SplitFault::Name { count, ending: ending(0, count) }))?;
    Ok(first.with_file_name(file_name(prefix, no, count)))
}

/// Checks that `header` is of part `no` of `count`, of a model of as many tensors as `first` says.
pub(super) fn check(
    path: &Path,
    header: &Header,
    no: u32,
    count: u32,
    first: &Header,
) -> Result<(), GgufError> {
    let total = total(first)?;
    for (key, expected) in
        [("split.no", no), ("split.count", count), ("split.tensors.count", total)]
    {
        let got = header.metadata.require::<u32>(key)?;
        if got != expected {
            return Err(fault(path, SplitFault::Mismatch { key, expected, got }));
        }
    }
    Ok(())
}

/// Tensors of all parts, as the first one says.
pub(super) fn total(first: &Header) -> Result<u32, GgufError> {
    first.metadata.require("split.tensors.count")
}

pub(super) fn fault(path: &Path, fault: SplitFault) -> GgufError {
    GgufError::Split { path: path.to_owned(), fault }
}

/// What stands in the name of part `no` before its number.
fn prefix(path: &Path, no: u32, count: u32) -> Option<&str> {
    path.file_name()?.to_str()?.strip_suffix(&ending(no, count))
}

fn file_name(prefix: &str, no: u32, count: u32) -> String {
    format!("{prefix}{}", ending(no, count))
}

fn ending(no: u32, count: u32) -> String {
    format!("-{:05}-of-{count:05}.gguf", no.saturating_add(1))
}
