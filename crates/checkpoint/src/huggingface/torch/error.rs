//! What can be wrong with the archive of a PyTorch file.

use std::io;

/// Most entries: one for each tensor, and a few more.
pub(super) const MOST_ENTRIES: u64 = (1 << 16) + 64;

/// Largest pickle that is read: a checkpoint of a thousand tensors takes a tenth of a megabyte.
pub(super) const LARGEST_PROGRAM: u64 = 16 << 20;

/// Why a file is not an archive of tensors.
#[derive(Debug, thiserror::Error)]
pub(super) enum ArchiveError {
    #[error(
        "is not a zip archive: if it is a PyTorch file from before version 1.6, load and save it with a newer one"
    )]
    NotZip,
    #[error("is not a whole zip archive ({0}): download it again")]
    Damaged(&'static str),
    #[error("cannot be read: {0}")]
    Read(#[from] io::Error),
    #[error("holds no data.pkl: it is not a PyTorch file")]
    NoProgram,
    #[error("holds more than one data.pkl: it is not a PyTorch file")]
    TwoPrograms,
    #[error("has its entry '{entry}' twice")]
    Twice { entry: String },
    #[error("holds {got} entries, at most {} are read", MOST_ENTRIES)]
    TooMany { got: u64 },
    #[error("its data.pkl has {got} bytes, at most {LARGEST_PROGRAM} are read")]
    LargeProgram { got: u64 },
    #[error("its entry '{entry}' is compressed or encrypted: PyTorch stores plain bytes")]
    NotPlain { entry: String },
    #[error("its entry '{entry}' reaches past the end of the file: download it again")]
    CutShort { entry: String },
    #[error("was written on a big-endian machine, which is not supported")]
    BigEndian,
}
