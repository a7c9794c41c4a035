//! Some rows of a stored tensor, as one tensor: fused projections are taken apart by their rows.

use crate::CheckpointError;
use crate::finite::not_finite;
use flint_geometry::{DType, Extent};
use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

/// Which rows of a stored tensor to take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rows {
    /// Rows that the tensor has in all.
    pub of: usize,
    /// Rows to put one after the other.
    pub ranges: Vec<Range<usize>>,
}

/// A whole tensor in one of the files of a model. The header of the file was checked: all of it is there.
#[derive(Debug)]
pub(crate) struct Stored<'a> {
    pub(crate) file: Arc<File>,
    pub(crate) path: &'a Path,
    /// Which of the model's files it is in.
    pub(crate) shard: usize,
    pub(crate) name: &'a str,
    /// Sizes, outermost first.
    pub(crate) dims: Vec<usize>,
    pub(crate) element: DType,
    /// Where its first byte lies in the file.
    pub(crate) offset: u64,
}

/// Rows of a stored tensor, one range after the other. A vector is one row.
#[derive(Debug)]
pub struct Picked<'a> {
    stored: Stored<'a>,
    row_bytes: usize,
    ranges: Vec<Range<usize>>,
}

impl<'a> Picked<'a> {
    /// Picks `rows` (all when `None`) and checks that they make a tensor of `dims`.
    pub(crate) fn new(
        stored: Stored<'a>,
        rows: Option<&Rows>,
        dims: &[usize],
    ) -> Result<Picked<'a>, CheckpointError> {
        // The whole tensor, of which `dims` may be a part.
        let mut whole = dims.to_vec();
        if let (Some(rows), Some(first)) = (rows, whole.first_mut()) {
            *first = rows.of;
        }
        if stored.dims != whole {
            return Err(CheckpointError::Misshapen {
                path: stored.path.to_owned(),
                name: stored.name.to_owned(),
                expected: whole,
                got: stored.dims,
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
        let row_bytes = stored.element.row_bytes(columns as u64).unwrap_or(0) as usize;
        Ok(Picked { stored, row_bytes, ranges })
    }

    /// Name of the stored tensor.
    pub fn name(&self) -> &str {
        self.stored.name
    }

    /// How it is encoded.
    pub fn element(&self) -> DType {
        self.stored.element
    }

    /// Sizes of the whole stored tensor, outermost first.
    pub fn stored_dims(&self) -> &[usize] {
        &self.stored.dims
    }

    /// Which of the model's files it lies in, and the bytes of each range of rows there.
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
                let read = self.stored.file.read_exact_at(&mut into[start..], offset);
                read.map_err(|cause| {
                    let path = self.stored.path.to_owned();
                    CheckpointError::Read { path, cause }
                })?;
                self.check_finite(first, &into[start..])?;
            }
            before += range.len();
        }
        Ok(())
    }

    /// Refuses infinite numbers and NaN, in rows from `first` on: each would spoil every result
    /// that it takes part in.
    fn check_finite(&self, first: usize, bytes: &[u8]) -> Result<(), CheckpointError> {
        let element = self.stored.element;
        // What a quantised number is, is known once it is dequantised.
        if element.is_quantised() {
            return Ok(());
        }
        let Some((at, value)) = not_finite(element, bytes) else { return Ok(()) };
        let columns = self.row_bytes / element.block_bytes();
        Err(CheckpointError::NotFinite {
            path: self.stored.path.to_owned(),
            name: self.stored.name.to_owned(),
            index: (first * columns + at) as u64,
            value,
        })
    }
}
