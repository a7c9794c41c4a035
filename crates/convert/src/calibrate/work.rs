//! The work directory of a calibration: what was collected and trained so far, layer by layer.
//!
//! A file is written beside its name and renamed, so a file that is there is whole. A key file says what the
//! work is for; other work is thrown away.

use super::CalibrateOptions;
use crate::CalibrateError;
use flint_engine::OpenModel;
use std::fs::{self, File, Metadata, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The directory `NAME.flint.calibration` beside the bundle, held by one process.
pub(super) struct WorkDirectory {
    path: PathBuf,
    /// Open for as long as the lock shall hold.
    _lock: File,
}

impl WorkDirectory {
    /// Opens the work that was begun for the same bundle, text and options, or begins anew.
    pub(super) fn open(
        options: &CalibrateOptions,
        files: &OpenModel,
        tokens: &[u32],
    ) -> Result<WorkDirectory, CalibrateError> {
        let mut name = options.bundle.file_name().unwrap_or_default().to_owned();
        name.push(".calibration");
        let path = options.bundle.with_file_name(name);
        let lock = take(&path)?;
        let work = WorkDirectory { path, _lock: lock };
        let key = key(options, files, tokens)?;
        if fs::read_to_string(work.file("key")).is_ok_and(|found| found == key) {
            return Ok(work);
        }
        work.empty()?;
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
    pub(super) fn read(&self, name: &str) -> Result<Vec<u8>, CalibrateError> {
        let path = self.file(name);
        fs::read(&path).map_err(|cause| self.error(&path, cause))
    }

    /// Writes a small file whole.
    pub(super) fn write(&self, name: &str, bytes: &[u8]) -> Result<(), CalibrateError> {
        let partial = self.file(&format!("{name}.partial"));
        fs::write(&partial, bytes).map_err(|cause| self.error(&partial, cause))?;
        self.finish(name)
    }

    /// Gives a file that was written as `NAME.partial` its name.
    pub(super) fn finish(&self, name: &str) -> Result<(), CalibrateError> {
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

    /// Removes what other work left.
    fn empty(&self) -> Result<(), CalibrateError> {
        let fail = |cause| self.error(&self.path, cause);
        for entry in fs::read_dir(&self.path).map_err(fail)? {
            let path = entry.map_err(fail)?.path();
            fs::remove_file(&path).map_err(|cause| self.error(&path, cause))?;
        }
        Ok(())
    }

    pub(super) fn error(&self, path: &Path, cause: io::Error) -> CalibrateError {
        CalibrateError::Work { path: path.to_owned(), cause }
    }
}

/// Makes the directory where it is missing and locks it. Whoever held it before removes it at the end, so what
/// was locked may be gone: then there is nothing to wait for, and it is made again.
fn take(path: &Path) -> Result<File, CalibrateError> {
    let fail = |cause| CalibrateError::Work { path: path.to_owned(), cause };
    loop {
        fs::create_dir_all(path).map_err(fail)?;
        let lock = match File::open(path) {
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => continue,
            other => other.map_err(fail)?,
        };
        // Some network file systems cannot lock a directory: then nothing guards against a second process.
        if let Err(TryLockError::WouldBlock) = lock.try_lock() {
            return Err(CalibrateError::WorkBusy { path: path.to_owned() });
        }
        let same =
            |now: Metadata, held: Metadata| (now.dev(), now.ino()) == (held.dev(), held.ino());
        let held = lock.metadata().map_err(fail)?;
        if fs::metadata(path).is_ok_and(|now| same(now, held)) {
            return Ok(lock);
        }
    }
}

/// What the work depends on.
fn key(
    options: &CalibrateOptions,
    files: &OpenModel,
    tokens: &[u32],
) -> Result<String, CalibrateError> {
    let text = tokens.iter().fold(0, |crc, token| crc32c::crc32c_append(crc, &token.to_le_bytes()));
    let CalibrateOptions { kind, share, recall, .. } = options;
    let neurons = files.bundle()?.neurons_path();
    let dense = files.bundle()?.dense_path();
    Ok(format!(
        "{} {} {kind:?} {share} {recall} {} tokens {text:08x}\n",
        neurons.display(),
        dense.display(),
        tokens.len()
    ))
}
