//! From a batch of records to device reads, in memory that is reused from batch to batch.

use crate::merge::{Run, Want, merge};
use crate::{DeviceRead, Gap, MergePolicy, Piece, RecordPiece, RecordRead};
use flint_geometry::Extent;
use flint_iobuf::PAGE;
use std::ops::Range;

/// No file reaches further, and the system counts offsets in signed numbers.
const MAX_OFFSET: u64 = i64::MAX as u64;

/// Widens, sorts and merges.
pub(super) struct Planner {
    alignment: u64,
    merge: MergePolicy,
    wants: Vec<Want>,
    runs: Vec<Run>,
    reads: Vec<DeviceRead>,
    /// Emptied lists of pieces, for the next reads.
    spare: Vec<Vec<Piece>>,
}

impl Planner {
    /// Plans for a device that reads multiples of `alignment`.
    pub(super) fn new(alignment: u32, merge: MergePolicy) -> Planner {
        assert!(alignment.is_power_of_two(), "alignment {alignment} is not a power of two");
        Planner {
            alignment: u64::from(alignment),
            merge,
            wants: Vec::new(),
            runs: Vec::new(),
            reads: Vec::new(),
            spare: Vec::new(),
        }
    }

    /// Where in its lease the record of `extent` lies.
    pub(super) fn place(&self, extent: Extent) -> Range<usize> {
        let head = (extent.offset() % self.alignment) as usize;
        head..head + extent.len() as usize
    }

    /// Empties `batch` into device reads. Records that need no device (because they are empty, or
    /// beyond what a file can hold) go to `refuse`.
    pub(super) fn plan(
        &mut self,
        batch: &mut Vec<RecordRead>,
        refuse: impl FnMut(RecordRead),
    ) -> &mut Vec<DeviceRead> {
        let alignment = self.alignment;
        batch.extract_if(.., |read| widened(read, alignment).is_none()).for_each(refuse);
        batch.sort_unstable_by_key(|read| (read.file, read.extent));
        self.wants.clear();
        self.wants.extend(batch.iter().filter_map(|read| {
            let extent = widened(read, alignment)?;
            Some(Want { file: read.file, extent })
        }));
        self.runs.clear();
        merge(&self.wants, self.merge, &mut self.runs);
        let mut records = batch.drain(..);
        for run in &self.runs {
            let mut pieces = self.spare.pop().unwrap_or_default();
            let wants = &self.wants[run.records.clone()];
            let mut position = run.extent.offset();
            for (want, read) in wants.iter().zip(records.by_ref()) {
                if want.extent.offset() > position {
                    let bytes = (want.extent.offset() - position) as usize;
                    pieces.push(Piece::Gap(Gap { bytes }));
                }
                position = want.extent.end();
                pieces.push(Piece::Record(piece(read, want.extent, alignment)));
            }
            let (file, offset) = (wants[0].file, run.extent.offset());
            self.reads.push(DeviceRead::new(file, offset, alignment, pieces));
        }
        drop(records);
        &mut self.reads
    }

    /// Takes back an emptied list of pieces.
    pub(super) fn recycle(&mut self, pieces: Vec<Piece>) {
        self.spare.push(pieces);
    }
}

/// The blocks that hold a record; `None` where no device can be asked for them.
fn widened(read: &RecordRead, alignment: u64) -> Option<Extent> {
    let extent = read.extent.widen(alignment)?;
    (!read.extent.is_empty() && extent.end() <= MAX_OFFSET).then_some(extent)
}

fn piece(read: RecordRead, widened: Extent, alignment: u64) -> RecordPiece {
    let RecordRead { tag, extent, into, .. } = read;
    let bytes = widened.len() as usize;
    assert!(into.len() >= bytes, "a lease of {} bytes for a read of {bytes}", into.len());
    let address = into.as_ptr() as u64;
    let aligned = address.is_multiple_of(alignment.min(PAGE as u64));
    assert!(aligned, "a lease at {address:#x} for blocks of {alignment}");
    let head = (extent.offset() - widened.offset()) as usize;
    RecordPiece { tag, into, bytes, at: head..head + extent.len() as usize }
}
