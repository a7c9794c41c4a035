//! A dense tensor: its name, its type and its place in the dense file.

use flint_geometry::{DType, Extent};

/// Most dimensions that a tensor may have.
pub(crate) const MAX_DIMS: usize = 8;

/// One tensor of the dense file, row-major, the last dimension contiguous.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorEntry {
    /// Unique name; for weights that of the checkpoint.
    pub name: String,
    /// Encoding of the elements.
    pub element: DType,
    /// Sizes, outermost first; none of them zero. Empty for a single number.
    pub dims: Vec<u64>,
    /// Bytes in the dense file.
    pub extent: Extent,
    /// CRC-32C of those bytes.
    pub crc: u32,
}

/// Bytes of a tensor; `None` past 64 bits.
pub(crate) fn tensor_bytes(element: DType, dims: &[u64]) -> Option<u64> {
    let (row, outer) = dims.split_last().map_or((1, dims), |(&last, outer)| (last, outer));
    outer.iter().try_fold(element.row_bytes(row)?, |bytes, &dim| bytes.checked_mul(dim))
}
