//! Turns a device read into the list of addresses that the kernel wants.

use crate::device::Piece;
use crate::{DeviceRead, MergePolicy};
use flint_iobuf::{Lease, MapError, PAGE};
use std::sync::atomic::{AtomicPtr, Ordering};

/// Where bytes between records go. Reads in flight write over each other here; nobody ever reads it, and
/// no slice over it is ever formed.
#[derive(Debug)]
pub(crate) struct DiscardBuffer {
    _memory: Lease,
    /// Atomic only to be shared between threads; it never changes.
    start: AtomicPtr<u8>,
}

impl DiscardBuffer {
    /// Memory for the largest gap that `policy` allows.
    pub(crate) fn new(policy: MergePolicy) -> Result<DiscardBuffer, MapError> {
        let bytes = usize::try_from(policy.max_gap_bytes).unwrap_or(usize::MAX);
        let mut memory = Lease::alone(bytes.max(PAGE))?;
        let start = AtomicPtr::new(memory.as_mut_ptr());
        Ok(DiscardBuffer { _memory: memory, start })
    }
}

/// The destinations of one attempt. The list is reused from read to read.
#[derive(Debug, Default)]
pub(crate) struct Destinations {
    list: Vec<libc::iovec>,
}

impl Destinations {
    /// Points at the places for the bytes of `read` from its point of resumption on.
    pub(crate) fn aim(&mut self, read: &mut DeviceRead, discard: &DiscardBuffer) {
        self.list.clear();
        let mut skip = read.resume();
        for piece in read.pieces_mut() {
            let bytes = piece.bytes();
            if skip >= bytes {
                skip -= bytes;
                continue;
            }
            let start = match piece {
                Piece::Record(record) => record.into.as_mut_ptr().wrapping_add(skip),
                Piece::Gap(_) => discard.start.load(Ordering::Relaxed),
            };
            self.list.push(libc::iovec { iov_base: start.cast(), iov_len: bytes - skip });
            skip = 0;
        }
    }

    /// The places, in file order.
    pub(crate) fn list(&self) -> &[libc::iovec] {
        &self.list
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::{Gap, RecordPiece};
    use crate::{FileId, ReadError};

    #[test]
    fn a_resumed_read_goes_on_behind_the_blocks_it_has() -> Result<(), ReadError> {
        let policy = MergePolicy { max_gap_bytes: 8192, max_request_bytes: 1 << 20, part_bytes: 0 };
        let discard = DiscardBuffer::new(policy)?;
        let mut starts = Vec::new();
        let mut piece = |bytes: usize| -> Result<Piece, ReadError> {
            let mut into = Lease::alone(bytes)?;
            starts.push(into.as_mut_ptr() as usize);
            Ok(Piece::Record(RecordPiece { tag: 0, part: None, into, bytes, at: 0..bytes }))
        };
        let pieces = vec![piece(1024)?, Piece::Gap(Gap { bytes: 8192 }), piece(512)?];
        let mut read = DeviceRead::new(FileId(0), 0, 512, pieces);
        let gap = discard.start.load(Ordering::Relaxed) as usize;
        let mut places = Destinations::default();
        let mut aim = |read: &mut DeviceRead| -> Vec<(usize, usize)> {
            places.aim(read, &discard);
            places.list().iter().map(|place| (place.iov_base as usize, place.iov_len)).collect()
        };
        assert_eq!(aim(&mut read), [(starts[0], 1024), (gap, 8192), (starts[1], 512)]);
        read.advance(Ok(700));
        assert_eq!(aim(&mut read), [(starts[0] + 512, 512), (gap, 8192), (starts[1], 512)]);
        // Into the gap: what is left of it, at the start of the discard or behind, but inside.
        read.advance(Ok(1024));
        let rest = aim(&mut read);
        assert_eq!((rest.len(), rest[0].1, rest[1]), (2, 8192 - 512, (starts[1], 512)));
        assert!(rest[0].0 >= gap && rest[0].0 + rest[0].1 <= gap + 8192);
        Ok(())
    }
}
