//! What can go wrong while a checkpoint is converted.

use flint_bundle::BundleError;
use flint_checkpoint::CheckpointError;
use flint_engine::EngineError;
use flint_geometry::DType;
use flint_model::ModelError;
use std::io;
use std::path::PathBuf;

/// Why a checkpoint cannot be converted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConvertError {
    /// The checkpoint cannot be read.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// A number does not fit the type asked for.
    #[error(
        "tensor '{name}' holds {value}, which does not fit in {element}: give --dtype bf16 or f32"
    )]
    Overflow {
        /// Name of the tensor.
        name: String,
        /// The number.
        value: f32,
        /// The type asked for.
        element: DType,
    },
    /// Weights are quantised, and bundles hold numbers.
    #[error("{name} is stored in {dtype}, and a bundle holds numbers: give --dtype f16 or f32")]
    Quantised {
        /// What is stored so.
        name: String,
        /// The data type.
        dtype: DType,
    },
    /// A dequantised weight is infinite or no number at all.
    #[error("tensor '{name}' holds {value}: a damaged file, download it again")]
    NotFinite {
        /// Name of the tensor.
        name: String,
        /// What it is.
        value: f32,
    },
    /// The CPU cannot compute.
    #[error(transparent)]
    Kernel(#[from] flint_kernels::KernelError),
    /// The bundle would be written into the checkpoint.
    #[error("{} is the checkpoint itself: give --out another directory", path.display())]
    IntoCheckpoint {
        /// The directory.
        path: PathBuf,
    },
    /// There is a bundle already.
    #[error("{} already holds a bundle: give --force to replace it", path.display())]
    BundleExists {
        /// The directory.
        path: PathBuf,
    },
    /// There are files of others.
    #[error("{} is not empty (it holds '{found}') and no bundle: give --out another directory", path.display())]
    NotEmpty {
        /// The directory.
        path: PathBuf,
        /// One of its files.
        found: String,
    },
    /// The disk has too little room.
    #[error("{} needs {needed} bytes of disk, {free} are free", path.display())]
    NoSpace {
        /// Where the bundle was to be.
        path: PathBuf,
        /// Bytes needed.
        needed: u64,
        /// Bytes free.
        free: u64,
    },
    /// The bundle that is to be replaced has copies for drafts.
    #[error("{}: copies of the weights before cannot be removed: {cause}", path.display())]
    StaleCopies {
        /// The copies.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// It was asked to end early.
    #[error("stopped before the end, as asked")]
    Cancelled,
    /// The model is not supported, or its configuration is wrong.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The model of the checkpoint cannot be described.
    #[error(transparent)]
    Describe(#[from] EngineError),
    /// The bundle cannot be written.
    #[error(transparent)]
    Bundle(#[from] BundleError),
}

impl ConvertError {
    /// Converting fails on the disk it writes to (1), or on its input (2).
    pub fn exit_status(&self) -> u8 {
        match self {
            ConvertError::Cancelled
            | ConvertError::StaleCopies { .. }
            | ConvertError::Bundle(BundleError::Io { .. }) => 1,
            _ => 2,
        }
    }
}
