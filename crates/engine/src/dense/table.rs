//! A table of which a token needs one row, checked as a whole before its rows are read one by one.
//!
//! The manifest has one checksum for the table. Each row gets one of its own here, of the bytes that were found
//! to be right, so that a file that is overwritten in place, or a device that lies, is noticed later.

use crate::EngineError;
use crate::tensors::{StoredTensor, Tensors};
use flint_geometry::Extent;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

/// Bytes that are checked at a time, or one row where that is more.
const PIECE: u64 = 1 << 20;

/// Where the rows of a table lie and what they must be.
pub(crate) struct Table {
    pub(super) tensor: StoredTensor,
    path: PathBuf,
    /// One checksum per row.
    rows: Vec<u32>,
}

impl Table {
    /// Reads a table once, and keeps the checksums of its rows.
    pub(crate) fn check(tensors: &Tensors, tensor: &StoredTensor) -> Result<Table, EngineError> {
        let path = tensors.path(tensor);
        let fail = |cause| EngineError::File { path: path.clone(), cause };
        let file = tensors.open(tensor)?;
        let row_bytes = tensor.row_bytes();
        let rows_at_once = (PIECE / row_bytes.max(1)).max(1);
        let mut piece = Vec::new();
        let (mut whole, mut rows) = (0, Vec::with_capacity(tensor.rows() as usize));
        for block in tensor.blocks(rows_at_once) {
            piece.resize(block.extent.len() as usize, 0);
            file.read_exact_at(&mut piece, block.extent.offset()).map_err(fail)?;
            whole = crc32c::crc32c_append(whole, &piece);
            rows.extend(piece.chunks_exact(row_bytes as usize).map(crc32c::crc32c));
        }
        match tensor.crc {
            Some(expected) if expected != whole => Err(EngineError::WrongTable {
                file: path,
                tensor: tensor.name.clone(),
                offset: tensor.runs.first().map_or(0, |run| run.offset()),
                expected,
                got: whole,
            }),
            _ => Ok(Table { tensor: tensor.clone(), path, rows }),
        }
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
