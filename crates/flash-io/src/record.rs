//! What a caller asks for and gets back: one record of a file, read into one lease.

use crate::ReadError;
use flint_geometry::Extent;
use flint_iobuf::Lease;
use std::ops::Range;

/// A file of a reader: the index of its path in the list the reader was opened with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(pub u32);

/// Whether somebody waits for a read already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Urgency {
    /// Known to be needed: goes before every guess that the device has not been given yet.
    Exact,
    /// Might be needed later: uses what the exact reads leave of the device.
    Guess,
}

/// One record to read. Moving it into the reader lends the lease to the device.
#[derive(Debug)]
pub struct RecordRead {
    /// Comes back in the [`RecordDone`]; the reader does not look at it.
    pub tag: u64,
    /// Which file.
    pub file: FileId,
    /// The bytes wanted, not widened.
    pub extent: Extent,
    /// Where to: at least the widened extent in length, at an address aligned as reads are, or to a page.
    pub into: Lease,
}

/// A record that was read, or could not be. The lease comes back either way.
#[derive(Debug)]
pub struct RecordDone {
    /// As in the [`RecordRead`].
    pub tag: u64,
    /// As in the [`RecordRead`], now owned by the caller again.
    pub into: Lease,
    /// Where in `into` the record lies. On an error the bytes there mean nothing.
    pub at: Range<usize>,
    /// Whether all bytes of the record arrived. Fewer are never delivered as success.
    pub result: Result<(), ReadError>,
}
