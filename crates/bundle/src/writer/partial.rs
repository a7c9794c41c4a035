//! A file that removes itself unless it is kept.

use crate::BundleError;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// Bytes gathered before they go to the system.
const BUFFER: usize = 1 << 20;

/// A new file.
#[derive(Debug)]
pub(super) struct Partial {
    path: PathBuf,
    out: BufWriter<File>,
    kept: bool,
}

impl Partial {
    /// An empty file; replaces what an interrupted writer left under the same name.
    pub(super) fn create(dir: &Path, name: &str) -> Result<Partial, BundleError> {
        let path = dir.join(name);
        match fs::remove_file(&path) {
            Err(cause) if cause.kind() != io::ErrorKind::NotFound => {
                return Err(BundleError::Io { path, action: "remove", cause });
            }
            _ => {}
        }
        match File::create_new(&path) {
            Ok(file) => {
                Ok(Partial { path, out: BufWriter::with_capacity(BUFFER, file), kept: false })
            }
            Err(cause) => Err(BundleError::Io { path, action: "create", cause }),
        }
    }

    /// The directory of the file.
    pub(super) fn directory(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new(""))
    }

    /// Adds bytes.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), BundleError> {
        self.out.write_all(bytes).map_err(|cause| self.failed("write", cause))
    }

    /// Waits until the bytes are on the device.
    pub(super) fn sync(&mut self) -> Result<(), BundleError> {
        let synced = self.out.flush().and_then(|()| self.out.get_ref().sync_all());
        synced.map_err(|cause| self.failed("sync", cause))
    }

    /// Renames the file inside its directory.
    pub(super) fn rename(&mut self, name: &str) -> Result<(), BundleError> {
        let to = self.directory().join(name);
        fs::rename(&self.path, &to).map_err(|cause| self.failed("rename", cause))?;
        self.path = to;
        Ok(())
    }

    /// From now on the file stays.
    pub(super) fn keep(&mut self) {
        self.kept = true;
    }

    fn failed(&self, action: &'static str, cause: io::Error) -> BundleError {
        BundleError::Io { path: self.path.clone(), action, cause }
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if !self.kept {
            // What cannot be removed now, the next writer removes.
            let _ = fs::remove_file(&self.path);
        }
    }
}
