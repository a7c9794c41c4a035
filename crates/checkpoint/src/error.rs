//! What can be wrong with a checkpoint.

use std::io;
use std::path::{Path, PathBuf};

/// Why a checkpoint cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
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
    /// A link whose file is gone, as in a download cache that was cleaned up or copied without its blobs.
    #[error("{} is a link to a file that is not there ({}): download it again, or copy it with links followed (cp -L)", path.display(), target.display())]
    DeadLink {
        /// The link.
        path: PathBuf,
        /// Where it leads.
        target: PathBuf,
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
    /// A tensor has other sizes than the model's description says.
    #[error("tensor '{name}' in {} has shape {got:?}, {} says {expected:?}", path.display(), describer(path))]
    Misshapen {
        /// The file.
        path: PathBuf,
        /// Name of the tensor.
        name: String,
        /// Sizes by that.
        expected: Vec<usize>,
        /// Sizes found.
        got: Vec<usize>,
    },
    /// A tensor is stored in a type that is not supported.
    #[error("tensor '{name}' in {} is stored as {got}: supported are {}", path.display(), supported(path))]
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

fn is_gguf(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "gguf")
}

/// What says which sizes the tensors of a file have.
fn describer(path: &Path) -> &'static str {
    if is_gguf(path) { "its metadata" } else { "config.json" }
}

/// Types that can be computed with, by the kind of file.
fn supported(path: &Path) -> &'static str {
    match is_gguf(path) {
        true => {
            "F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q2_K to Q6_K, IQ4_NL, IQ4_XS and MXFP4"
        }
        false => "F16, BF16 and F32",
    }
}
