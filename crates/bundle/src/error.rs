//! What can go wrong with a bundle, each with the facts and what to do.

use crate::ManifestFault;
use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why a bundle cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BundleError {
    /// The system refused a file operation.
    #[error("{}: cannot {action}: {cause}{}", .path.display(), advice(.cause))]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What was tried, as a verb.
        action: &'static str,
        /// What the system said.
        cause: io::Error,
    },
    /// No manifest: not a bundle, or one whose conversion did not finish.
    #[error(
        "{}: not a bundle: it has no manifest.bin (an unfinished conversion leaves none): convert \
         the checkpoint again",
        .dir.display()
    )]
    NotABundle {
        /// The directory.
        dir: PathBuf,
    },
    /// Something other than a regular file stands where a file of the bundle belongs.
    #[error("{}: not a regular file: convert the checkpoint again", .path.display())]
    NotRegular {
        /// The file.
        path: PathBuf,
    },
    /// A file that the manifest names is not there.
    #[error("{}: missing from its bundle: convert the checkpoint again", .path.display())]
    MissingFile {
        /// The file.
        path: PathBuf,
    },
    /// There is a bundle already.
    #[error(
        "{}: already holds a bundle: choose another directory or force the overwrite",
        .dir.display()
    )]
    Exists {
        /// The directory.
        dir: PathBuf,
    },
    /// Another process is writing to the same directory.
    #[error("{}: another process is writing to this bundle: wait for it to end", .dir.display())]
    Busy {
        /// The directory.
        dir: PathBuf,
    },
    /// The manifest does not begin with the magic bytes.
    #[error(
        "{}: not a flint manifest: offset 0 holds {got:02x?}, expected {expected:02x?}: {}",
        .path.display(), magic_advice(.got)
    )]
    Magic {
        /// The manifest.
        path: PathBuf,
        /// The magic bytes.
        expected: [u8; 8],
        /// What was there.
        got: [u8; 8],
    },
    /// The manifest is of a format version that this build does not know.
    #[error(
        "{}: format version {got}, but this flint reads versions 1 to {supported}: update flint \
         or convert the checkpoint again",
        .path.display()
    )]
    Version {
        /// The manifest.
        path: PathBuf,
        /// Version of the manifest.
        got: u32,
        /// Newest version this build reads.
        supported: u32,
    },
    /// A file is shorter or longer than it must be.
    #[error(
        "{}: {got} bytes long, expected {expected} (an interrupted copy?): copy the bundle or \
         convert the checkpoint again",
        .path.display()
    )]
    FileLength {
        /// The file.
        path: PathBuf,
        /// Length it must have, in bytes.
        expected: u64,
        /// Length on disk, in bytes.
        got: u64,
    },
    /// The manifest is larger than any real one.
    #[error(
        "{}: {got} bytes long, more than the {limit} a manifest may have: convert the \
         checkpoint again",
        .path.display()
    )]
    ManifestTooLong {
        /// The manifest.
        path: PathBuf,
        /// Most bytes that a manifest may have.
        limit: u64,
        /// Bytes that it has.
        got: u64,
    },
    /// The manifest contradicts itself.
    #[error("{}: {fault}: convert the checkpoint again", .path.display())]
    Manifest {
        /// The manifest.
        path: PathBuf,
        /// The contradiction.
        fault: ManifestFault,
    },
    /// Bytes do not match their checksum.
    #[error(
        "{}: {part} ({len} bytes at offset {offset}) has checksum {got:08x}, expected \
         {expected:08x}: copy the bundle or convert the checkpoint again",
        .path.display()
    )]
    Checksum {
        /// The file.
        path: PathBuf,
        /// What the bytes are.
        part: Part,
        /// First byte.
        offset: u64,
        /// How many bytes.
        len: u64,
        /// CRC-32C in the manifest.
        expected: u32,
        /// CRC-32C of the bytes.
        got: u32,
    },
    /// A byte between sections or records is not zero.
    #[error(
        "{}: offset {offset} holds {got:02x}, expected 00 (padding): copy the bundle or convert \
         the checkpoint again",
        .path.display()
    )]
    Padding {
        /// The file.
        path: PathBuf,
        /// The byte.
        offset: u64,
        /// Its value.
        got: u8,
    },
    /// The bundle has no text file of this name.
    #[error("{}: holds no text file {name:?}: convert a checkpoint that has it", .dir.display())]
    MissingText {
        /// The bundle.
        dir: PathBuf,
        /// The name asked for.
        name: String,
    },
}

/// What a run of checked bytes is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Part {
    /// First bytes of the manifest.
    ManifestHeader,
    /// The rest of the manifest.
    ManifestPayload,
    /// A dense tensor.
    Tensor(String),
    /// A neuron record.
    Record {
        /// Its group.
        group: u32,
        /// Its neuron.
        neuron: u32,
    },
    /// The predictor of a group.
    Predictor {
        /// The group.
        group: u32,
    },
    /// A text file.
    Text(String),
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Part::ManifestHeader => f.write_str("the header"),
            Part::ManifestPayload => f.write_str("the payload"),
            Part::Tensor(name) => write!(f, "tensor {name:?}"),
            Part::Record { group, neuron } => {
                write!(f, "the record of group {group} neuron {neuron}")
            }
            Part::Predictor { group } => write!(f, "the predictor of group {group}"),
            Part::Text(name) => write!(f, "text file {name:?}"),
        }
    }
}

/// What to do about a manifest that begins with `got`.
fn magic_advice(got: &[u8; 8]) -> &'static str {
    match got {
        b"version " => "a git-lfs pointer, fetch the file itself with 'git lfs pull'",
        b"<!DOCTYP" | b"<!doctyp" => "a web page, download the file itself",
        _ => "convert the checkpoint again",
    }
}

/// What to do about the refusals that a user can do something about.
fn advice(cause: &io::Error) -> &'static str {
    use io::ErrorKind::{FileTooLarge, PermissionDenied, QuotaExceeded};
    use io::ErrorKind::{ReadOnlyFilesystem, StorageFull};
    match cause.kind() {
        // EMFILE and ENFILE have no kind of their own.
        _ if matches!(cause.raw_os_error(), Some(23 | 24)) => {
            ": raise the limit on open files (ulimit -n)"
        }
        StorageFull | QuotaExceeded => ": make room on that disk, or choose another directory",
        FileTooLarge => ": raise the limit on the size of files (ulimit -f)",
        PermissionDenied | ReadOnlyFilesystem => ": choose a directory that can be written to",
        _ => "",
    }
}
