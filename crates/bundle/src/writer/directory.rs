//! The directory of a bundle while somebody writes to it: one writer at a time, no leftovers.

use crate::contents::Contents;
use crate::data_file_kind::{MANIFEST, is_ours};
use crate::{BundleError, ManifestFault, manifest};
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

/// A directory held by one writer.
#[derive(Debug)]
pub(crate) struct Directory {
    path: PathBuf,
    /// Open for as long as the lock shall hold.
    handle: File,
    /// Whether it was made for this writer.
    made: bool,
}

impl Directory {
    /// Makes the directory where it is missing, and takes it.
    pub(crate) fn create(path: &Path) -> Result<Directory, BundleError> {
        let made = !path.exists();
        fs::create_dir_all(path).map_err(|cause| failed(path, "create", cause))?;
        Directory::take(path, made)
    }

    /// Takes the directory of a bundle.
    pub(crate) fn existing(path: &Path) -> Result<Directory, BundleError> {
        Directory::take(path, false)
    }

    fn take(path: &Path, made: bool) -> Result<Directory, BundleError> {
        let handle = match File::open(path) {
            Ok(handle) => handle,
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => {
                return Err(BundleError::NotABundle { dir: path.to_owned() });
            }
            Err(cause) => return Err(failed(path, "open", cause)),
        };
        // Some network file systems cannot lock a directory: then nothing guards against a second
        // writer.
        if let Err(TryLockError::WouldBlock) = handle.try_lock() {
            return Err(BundleError::Busy { dir: path.to_owned() });
        }
        Ok(Directory { path: path.to_owned(), handle, made })
    }

    /// Its path.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// A fault of the manifest to come.
    pub(crate) fn fault(&self, fault: ManifestFault) -> BundleError {
        BundleError::Manifest { path: self.path.join(MANIFEST), fault }
    }

    /// Makes renames durable, and the directory itself where it is new.
    pub(super) fn sync(&self) -> Result<(), BundleError> {
        self.handle.sync_all().map_err(|cause| failed(&self.path, "sync", cause))?;
        if self.made {
            let parent = self.path.join("..");
            let synced = File::open(&parent).and_then(|handle| handle.sync_all());
            synced.map_err(|cause| failed(&parent, "sync", cause))?;
        }
        Ok(())
    }

    /// Removes what interrupted writers left. Where a manifest cannot be read, every data file may
    /// be one of its own and stays until the commit.
    pub(super) fn remove_leftovers(&self) {
        match manifest::read(&self.path) {
            Ok(contents) => self.remove_all_but(Some(&contents)),
            Err(BundleError::NotABundle { .. }) => self.remove_all_but(None),
            Err(_) => {}
        }
    }

    /// Removes every file that a writer of this crate made and that `contents` does not name.
    pub(super) fn remove_all_but(&self, contents: Option<&Contents>) {
        let named: Vec<PathBuf> = contents
            .iter()
            .flat_map(|contents| contents.files())
            .map(|file| file.path(&self.path))
            .collect();
        let Ok(entries) = fs::read_dir(&self.path) else { return };
        for entry in entries.flatten() {
            let path = self.path.join(entry.file_name());
            if entry.file_name().to_str().is_some_and(is_ours) && !named.contains(&path) {
                // A leftover costs space, nothing else: the next writer tries again.
                let _ = fs::remove_file(path);
            }
        }
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        if self.made {
            // Refused unless it is empty, which is what is wanted.
            let _ = fs::remove_dir(&self.path);
        }
    }
}

fn failed(path: &Path, action: &'static str, cause: io::Error) -> BundleError {
    BundleError::Io { path: path.to_owned(), action, cause }
}
