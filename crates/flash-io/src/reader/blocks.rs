//! The blocks of a device: what is really read where a record was asked for, and where it then lies.

use flint_geometry::{Extent, SECTOR};
use std::ops::Range;

/// No file reaches further, and the system counts offsets in signed numbers.
const MAX_OFFSET: u64 = i64::MAX as u64;

/// Blocks of a device, all of one size.
#[derive(Debug, Clone, Copy)]
pub(super) struct Blocks {
    /// Bytes of each, a power of two.
    pub(super) bytes: u64,
}

impl Blocks {
    pub(super) fn new(bytes: u32) -> Blocks {
        assert!(bytes.is_power_of_two(), "alignment {bytes} is not a power of two");
        Blocks { bytes: u64::from(bytes) }
    }

    /// Where in its lease the bytes of `extent` lie, if they are all that it holds.
    pub(super) fn place(self, extent: Extent) -> Range<usize> {
        let head = (extent.offset() % self.bytes) as usize;
        head..head + extent.len() as usize
    }

    /// The blocks that hold `extent`; none where it is empty or no device can be asked for it.
    pub(super) fn widened(self, extent: Extent) -> Option<Extent> {
        let widened = extent.widen(self.bytes)?;
        (!extent.is_empty() && widened.end() <= MAX_OFFSET).then_some(widened)
    }

    /// Bytes of the blocks that hold `extent`.
    pub(super) fn widened_bytes(self, extent: Extent) -> usize {
        self.widened(extent).map_or(0, |widened| widened.len() as usize)
    }

    /// Bytes of the blocks that hold `extent_len` bytes from any sector on.
    pub(super) fn lease_bytes(self, extent_len: usize) -> usize {
        let worst_head = self.bytes.saturating_sub(SECTOR) as usize;
        (extent_len + worst_head).next_multiple_of(self.bytes as usize)
    }
}
