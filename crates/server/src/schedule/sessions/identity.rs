//! What keys and values depend on beside the tokens: the model's files and how they are computed with.

use flint_engine::{OpenModel, RunOptions};
use std::fmt::Write;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

/// A text that differs wherever keys and values may. Files are told apart by name, size and time, not by all their bytes.
pub(super) fn of(files: &OpenModel, options: &RunOptions) -> io::Result<String> {
    let mut text = format!("flint {}\n", env!("CARGO_PKG_VERSION"));
    let RunOptions { mode, sparsity, kv, arithmetic, kv_page, .. } = options;
    // Writing to a text does not fail.
    let _ = writeln!(text, "{mode:?} {sparsity:?} {kv:?} {arithmetic:?} {kv_page}");
    let _ = writeln!(text, "{:?}", files.architecture());
    for path in all_files(files.path())? {
        let found = path.metadata()?;
        let since = found.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let _ = writeln!(text, "{name} {} {}", found.len(), since.as_nanos());
    }
    Ok(text)
}

/// The file itself, or the files of a directory in order.
fn all_files(path: &Path) -> io::Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let entries = fs::read_dir(path)?.collect::<io::Result<Vec<_>>>()?;
    let mut files: Vec<PathBuf> =
        entries.into_iter().map(|entry| entry.path()).filter(|path| path.is_file()).collect();
    files.sort();
    Ok(files)
}
