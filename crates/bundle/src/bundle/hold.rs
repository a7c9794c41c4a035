//! A hold on an open bundle: whoever replaces it waits a little before the files are removed that an opener has found in
//! the manifest and not opened yet.

use crate::BundleError;
use crate::data_file_kind::MANIFEST;
use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

/// How long a writer waits for openers. A run that has begun holds its files open and loses nothing.
const PATIENT: Duration = Duration::from_secs(1);

/// Between two looks.
const GLANCE: Duration = Duration::from_millis(5);

/// Most manifests that may come and go while one is opened.
const MOST_REPLACED: usize = 16;

/// A shared lock on the manifest that was current, for as long as a clone of it lives.
#[derive(Debug, Clone)]
pub(crate) struct Hold {
    _manifest: Arc<File>,
}

impl Hold {
    /// Takes hold of the current manifest of the bundle at `dir`; `None` where it is not there, or the file system
    /// has no locks.
    pub(super) fn take(dir: &Path) -> Result<Option<Hold>, BundleError> {
        let path = dir.join(MANIFEST);
        for _ in 0..MOST_REPLACED {
            // Opening a pipe would wait for whoever writes to it.
            if !path.is_file() {
                return Ok(None);
            }
            let Ok(file) = File::open(&path) else { return Ok(None) };
            if file.lock_shared().is_err() {
                return Ok(None);
            }
            // Another may have taken its place before the lock was there.
            if is_at(&file, &path)? {
                return Ok(Some(Hold { _manifest: Arc::new(file) }));
            }
        }
        Ok(None)
    }
}

/// Whether `file` is what lies at `path` now.
fn is_at(file: &File, path: &Path) -> Result<bool, BundleError> {
    let failed = |cause| BundleError::Io { path: path.to_owned(), action: "look at", cause };
    let held = file.metadata().map_err(failed)?;
    match std::fs::metadata(path) {
        Ok(there) => Ok((there.dev(), there.ino()) == (held.dev(), held.ino())),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(cause) => Err(failed(cause)),
    }
}

/// Waits until nobody holds the manifest in `replaced`, at most as long as a writer is patient.
pub(crate) fn wait_for_openers(replaced: &File) {
    let deadline = Instant::now() + PATIENT;
    while replaced.try_lock().is_err() && Instant::now() < deadline {
        thread::sleep(GLANCE);
    }
}
