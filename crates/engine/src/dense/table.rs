//! A table of which a token needs one row, checked as a whole before its rows are read one by one.
//!
//! The manifest has one checksum for the table. Each row gets one of its own here, of the bytes that were found
//! to be right, so that a file that is overwritten in place, or a device that lies, is noticed later.

use crate::EngineError;
use crate::read_ahead::ReadAhead;
use crate::reads::Reads;
use crate::tensors::{StoredTensor, Tensors};
use flint_flash_io::{Segment, Segments};
use flint_geometry::Extent;
use flint_iobuf::Pool;
use std::path::PathBuf;

/// Bytes that are checked at a time, or one row where that is more.
const PIECE: u64 = 256 << 10;

/// Pieces in memory while a table is checked.
const PIECES: u32 = 4;

/// Where the rows of a table lie and what they must be.
pub(crate) struct Table {
    pub(super) tensor: StoredTensor,
    path: PathBuf,
    /// One checksum per row.
    rows: Vec<u32>,
}

impl Table {
    /// Reads a table once, and keeps the checksums of its rows.
    pub(crate) fn check(
        tensors: &Tensors,
        tensor: &StoredTensor,
        reads: Reads,
    ) -> Result<Table, EngineError> {
        let path = tensors.path(tensor);
        let row_bytes = tensor.row_bytes() as usize;
        let (mut whole, mut rows) = (0, Vec::with_capacity(tensor.rows() as usize));
        each_piece(tensor, reads, &mut |piece| {
            whole = crc32c::crc32c_append(whole, piece);
            rows.extend(piece.chunks_exact(row_bytes).map(crc32c::crc32c));
            Ok(())
        })?;
        tensors.check_bytes(tensor, || whole)?;
        Ok(Table { tensor: tensor.clone(), path, rows })
    }

    /// Where a row lies.
    pub(super) fn row(&self, row: u32) -> Extent {
        let (each, mut left) = (self.tensor.row_bytes(), u64::from(row));
        for run in &self.tensor.runs {
            let rows = run.len() / each.max(1);
            if left < rows {
                let found = Extent::new(run.offset() + left * each, each);
                return found.unwrap_or_else(|| unreachable!("a row of a checked table"));
            }
            left -= rows;
        }
        unreachable!("row {row} of a table of {}", self.tensor.rows())
    }

    /// Whether these are the bytes of a row.
    pub(super) fn check_row(&self, row: u32, bytes: &[u8]) -> Result<(), EngineError> {
        let (expected, got) = (self.rows[row as usize], crc32c::crc32c(bytes));
        if expected == got {
            return Ok(());
        }
        Err(EngineError::CorruptTensor {
            file: self.path.clone(),
            tensor: self.tensor.name.clone(),
            offset: self.row(row).offset(),
            expected,
            got,
        })
    }
}

/// Reads a tensor once, in pieces of whole rows, and hands each to `each`. Nothing is checked.
pub(crate) fn each_piece(
    tensor: &StoredTensor,
    reads: Reads,
    each: &mut dyn FnMut(&[u8]) -> Result<(), EngineError>,
) -> Result<(), EngineError> {
    let rows_at_once = (PIECE / tensor.row_bytes().max(1)).max(1);
    let blocks = tensor.blocks(rows_at_once).into_iter();
    let segments = blocks.map(|block| Segment { file: tensor.file, extent: block.extent });
    let segments: Vec<Segment> = segments.collect();
    let lease = |it: &Segment| reads.reader().lease_bytes_of(&Segments::one(it.file, it.extent));
    let pool = Pool::new(PIECES, segments.iter().map(lease).max().unwrap_or(0))?;
    let count = segments.len();
    let mut pieces = ReadAhead::once(reads, segments, pool);
    (0..count).try_for_each(|index| each(&pieces.take(index)?))
}
