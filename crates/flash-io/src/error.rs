//! What can go wrong on the way to a file's bytes, with the facts a user needs to act.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// A thread that reads files panicked: reads that it had taken never end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a thread that reads files has panicked: please report this")]
pub struct WorkerLost;

/// Why files could not be opened, or a record could not be read.
///
/// A file that ended early, a device that refused, and an answer that should not exist are three cases.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The file cannot be opened for reading.
    #[error("{}: cannot open for reading: {cause}{}", path.display(), advice(cause))]
    Open {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// io_uring was asked for by name and the system refuses it.
    #[error(
        "the system refuses io_uring ({cause}): allow it in the container's seccomp profile and in \
             kernel.io_uring_disabled, or choose the thread pool"
    )]
    UringRefused {
        /// What the system said.
        cause: io::Error,
    },
    /// The threads that read could not be started.
    #[error("cannot start the threads that read: {cause}")]
    Threads {
        /// What the system said.
        cause: io::Error,
    },
    /// The memory for bytes that are thrown away could not be mapped.
    #[error("cannot set up reading: {0}")]
    Memory(#[from] flint_iobuf::MapError),
    /// The file ends inside the record: it was truncated, or is not the file that the extent was made for.
    #[error("{}: the file ends inside the {expected} bytes at offset {offset}, of which it holds \
             {got}: copy or convert it again", path.display())]
    EndOfFile {
        /// The file.
        path: PathBuf,
        /// First byte of the record.
        offset: u64,
        /// Bytes of the record.
        expected: u64,
        /// Bytes of the record before the end of the file.
        got: u64,
    },
    /// The device or the file system failed the read.
    #[error("{}: reading {expected} bytes at offset {offset} failed after {got}: {cause}: check the \
             device and the system log", path.display())]
    Device {
        /// The file.
        path: PathBuf,
        /// First byte of the record.
        offset: u64,
        /// Bytes of the record.
        expected: u64,
        /// Bytes of the record that arrived before.
        got: u64,
        /// What the system said.
        cause: io::Error,
    },
    /// An answer that a correct program on a correct system cannot get, such as a refused address.
    #[error("{}: reading {expected} bytes at offset {offset} got an impossible answer: {cause}: \
             please report this", path.display())]
    Impossible {
        /// The file.
        path: PathBuf,
        /// First byte of the record.
        offset: u64,
        /// Bytes of the record.
        expected: u64,
        /// Bytes of the record that arrived before.
        got: u64,
        /// What the system said.
        cause: io::Error,
    },
    /// The device has not answered for too long. The read may still end: its memory is kept until then.
    #[error("{}: the device has not answered for {} s a read of {bytes} bytes at offset {offset}: check the \
             device and the system log", path.display(), waited.as_secs_f32())]
    Stalled {
        /// The file.
        path: PathBuf,
        /// First byte of the oldest read that has not ended.
        offset: u64,
        /// Its bytes.
        bytes: u64,
        /// How long the device was silent.
        waited: Duration,
    },
    /// Whoever worked on the reads is gone.
    #[error(transparent)]
    WorkerLost(#[from] WorkerLost),
    /// The read was taken back before all of it had begun.
    #[error("{}: the read at offset {offset} was cancelled", path.display())]
    Cancelled {
        /// The file.
        path: PathBuf,
        /// First byte of the part that was taken back.
        offset: u64,
    },
    /// The probe has nothing to measure.
    #[error("{}: {bytes} bytes are too few to measure the device with: give a file of at least \
             {needed} bytes, or a directory", path.display())]
    TooSmall {
        /// The file.
        path: PathBuf,
        /// Its length.
        bytes: u64,
        /// The least length that the asked sizes need.
        needed: u64,
    },
    /// The probe could not write its temporary file.
    #[error("{}: cannot write a temporary file to measure with: {cause}", path.display())]
    Temporary {
        /// The file, or the directory it was to be in.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
}

/// What to do about a refusal that a user can do something about.
fn advice(cause: &io::Error) -> &'static str {
    match cause.raw_os_error() {
        Some(libc::EMFILE | libc::ENFILE) => ": raise the limit on open files (ulimit -n)",
        _ => "",
    }
}
