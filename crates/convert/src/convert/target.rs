//! Whether a bundle may be written to a directory.

use super::{ConvertError, ConvertOptions};
use std::fs;
use std::path::Path;

/// Refuses the checkpoint itself, a bundle that may not be replaced, and a directory with files of others.
pub(super) fn check(options: &ConvertOptions) -> Result<(), ConvertError> {
    let out = &options.out;
    if same_directory(out, &options.checkpoint) {
        return Err(ConvertError::IntoCheckpoint { path: out.clone() });
    }
    // A path that is not a directory yet is made; one that cannot be read fails when it is written.
    let Ok(entries) = fs::read_dir(out) else { return Ok(()) };
    let names = entries.filter_map(Result::ok).map(|entry| entry.file_name());
    let names: Vec<String> = names.map(|name| name.to_string_lossy().into_owned()).collect();
    if names.iter().any(|name| name == "manifest.bin") {
        return match options.force {
            true => Ok(()),
            false => Err(ConvertError::BundleExists { path: out.clone() }),
        };
    }
    match names.into_iter().find(|name| !is_leftover(name)) {
        Some(found) => Err(ConvertError::NotEmpty { path: out.clone(), found }),
        None => Ok(()),
    }
}

/// What an interrupted conversion may leave.
fn is_leftover(name: &str) -> bool {
    let data = ["dense-", "neurons-", "texts-", "predictors-"];
    name.ends_with(".partial")
        || (name.ends_with(".bin") && data.iter().any(|role| name.starts_with(role)))
}

fn same_directory(a: &Path, b: &Path) -> bool {
    matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}
