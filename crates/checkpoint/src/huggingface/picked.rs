//! Some rows of a stored tensor, as one tensor: fused projections are taken apart by their rows.

use super::{CheckpointError, Shard, Stored, read_error};
use crate::finite::not_finite;
use flint_geometry::{DType, Extent};
use std::ops::Range;
use std::os::unix::fs::FileExt;

/// Which rows of a stored tensor to take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rows {
    /// Rows that the tensor has in all.
    pub of: usize,
    /// Rows to put one after the other.
    pub ranges: Vec<Range<usize>>,
}

/// Rows of a tensor of a checkpoint, one range after the other. A vector is one row.
#[derive(Debug)]
pub struct Picked<'a> {
    shard: &'a Shard,
    stored: &'a Stored,
    element: DType,
    row_bytes: usize,
    ranges: Vec<Range<usize>>,
}

impl<'a> Picked<'a> {
    /// Picks `rows` (all when `None`) and checks that they make a tensor of `dims`.
    pub(super) fn new(
        shard: &'a Shard,
        stored: &'a Stored,
        rows: Option<&Rows>,
        dims: &[usize],
    ) -> Result<Picked<'a>, CheckpointError> {
        let element = element(shard, stored)?;
        // The whole tensor, of which `dims` may be a part.
        let mut whole = dims.to_vec();
        if let (Some(rows), Some(first)) = (rows, whole.first_mut()) {
            *first = rows.of;
        }
        if stored.dims != whole {
            return Err(CheckpointError::Misshapen {
                path: shard.path.clone(),
                name: stored.name.clone(),
                expected: whole,
                got: stored.dims.clone(),
            });
        }
        // Rows of a vector are its numbers when some are picked, else it is one row.
        let (all, columns) = match (whole.as_slice(), rows) {
            (&[numbers], None) => (1, numbers),
            (&[numbers], Some(_)) => (numbers, 1),
            (&[rows, ref columns @ ..], _) => (rows, columns.iter().product()),
            (&[], _) => (1, 1),
        };
        let ranges = match rows {
            Some(rows) => rows.ranges.clone(),
            None => vec![Range { start: 0, end: all }],
        };
        // The header was checked: the whole tensor lies in its file, so its rows fit in memory sizes.
        let row_bytes = element.row_bytes(columns as u64).unwrap_or(0) as usize;
        Ok(Picked { shard, stored, element, row_bytes, ranges })
    }

    /// Name of the stored tensor.
    pub fn name(&self) -> &str {
        &self.stored.name
    }

    /// How it is encoded.
    pub fn element(&self) -> DType {
        self.element
    }

    /// Sizes of the whole stored tensor, outermost first.
    pub fn stored_dims(&self) -> &[usize] {
        &self.stored.dims
    }

    /// Which of [`Checkpoint::files`](crate::Checkpoint::files) it lies in, and the bytes of each range of rows there.
    pub fn extents(&self) -> (usize, Vec<Extent>) {
        let each = self.row_bytes as u64;
        let extent = |rows: &Range<usize>| {
            Extent::new(self.stored.offset + rows.start as u64 * each, rows.len() as u64 * each)
        };
        // The header was checked: every row lies within the file.
        (self.stored.shard, self.ranges.iter().filter_map(extent).collect())
    }

    /// Rows picked.
    pub fn rows(&self) -> usize {
        self.ranges.iter().map(ExactSizeIterator::len).sum()
    }

    /// Bytes of a row.
    pub fn row_bytes(&self) -> usize {
        self.row_bytes
    }

    /// Reads some of the picked rows, counted from the first picked one, into `into`.
    ///
    /// # Errors
    /// When the file cannot be read or a number is not finite.
    pub fn read(&self, wanted: Range<usize>, into: &mut Vec<u8>) -> Result<(), CheckpointError> {
        into.clear();
        let mut before = 0;
        for range in &self.ranges {
            let from = wanted.start.max(before);
            let to = wanted.end.min(before + range.len());
            if from < to {
                let first = range.start + (from - before);
                let start = into.len();
                into.resize(start + (to - from) * self.row_bytes, 0);
                let offset = self.stored.offset + (first * self.row_bytes) as u64;
                let read = self.shard.file.read_exact_at(&mut into[start..], offset);
                read.map_err(|cause| read_error(&self.shard.path, cause))?;
                self.check_finite(first, &into[start..])?;
            }
            before += range.len();
        }
        Ok(())
    }

    /// Refuses infinite numbers and those that are none, in rows from `first` on: each would spoil every result
    /// that it takes part in.
    fn check_finite(&self, first: usize, bytes: &[u8]) -> Result<(), CheckpointError> {
        let Some((at, value)) = not_finite(self.element, bytes) else { return Ok(()) };
        let columns = self.row_bytes / self.element.block_bytes();
        Err(CheckpointError::NotFinite {
            path: self.shard.path.clone(),
            name: self.stored.name.clone(),
            index: (first * columns + at) as u64,
            value,
        })
    }
}

fn element(shard: &Shard, stored: &Stored) -> Result<DType, CheckpointError> {
    match stored.kind.as_str() {
        "F16" => Ok(DType::F16),
        "BF16" => Ok(DType::Bf16),
        "F32" => Ok(DType::F32),
        other => Err(CheckpointError::UnsupportedType {
            path: shard.path.clone(),
            name: stored.name.clone(),
            got: other.to_owned(),
        }),
    }
}
