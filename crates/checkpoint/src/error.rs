//! What can be wrong with a checkpoint.

use std::io;
use std::path::PathBuf;

/// Why a checkpoint cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The directory holds no checkpoint.
    #[error("{} is not a checkpoint: it has no {missing}", dir.display())]
    NotACheckpoint {
        /// The directory.
        dir: PathBuf,
        /// What is not there.
        missing: &'static str,
    },
    /// A file cannot be read.
    #[error("cannot read {}: {cause}{}", path.display(), advice(cause))]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// A file of the checkpoint is not what its name says.
    #[error("{}: {problem}", path.display())]
    BadFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A file is shorter or longer than its header says.
    #[error("{} has {got} bytes, its header says {expected}: download it again", path.display())]
    BadLength {
        /// The file.
        path: PathBuf,
        /// Bytes by the header.
        expected: u64,
        /// Bytes there are.
        got: u64,
    },
    /// A tensor is missing.
    #[error("{} has no tensor '{name}'", dir.display())]
    MissingTensor {
        /// The directory.
        dir: PathBuf,
        /// Its names, joined by "or".
        name: String,
    },
    /// A tensor has other sizes than the configuration says.
    #[error("tensor '{name}' in {} has shape {got:?}, config.json says {expected:?}", path.display())]
    Misshapen {
        /// The file.
        path: PathBuf,
        /// Name of the tensor.
        name: String,
        /// Sizes by the configuration.
        expected: Vec<usize>,
        /// Sizes found.
        got: Vec<usize>,
    },
    /// A tensor is stored in a type that is not supported.
    #[error("tensor '{name}' in {} is stored as {got}: supported are F16, BF16 and F32", path.display())]
    UnsupportedType {
        /// The file.
        path: PathBuf,
        /// Name of the tensor.
        name: String,
        /// Its type.
        got: String,
    },
    /// A weight is infinite or no number at all.
    #[error(
        "tensor '{name}' in {} holds {value} at number {index}: a damaged or unfinished checkpoint, \
         download it again",
        path.display()
    )]
    NotFinite {
        /// The file.
        path: PathBuf,
        /// Name of the tensor.
        name: String,
        /// Which number of the tensor, in row-major order.
        index: u64,
        /// What it is.
        value: f32,
    },
}

/// What a user can do where the system refuses to open a file.
fn advice(cause: &io::Error) -> &'static str {
    match cause.raw_os_error() {
        // EMFILE and ENFILE.
        Some(24 | 23) => ": raise the limit on open files (ulimit -n)",
        _ => "",
    }
}
