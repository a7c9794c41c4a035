//! Reads extents of files as fast as the device allows, straight into lent memory.
//!
//! A [`Reader`] takes batches of [`RecordRead`]s, each with the [`Lease`](flint_iobuf::Lease) it is to be read into,
//! merges neighbours into fewer and larger device reads, splits large ones, and hands each lease back in a [`RecordDone`].
//! Any number of clients share one reader; what one of them waits for goes before what another reads ahead.
//! The device work happens on other threads: over io_uring where the system allows it, otherwise in a
//! pool of threads; past the page cache where the file system can, otherwise through it.
//! [`Reader::report`] says which way was taken, and why not the better one.
//!
//! ```
//! use flint_flash_io::{FileId, Options, Priority, Reader, RecordRead, TIMEOUT};
//! use flint_geometry::Extent;
//! use flint_iobuf::Lease;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let path = std::env::temp_dir().join(format!("flint-flash-io-doc-{}", std::process::id()));
//! std::fs::write(&path, vec![7u8; 8192])?;
//!
//! let mut reader = Reader::open(&[path.clone()], Options::default())?;
//! let extent = Extent::new(512, 1024).ok_or("an extent past the end of numbers")?;
//! let into = Lease::alone(reader.lease_bytes(1024))?;
//! let mut batch = vec![RecordRead::new(1, FileId(0), extent, into)];
//! reader.submit(&mut batch, Priority::Demand);
//!
//! while let Some(done) = reader.next_within(TIMEOUT)? {
//!     done.result?;
//!     assert_eq!(done.tag, 1);
//!     assert!(done.into[done.at].iter().all(|&byte| byte == 7));
//! }
//! # std::fs::remove_file(&path)?;
//! # Ok(())
//! # }
//! ```

mod backend;
mod device;
mod error;
mod files;
mod merge;
mod options;
mod probe;
mod random;
mod reader;
mod record;
mod report;
mod submission_queue;

pub use backend::Backend;
pub use backend::simulated::{Faults, SimulatedDevice};
pub use device::{
    ClientId, DeviceDone, DeviceRead, Failure, Gap, PartOf, Piece, RecordPiece, Step,
};
pub use error::{ReadError, WorkerLost};
pub(crate) use files::{FileSet, OpenMode};
pub use merge::{Run, Want, merge};
pub use options::{BackendChoice, MergePolicy, Options, TIMEOUT};
pub use probe::{
    ProbeOptions, ProbePoint, ProbeProgress, ProbeReport, fresh_seed, probe, probe_random,
};
pub use reader::{Device, Reader, Wait};
pub use record::{FileId, Priority, RecordDone, RecordRead, Segment, Segments};
pub use report::{Counters, PathReport};

/// The README, whose example is compiled and run with the tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
