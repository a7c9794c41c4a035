//! Where the bytes of a bundle come from while a model runs: files of the system, or what a caller puts in their place.

use flint_flash_io::{Options, ReadError, Reader};
use std::fmt::Debug;
use std::path::PathBuf;

/// Opens what weights are read from, those that stay in memory included. The probe of
/// [`RunOptions::measure`](crate::RunOptions) measures the files of the system whatever this is: leave it off where this
/// is not those.
///
/// A seam for storage that is not a file, and for tests: `tests/it/faults` runs the whole engine over devices that fail.
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
