//! What one neuron's record looks like inside: `[gate row | up row | down column]`.

use crate::{DType, Extent};
use std::ops::Range;

/// The grain of the on-disk format: record strides and section starts are multiples of this.
pub const SECTOR: u64 = 512;

/// The parts of a record and their sizes. All records of a bundle share one layout.
///
/// Source: row-column bundling, section 3.2 of "LLM in a flash" (ACL 2024).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RecordLayout {
    element: DType,
    /// Numbers per row: the width of the hidden state.
    width: u32,
    gated: bool,
}

impl RecordLayout {
    /// Records of rows `width` numbers wide; with a gate row when `gated`. `None` for a width of zero.
    pub fn new(element: DType, width: u32, gated: bool) -> Option<RecordLayout> {
        (width > 0).then_some(RecordLayout { element, width, gated })
    }

    /// Encoding of every part.
    pub fn element(&self) -> DType {
        self.element
    }

    /// Numbers per row: the width of the hidden state.
    pub fn width(&self) -> usize {
        self.width as usize
    }

    /// Whether records start with a gate row.
    pub fn is_gated(&self) -> bool {
        self.gated
    }

    /// Bytes of one row.
    pub fn row_bytes(&self) -> usize {
        // A 32-bit width times at most 4 bytes fits in 64 bits.
        self.element.row_bytes(u64::from(self.width)).unwrap_or(u64::MAX) as usize
    }

    /// Rows per record: 2, or 3 with a gate.
    pub fn rows(&self) -> usize {
        2 + usize::from(self.gated)
    }

    /// Bytes of a record without padding.
    pub fn payload_bytes(&self) -> usize {
        self.rows() * self.row_bytes()
    }

    /// Bytes from one record to the next: the payload rounded up to a sector.
    pub fn stride(&self) -> u64 {
        (self.payload_bytes() as u64).next_multiple_of(SECTOR)
    }

    /// Where record `slot` lies, counted from the start of its group; `None` past 64 bits.
    pub fn extent(&self, slot: u32) -> Option<Extent> {
        Extent::new(u64::from(slot).checked_mul(self.stride())?, self.payload_bytes() as u64)
    }

    /// Bytes of the gate row inside a record, where there is one.
    pub fn gate(&self) -> Option<Range<usize>> {
        self.gated.then(|| 0..self.row_bytes())
    }

    /// Bytes of the up row inside a record.
    pub fn up(&self) -> Range<usize> {
        self.row(usize::from(self.gated))
    }

    /// Bytes of the down column inside a record.
    pub fn down(&self) -> Range<usize> {
        self.row(1 + usize::from(self.gated))
    }

    fn row(&self, index: usize) -> Range<usize> {
        let bytes = self.row_bytes();
        index * bytes..(index + 1) * bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_tile_the_payload() {
        let record = RecordLayout::new(DType::Bf16, 100, true).unwrap();
        assert_eq!(record.gate(), Some(0..200));
        assert_eq!(record.up(), 200..400);
        assert_eq!(record.down(), 400..600);
        assert_eq!(record.payload_bytes(), 600);
        assert_eq!(record.stride(), 1024);
        assert_eq!(record.extent(3), Extent::new(3072, 600));
    }

    #[test]
    fn a_plain_record_has_two_rows() {
        let record = RecordLayout::new(DType::F32, 64, false).unwrap();
        assert_eq!((record.gate(), record.up(), record.down()), (None, 0..256, 256..512));
        assert_eq!(record.stride(), 512);
    }
}
