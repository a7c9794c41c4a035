//! Where the bytes of a bundle come from while a model runs: files of the system, or what a caller puts in their place.

use flint_flash_io::{Options, ReadError, Reader};
use std::fmt::Debug;
use std::path::PathBuf;

/// Opens what is read as records and streamed matrices, pinned ones included. Dense weights that stay in memory are read
/// from the bundle's files whatever this is, and so does the probe of [`RunOptions::measure`](crate::RunOptions): leave it
/// off where this is not those files.
///
/// A seam for storage that is no file, and for tests: `tests/it/faults` runs the whole engine over devices that fail.
pub trait Devices: Debug + Send + Sync {
    /// A reader of some files of a model, whose ids are their places in `paths`.
    ///
    /// # Errors
    /// When it cannot be opened.
    fn open(&self, paths: &[PathBuf], options: Options) -> Result<Reader, ReadError>;
}

/// The files of the system.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemFiles;

impl Devices for SystemFiles {
    fn open(&self, paths: &[PathBuf], options: Options) -> Result<Reader, ReadError> {
        Reader::open(paths, options)
    }
}
