//! The file that a probe reads: the user's own, or a temporary one that is removed afterwards.

use crate::ReadError;
use crate::random::SplitMix;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

/// A file to measure on.
pub(super) struct Ground {
    /// What messages call it: the file, or the directory it was to be in.
    shown: PathBuf,
    bytes: u64,
    file: Kind,
}

/// Whose file it is, and how it is opened.
enum Kind {
    User,
    /// A temporary one.
    Named(PathBuf),
    /// A temporary one that lost its name, opened by its handle: the system removes it with the last handle, whatever ends
    /// the process.
    Nameless {
        by_handle: PathBuf,
        _held: File,
    },
}

impl Ground {
    /// The file at `path`; in a directory, a new file of `temporary_bytes`.
    pub(super) fn new(path: &Path, temporary_bytes: u64) -> Result<Ground, ReadError> {
        let open = |cause| ReadError::Open { path: path.to_owned(), cause };
        let found = fs::metadata(path).map_err(open)?;
        let shown = path.to_owned();
        if !found.is_dir() {
            return Ok(Ground { shown, bytes: found.len(), file: Kind::User });
        }
        let name = path.join(format!(".flint-probe-{}.tmp", std::process::id()));
        let temporary = |cause| ReadError::Temporary { path: name.clone(), cause };
        let mut file = File::create_new(&name).map_err(temporary)?;
        // While it has a name, the value removes it, however much of it is written.
        let mut ground = Ground { shown, bytes: temporary_bytes, file: Kind::Named(name.clone()) };
        let held = file.try_clone().map_err(temporary)?;
        if let Some(by_handle) = without_name(&name, &held) {
            ground.file = Kind::Nameless { by_handle, _held: held };
        }
        fill(&mut file, temporary_bytes).map_err(temporary)?;
        Ok(ground)
    }

    /// Where the file can be opened.
    pub(super) fn path(&self) -> &Path {
        match &self.file {
            Kind::User => &self.shown,
            Kind::Named(path) | Kind::Nameless { by_handle: path, .. } => path,
        }
    }

    /// A message of a reader, about the path that the user gave.
    pub(super) fn in_words(&self, message: &str) -> String {
        let path = self.path().display().to_string();
        message.replace(&path, &self.shown.display().to_string())
    }

    /// Its length.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Those of `sizes` that the file can hold; an error when it holds none.
    pub(super) fn sizes_that_fit(&self, sizes: &[usize]) -> Result<Vec<usize>, ReadError> {
        let fits: Vec<usize> =
            sizes.iter().copied().filter(|&size| size > 0 && size as u64 <= self.bytes).collect();
        if fits.is_empty() {
            let needed = sizes.iter().copied().min().unwrap_or(1) as u64;
            let path = self.shown.clone();
            return Err(ReadError::TooSmall { path, bytes: self.bytes, needed });
        }
        Ok(fits)
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        if let Kind::Named(path) = &self.file {
            // Nothing more can be done about a file that will not go; its name says whose it is.
            let _ = fs::remove_file(path);
        }
    }
}

/// Takes the name of `file` away; gives where it can be opened all the same, where the system has such a place.
fn without_name(name: &Path, file: &File) -> Option<PathBuf> {
    let by_handle = PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
    File::open(&by_handle).ok()?;
    fs::remove_file(name).is_ok().then_some(by_handle)
}

/// Writes random bytes, which no device can compress, and waits until they are on it.
fn fill(file: &mut File, bytes: u64) -> io::Result<()> {
    let mut random = SplitMix::new(bytes);
    let block: Vec<u8> = (0..1 << 17).flat_map(|_| random.next().to_le_bytes()).collect();
    let mut left = bytes;
    while left > 0 {
        let now = left.min(block.len() as u64);
        file.write_all(&block[..now as usize])?;
        left -= now;
    }
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_temporary_file_that_keeps_its_name_is_removed_at_the_end() {
        let directory = tempfile::tempdir().unwrap();
        let name = directory.path().join("named");
        fs::write(&name, [1]).unwrap();
        let (shown, file) = (directory.path().to_owned(), Kind::Named(name.clone()));
        drop(Ground { shown, bytes: 1, file });
        assert!(!name.exists());
    }

    #[test]
    fn messages_name_what_the_user_named() {
        let directory = tempfile::tempdir().unwrap();
        let ground = Ground::new(directory.path(), 10).unwrap();
        let message = ground.in_words(&format!("{}: no", ground.path().display()));
        assert_eq!(message, format!("{}: no", directory.path().display()));
        assert_eq!(fs::read(ground.path()).unwrap().len(), 10);
    }
}
