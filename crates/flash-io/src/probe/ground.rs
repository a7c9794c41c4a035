//! The file that a probe reads: the user's own, or a temporary one that is removed afterwards.

use crate::ReadError;
use crate::random::SplitMix;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

/// A file to measure on.
pub(super) struct Ground {
    path: PathBuf,
    bytes: u64,
    /// A temporary file that could not lose its name.
    named: bool,
    /// One that has none: the system removes it with its last handle, whatever ends the process.
    _nameless: Option<File>,
}

impl Ground {
    /// The file at `path`; in a directory, a new file of `temporary_bytes`.
    pub(super) fn new(path: &Path, temporary_bytes: u64) -> Result<Ground, ReadError> {
        let open = |cause| ReadError::Open { path: path.to_owned(), cause };
        let found = fs::metadata(path).map_err(open)?;
        if !found.is_dir() {
            let (path, bytes) = (path.to_owned(), found.len());
            return Ok(Ground { path, bytes, named: false, _nameless: None });
        }
        let path = path.join(format!(".flint-probe-{}.tmp", std::process::id()));
        let temporary = |cause| ReadError::Temporary { path: path.clone(), cause };
        let mut file = File::create_new(&path).map_err(temporary)?;
        let mut ground =
            Ground { path: path.clone(), bytes: temporary_bytes, named: true, _nameless: None };
        if let Some(again) = without_name(&path, &file) {
            (ground.path, ground.named) = (again, false);
        }
        // Where it has a name, the value removes it, however much of it is written.
        fill(&mut file, temporary_bytes).map_err(temporary)?;
        ground._nameless = Some(file).filter(|_| !ground.named);
        Ok(ground)
    }

    /// Where the file is.
    pub(super) fn path(&self) -> &Path {
        &self.path
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
            return Err(ReadError::TooSmall { path: self.path.clone(), bytes: self.bytes, needed });
        }
        Ok(fits)
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        if self.named {
            // Nothing more can be done about a file that will not go; its name says whose it is.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Takes the name of `file` away; gives where it can be opened all the same, where the system has such a place.
fn without_name(path: &Path, file: &File) -> Option<PathBuf> {
    let again = PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
    (again.exists() && fs::remove_file(path).is_ok()).then_some(again)
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
