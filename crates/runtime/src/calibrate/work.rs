//! The work directory of a calibration: what was collected and trained so far, layer by layer.
//!
//! A file is written beside its name and renamed, so a file that is there is whole. A key file says what the
//! work is for; other work is thrown away.

use super::CalibrateOptions;
use crate::{ModelFiles, RuntimeError};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The directory `NAME.flint.calibration` beside the bundle.
pub(super) struct WorkDirectory {
    path: PathBuf,
}

impl WorkDirectory {
    /// Opens the work that was begun for the same bundle, text and options, or begins anew.
    pub(super) fn open(
        options: &CalibrateOptions,
        files: &ModelFiles,
        tokens: &[u32],
    ) -> Result<WorkDirectory, RuntimeError> {
        let mut name = options.bundle.file_name().unwrap_or_default().to_owned();
        name.push(".calibration");
        let work = WorkDirectory { path: options.bundle.with_file_name(name) };
        let key = key(options, files, tokens);
        if fs::read_to_string(work.file("key")).is_ok_and(|found| found == key) {
            return Ok(work);
        }
        work.remove();
        fs::create_dir_all(&work.path).map_err(|cause| work.error(&work.path, cause))?;
        work.write("key", key.as_bytes())?;
        Ok(work)
    }

    /// The path of a file.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Whether a file was finished.
    pub(super) fn has(&self, name: &str) -> bool {
        self.file(name).is_file()
    }

    /// Reads a file that was finished.
    pub(super) fn read(&self, name: &str) -> Result<Vec<u8>, RuntimeError> {
        let path = self.file(name);
        fs::read(&path).map_err(|cause| self.error(&path, cause))
    }

    /// Writes a small file whole.
    pub(super) fn write(&self, name: &str, bytes: &[u8]) -> Result<(), RuntimeError> {
        let partial = self.file(&format!("{name}.partial"));
        fs::write(&partial, bytes).map_err(|cause| self.error(&partial, cause))?;
        self.finish(name)
    }

    /// Gives a file that was written as `NAME.partial` its name.
    pub(super) fn finish(&self, name: &str) -> Result<(), RuntimeError> {
        let partial = self.file(&format!("{name}.partial"));
        fs::rename(&partial, self.file(name)).map_err(|cause| self.error(&partial, cause))
    }

    /// Drops a file that is no longer needed.
    pub(super) fn drop_file(&self, name: &str) {
        // What cannot be removed goes with the directory.
        let _ = fs::remove_file(self.file(name));
    }

    /// Removes everything.
    pub(super) fn remove(&self) {
        // Left-overs cost disk alone; the next calibration looks at the key.
        let _ = fs::remove_dir_all(&self.path);
    }

    pub(super) fn error(&self, path: &Path, cause: io::Error) -> RuntimeError {
        RuntimeError::Work { path: path.to_owned(), cause }
    }
}

/// What the work depends on.
fn key(options: &CalibrateOptions, files: &ModelFiles, tokens: &[u32]) -> String {
    let text = tokens.iter().fold(0, |crc, token| crc32c::crc32c_append(crc, &token.to_le_bytes()));
    let CalibrateOptions { kind, share, recall, .. } = options;
    let neurons = files.bundle().neurons_path();
    let dense = files.bundle().dense_path();
    format!(
        "{} {} {kind:?} {share} {recall} {} tokens {text:08x}\n",
        neurons.display(),
        dense.display(),
        tokens.len()
    )
}
