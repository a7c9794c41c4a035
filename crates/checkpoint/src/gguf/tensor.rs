//! One tensor of a file: its name, type and dimensions, and where its bytes lie.

use super::cursor::Cursor;
use super::error::{GgufError, TensorFault};
use super::tensor_type::TensorType;
use flint_geometry::Extent;
use std::io::Read;

/// A tensor, as the table of its file describes it.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    pub(super) name: String,
    pub(super) kind: TensorType,
    pub(super) dims: Vec<u64>,
    pub(super) shard: usize,
    pub(super) extent: Extent,
}

impl Tensor {
    /// Its name, such as `blk.0.attn_q.weight`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The type it is stored as.
    pub fn kind(&self) -> TensorType {
        self.kind
    }

    /// One to four dimensions, the contiguous one first: the reverse of PyTorch's order. None is zero, and their
    /// product fits in 63 bits.
    pub fn dims(&self) -> &[u64] {
        &self.dims
    }

    /// Elements of a row: the contiguous dimension, a whole number of blocks.
    pub fn row_len(&self) -> u64 {
        self.dims[0]
    }

    /// Number of rows: the product of the other dimensions.
    pub fn rows(&self) -> u64 {
        self.dims[1..].iter().product()
    }

    /// Which file it lies in: an index of the shards.
    pub fn shard(&self) -> usize {
        self.shard
    }

    /// Where its bytes lie in that file, counted from the beginning of the file. They are all there.
    pub fn extent(&self) -> Extent {
        self.extent
    }
}

/// An entry of the table, before it is known where the data begins.
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) kind: TensorType,
    pub(super) dims: Vec<u64>,
    /// Offset in the data, as the file says.
    pub(super) offset: u64,
    /// Bytes, by type and dimensions.
    pub(super) bytes: u64,
}

impl Entry {
    /// Reads what follows the name.
    pub(super) fn read<R: Read>(
        name: String,
        cursor: &mut Cursor<'_, R>,
        fault: impl Fn(&str, TensorFault) -> GgufError,
    ) -> Result<Entry, GgufError> {
        let count = cursor.u32()?;
        if !(1..=4).contains(&count) {
            return Err(fault(&name, TensorFault::Dimensions(count)));
        }
        let mut dims = Vec::new();
        for _ in 0..count {
            dims.push(cursor.u64()?);
        }
        let id = cursor.u32()?;
        let kind = TensorType::from_id(id);
        let kind = kind.ok_or_else(|| fault(&name, TensorFault::UnknownType(id)))?;
        let bytes = bytes(kind, &dims).map_err(|found| fault(&name, found))?;
        let offset = cursor.u64()?;
        Ok(Entry { name, kind, dims, offset, bytes })
    }
}

/// Bytes of a tensor.
fn bytes(kind: TensorType, dims: &[u64]) -> Result<u64, TensorFault> {
    if dims.contains(&0) {
        return Err(TensorFault::Empty);
    }
    let product = |numbers: &[u64]| {
        let within = |product: &u64| *product <= i64::MAX as u64;
        numbers.iter().try_fold(1u64, |all, &one| all.checked_mul(one).filter(within))
    };
    product(dims).ok_or(TensorFault::TooLarge)?;
    let (row, block) = (dims[0], kind.block_len());
    if !row.is_multiple_of(block) {
        return Err(TensorFault::PartialBlock { row, block, kind });
    }
    let sizes = [&[row / block, kind.block_bytes()], &dims[1..]].concat();
    product(&sizes).ok_or(TensorFault::TooLarge)
}
