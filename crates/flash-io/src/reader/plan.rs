//! From a batch of records to device reads, in memory that is reused from batch to batch.
//!
//! A record is read as one part, into its lease as it is; one of several segments, or a large one, as several parts into
//! parts of its lease, so that a device works on all of them at once. Neighbouring parts become one device read.

use super::blocks::Blocks;
use super::parts::Assembly;
use crate::merge::{Run, Want, merge};
use crate::{
    ClientId, DeviceRead, FileId, Gap, MergePolicy, PartOf, Piece, RecordPiece, RecordRead,
    Segment, Segments,
};
use flint_geometry::Extent;
use flint_iobuf::{Lease, PAGE};
use std::ops::Range;

/// Widens, splits, sorts and merges.
pub(super) struct Planner {
    blocks: Blocks,
    merge: MergePolicy,
    parts: Vec<Part>,
    wants: Vec<Want>,
    runs: Vec<Run>,
    reads: Vec<DeviceRead>,
    /// Emptied lists of pieces, for the next reads.
    spare: Vec<Vec<Piece>>,
}

/// What is read in one piece.
struct Part {
    file: FileId,
    /// All bytes to be read, in whole blocks.
    widened: Extent,
    piece: RecordPiece,
}

/// Why a record is not read.
pub(super) enum Refusal {
    /// It has no bytes.
    Empty,
    /// No file reaches so far.
    TooFar(Segment),
}

impl Planner {
    /// Plans for a device that reads multiples of `alignment`.
    pub(super) fn new(alignment: u32, merge: MergePolicy) -> Planner {
        Planner {
            blocks: Blocks::new(alignment),
            merge,
            parts: Vec::new(),
            wants: Vec::new(),
            runs: Vec::new(),
            reads: Vec::new(),
            spare: Vec::new(),
        }
    }

    /// Why a record cannot be asked for.
    pub(super) fn refusal(&self, read: &RecordRead) -> Option<Refusal> {
        let mut empty = true;
        for segment in read.segments.iter().filter(|segment| !segment.extent.is_empty()) {
            if self.blocks.widened(segment.extent).is_none() {
                return Some(Refusal::TooFar(segment));
            }
            empty = false;
        }
        empty.then_some(Refusal::Empty)
    }

    /// Takes a record that is not refused. What has parts is put together by the assembly that is returned, which
    /// is to be kept under `record`.
    pub(super) fn add(
        &mut self,
        client: ClientId,
        read: RecordRead,
        record: u64,
    ) -> Option<Assembly> {
        let RecordRead { tag, segments, into } = read;
        self.check(&segments, &into);
        if let Some(Segment { file, extent }) = segments.only()
            && let Some(widened) = self.blocks.widened(extent)
            && !self.splits(widened)
        {
            let at = self.blocks.place(extent);
            let piece = RecordPiece { tag, part: None, into, bytes: widened.len() as usize, at };
            self.parts.push(Part { file, widened, piece });
            return None;
        }
        let (mut rest, mut index, mut at, mut before) = (into, 0, None, 0);
        for Segment { file, extent } in segments.iter() {
            let Some(widened) = self.blocks.widened(extent) else { continue };
            let place = self.blocks.place(extent);
            let (from, to) = (before + place.start, before + place.end);
            at = Some(at.map_or(from..to, |at: Range<usize>| at.start..to));
            for cut in self.cuts(widened) {
                let bytes = cut.len() as usize;
                let behind = rest.split_off(bytes);
                let into = std::mem::replace(&mut rest, behind);
                let part = Some(PartOf { record, index });
                let from = extent.offset().max(cut.offset()) - cut.offset();
                let to = extent.end().min(cut.end()) - cut.offset();
                let at = from as usize..to as usize;
                let piece = RecordPiece { tag, part, into, bytes, at };
                self.parts.push(Part { file, widened: cut, piece });
                index += 1;
            }
            before += widened.len() as usize;
        }
        Some(Assembly::new(client, tag, index, rest, at.unwrap_or_default()))
    }

    fn splits(&self, widened: Extent) -> bool {
        let part = self.merge.part_bytes;
        part >= self.blocks.bytes && widened.len() >= 2 * part
    }

    /// The parts in which blocks are read.
    fn cuts(&self, widened: Extent) -> Vec<Extent> {
        if !self.splits(widened) {
            return vec![widened];
        }
        let each = self.merge.part_bytes & !(self.blocks.bytes - 1);
        let starts = (widened.offset()..widened.end()).step_by(each as usize);
        let cut = |from| Extent::new(from, each.min(widened.end() - from));
        starts.filter_map(cut).collect()
    }

    fn check(&self, segments: &Segments, into: &Lease) {
        let widened = segments.iter().filter_map(|segment| self.blocks.widened(segment.extent));
        let bytes = widened.map(Extent::len).sum::<u64>() as usize;
        assert!(into.len() >= bytes, "a lease of {} bytes for a read of {bytes}", into.len());
        let address = into.as_ptr() as u64;
        let aligned = address.is_multiple_of(self.blocks.bytes.min(PAGE as u64));
        assert!(aligned, "a lease at {address:#x} for blocks of {}", self.blocks.bytes);
    }

    /// The device reads of what was added.
    pub(super) fn plan(&mut self) -> &mut Vec<DeviceRead> {
        self.parts.sort_unstable_by_key(|part| (part.file, part.widened, part.piece.at.start));
        self.wants.clear();
        self.wants
            .extend(self.parts.iter().map(|part| Want { file: part.file, extent: part.widened }));
        self.runs.clear();
        merge(&self.wants, self.merge, &mut self.runs);
        let mut parts = self.parts.drain(..);
        for run in &self.runs {
            let mut pieces = self.spare.pop().unwrap_or_default();
            let wants = &self.wants[run.records.clone()];
            let mut position = run.extent.offset();
            for (want, part) in wants.iter().zip(parts.by_ref()) {
                if want.extent.offset() > position {
                    let bytes = (want.extent.offset() - position) as usize;
                    pieces.push(Piece::Gap(Gap { bytes }));
                }
                position = want.extent.end();
                pieces.push(Piece::Record(part.piece));
            }
            let (file, offset) = (wants[0].file, run.extent.offset());
            self.reads.push(DeviceRead::new(file, offset, self.blocks.bytes, pieces));
        }
        drop(parts);
        &mut self.reads
    }

    /// Takes back an emptied list of pieces.
    pub(super) fn recycle(&mut self, pieces: Vec<Piece>) {
        self.spare.push(pieces);
    }
}
