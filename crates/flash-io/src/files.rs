//! Opens data files, directly where that is proven to work, and keeps the reason where it is not.

#[cfg(target_os = "linux")]
mod direct;

use crate::{FileId, ReadError};
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

/// How to open files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OpenMode {
    /// Read past the page cache if every file allows it.
    pub(crate) direct: bool,
    /// Raises the alignment of reads, in bytes; a power of two.
    pub(crate) min_alignment: Option<u32>,
}

/// Open files, all read in the same way.
#[derive(Debug)]
pub(crate) struct FileSet {
    files: Vec<File>,
    paths: Vec<PathBuf>,
    direct: bool,
    alignment: u32,
    reasons: Vec<String>,
}

impl FileSet {
    /// Opens every file. Where one of them refuses direct reading, all are read through the page cache: a set
    /// has one path, so that a report can name it.
    ///
    /// # Errors
    /// When a file cannot be opened for reading.
    ///
    /// # Panics
    /// When `min_alignment` is not a power of two.
    pub(crate) fn open(paths: &[PathBuf], mode: OpenMode) -> Result<FileSet, ReadError> {
        let least = mode.min_alignment.unwrap_or(1);
        assert!(least.is_power_of_two(), "alignment {least} is not a power of two");
        let buffered =
            paths.iter().map(|path| open_buffered(path)).collect::<Result<Vec<_>, _>>()?;
        let paths = paths.to_vec();
        if !mode.direct {
            let reasons = vec!["direct reading is switched off".to_owned()];
            return Ok(FileSet {
                files: buffered,
                paths,
                direct: false,
                alignment: least,
                reasons,
            });
        }
        match open_direct(&paths, &buffered, least) {
            Ok((files, alignment)) => {
                Ok(FileSet { files, paths, direct: true, alignment, reasons: Vec::new() })
            }
            Err(reason) => {
                tracing::info!(%reason, "reading through the page cache");
                let reasons = vec![reason];
                buffered.iter().for_each(expect_random_reads);
                Ok(FileSet { files: buffered, paths, direct: false, alignment: least, reasons })
            }
        }
    }

    /// Paths, in the order of their [`FileId`]s.
    pub(crate) fn paths(&self) -> &[PathBuf] {
        &self.paths
    }

    /// Whether reads go past the page cache.
    pub(crate) fn is_direct(&self) -> bool {
        self.direct
    }

    /// Offsets, lengths and addresses of reads must be multiples of this many bytes.
    pub(crate) fn alignment(&self) -> u32 {
        self.alignment
    }

    /// Why files are not read directly, and what to change.
    pub(crate) fn reasons(&self) -> &[String] {
        &self.reasons
    }

    /// The descriptor of a file, open as long as this set is.
    ///
    /// # Panics
    /// When the set has no such file.
    pub(crate) fn descriptor(&self, file: FileId) -> RawFd {
        self.files[file.0 as usize].as_raw_fd()
    }
}

fn open_buffered(path: &Path) -> Result<File, ReadError> {
    let fail = |cause| ReadError::Open { path: path.to_owned(), cause };
    // Asked before opening: opening a pipe would wait for its writer.
    let kind = fs::metadata(path).map_err(fail)?.file_type();
    if !kind.is_file() && !kind.is_block_device() {
        return Err(fail(io::Error::other("neither a file nor a block device")));
    }
    File::open(path).map_err(fail)
}

/// Opens every file directly, or says why not; also the alignment that serves all of them.
#[cfg(target_os = "linux")]
fn open_direct(
    paths: &[PathBuf],
    buffered: &[File],
    least: u32,
) -> Result<(Vec<File>, u32), String> {
    let mut files = Vec::with_capacity(paths.len());
    let mut alignment = least;
    for (path, buffered) in paths.iter().zip(buffered) {
        let refuse = |why| format!("{}: read through the page cache: {why}", path.display());
        let (file, own) = direct::open(path, buffered).map_err(refuse)?;
        alignment = alignment.max(own);
        files.push(file);
    }
    Ok((files, alignment))
}

#[cfg(not(target_os = "linux"))]
fn open_direct(_: &[PathBuf], _: &[File], _: u32) -> Result<(Vec<File>, u32), String> {
    Err("read through the page cache: direct reading is built for Linux alone".to_owned())
}

#[cfg(target_os = "linux")]
use direct::expect_random_reads;

#[cfg(not(target_os = "linux"))]
fn expect_random_reads(_: &File) {}
