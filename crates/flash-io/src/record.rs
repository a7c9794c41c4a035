//! What a caller asks for and gets back: one record, up to eight segments of files, read into one lease.

use crate::ReadError;
use flint_geometry::Extent;
use flint_iobuf::Lease;
use std::iter;
use std::ops::Range;

/// A file of a reader: the index of its path in the list the reader was opened with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(pub u32);

/// Which queued reads go first. Reads of equal priority go in the order in which they were submitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// Somebody waits for it.
    Demand,
    /// Certain to be needed, but not yet.
    ReadAhead,
    /// Might be needed.
    Speculative,
}

impl Priority {
    /// How many there are.
    pub const COUNT: usize = 3;
}

/// Consecutive bytes of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Segment {
    /// Which file.
    pub file: FileId,
    /// Which bytes of it.
    pub extent: Extent,
}

/// The segments of a record, in the order in which they are to lie in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segments {
    first: Segment,
    /// Nearly always empty, which costs no allocation.
    more: Vec<Segment>,
}

impl Segments {
    /// Most segments of one record.
    pub const MOST: usize = 8;

    /// The segments of `list`; `None` where there are none, or more than [`Segments::MOST`].
    pub fn new(list: &[Segment]) -> Option<Segments> {
        let (&first, more) = list.split_first()?;
        (list.len() <= Segments::MOST).then(|| Segments { first, more: more.to_vec() })
    }

    /// One segment.
    pub fn one(file: FileId, extent: Extent) -> Segments {
        Segments { first: Segment { file, extent }, more: Vec::new() }
    }

    /// The segments, in order.
    pub fn iter(&self) -> impl Iterator<Item = Segment> {
        iter::once(self.first).chain(self.more.iter().copied())
    }

    /// The only segment; `None` where there are several.
    pub fn only(&self) -> Option<Segment> {
        self.more.is_empty().then_some(self.first)
    }
}

/// One record to read. Moving it into the reader lends the lease to the device.
#[derive(Debug)]
pub struct RecordRead {
    /// Comes back in the [`RecordDone`]; the reader does not look at it.
    pub tag: u64,
    /// Which bytes of which files.
    pub segments: Segments,
    /// Where to: at least as long as all segments, each widened to the alignment of the device, at an address aligned
    /// as reads are, or to a page.
    pub into: Lease,
}

impl RecordRead {
    /// A record of one segment.
    pub fn new(tag: u64, file: FileId, extent: Extent, into: Lease) -> RecordRead {
        RecordRead { tag, segments: Segments::one(file, extent), into }
    }
}

/// A record that was read, or could not be. The lease comes back either way.
#[derive(Debug)]
pub struct RecordDone {
    /// As in the [`RecordRead`].
    pub tag: u64,
    /// As in the [`RecordRead`], now owned by the caller again.
    pub into: Lease,
    /// Where in `into` the record lies: from the first byte of its first segment to the last of its last one. Where
    /// there are several, [`Reader::places`](crate::Reader::places) tells them apart. On an error the bytes mean nothing.
    pub at: Range<usize>,
    /// Whether all bytes of the record arrived. Fewer are never delivered as success.
    pub result: Result<(), ReadError>,
}
