//! From the bytes of a row of weights to numbers: what every way of multiplying does first.

use crate::lanes::{Lanes, Line};

/// Chunks of sixteen numbers after which every row may be entered: no block reaches across.
pub(crate) const STRETCH: usize = 32;

/// Rows that can be written out as numbers.
pub(crate) trait WidenRow: Copy {
    /// Writes the numbers from chunk `from` on, a multiple of [`STRETCH`], exactly as the format
    /// defines them. Behind the end of the row come zeros up to a whole chunk.
    fn widen<L: Lanes>(lanes: L, row: &[u8], from: usize, to: &mut [Line]);
}
