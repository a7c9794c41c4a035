//! Turns a device read into the list of addresses that the kernel wants.

use crate::device::Piece;
use crate::{DeviceRead, MergePolicy};
use flint_iobuf::{Lease, MapError, PAGE};
use std::sync::atomic::{AtomicPtr, Ordering};

/// Where bytes between records go. Reads in flight write over each other here; nobody ever reads it, and
/// no slice over it is ever formed.
#[derive(Debug)]
pub(crate) struct Sink {
    _memory: Lease,
    /// Atomic only to be shared between threads; it never changes.
    start: AtomicPtr<u8>,
}

impl Sink {
    /// Memory for the largest gap that `policy` allows.
    pub(crate) fn new(policy: MergePolicy) -> Result<Sink, MapError> {
        let bytes = usize::try_from(policy.max_gap_bytes).unwrap_or(usize::MAX);
        let mut memory = Lease::alone(bytes.max(PAGE))?;
        let start = AtomicPtr::new(memory.as_mut_ptr());
        Ok(Sink { _memory: memory, start })
    }
}

/// The destinations of one attempt. The list is reused from read to read.
#[derive(Debug, Default)]
pub(crate) struct Destinations {
    list: Vec<libc::iovec>,
}

impl Destinations {
    /// Points at the places for the bytes of `read` from its point of resumption on.
    pub(crate) fn aim(&mut self, read: &mut DeviceRead, sink: &Sink) {
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
                Piece::Gap(_) => sink.start.load(Ordering::Relaxed),
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
