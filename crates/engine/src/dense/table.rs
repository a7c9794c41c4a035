//! A table of which a token needs one row, checked as a whole before its rows are read one by one.
//!
//! The manifest has one checksum for the table. Each row gets one of its own here, of the bytes that were found
//! to be right, so that a file that is overwritten in place, or a device that lies, is noticed later.

use crate::EngineError;
use flint_bundle::{Bundle, TensorEntry};
use flint_geometry::Extent;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

/// Bytes that are checked at a time, or one row where that is more.
const PIECE: u64 = 1 << 20;

/// Where the rows of a table lie and what they must be.
pub(crate) struct Table {
    pub(super) entry: TensorEntry,
    path: PathBuf,
    rows: Vec<u32>,
}

impl Table {
    /// Reads a table once, and keeps the checksums of its rows.
    pub(crate) fn check(bundle: &Bundle, entry: &TensorEntry) -> Result<Table, EngineError> {
        let path = bundle.dense_path();
        let fail = |cause| EngineError::File { path: path.clone(), cause };
        let file = File::open(&path).map_err(fail)?;
        let (count, row_bytes) = (entry.dims[0], row_bytes(entry));
        let rows_at_once = (PIECE / row_bytes.max(1)).clamp(1, count.max(1));
        let mut piece = vec![0; (rows_at_once * row_bytes) as usize];
        let (mut whole, mut rows) = (0, Vec::with_capacity(count as usize));
        for first in (0..count).step_by(rows_at_once as usize) {
            let bytes = &mut piece[..(rows_at_once.min(count - first) * row_bytes) as usize];
            let offset = entry.extent.offset() + first * row_bytes;
            file.read_exact_at(bytes, offset).map_err(fail)?;
            whole = crc32c::crc32c_append(whole, bytes);
            rows.extend(bytes.chunks_exact(row_bytes as usize).map(crc32c::crc32c));
        }
        if whole == entry.crc {
            return Ok(Table { entry: entry.clone(), path, rows });
        }
        Err(EngineError::WrongTable {
            file: path,
            tensor: entry.name.clone(),
            offset: entry.extent.offset(),
            expected: entry.crc,
            got: whole,
        })
    }

    /// Where a row lies.
    pub(super) fn row(&self, row: u32) -> Extent {
        let bytes = row_bytes(&self.entry);
        let offset = self.entry.extent.offset() + u64::from(row) * bytes;
        Extent::new(offset, bytes).unwrap_or_else(|| unreachable!("a row of a checked table"))
    }

    /// Whether these are the bytes of a row.
    pub(super) fn check_row(&self, row: u32, bytes: &[u8]) -> Result<(), EngineError> {
        let (expected, got) = (self.rows[row as usize], crc32c::crc32c(bytes));
        if expected == got {
            return Ok(());
        }
        Err(EngineError::CorruptTensor {
            file: self.path.clone(),
            tensor: self.entry.name.clone(),
            offset: self.row(row).offset(),
            expected,
            got,
        })
    }
}

/// A tensor of two sizes is never empty: the bundle was validated.
fn row_bytes(entry: &TensorEntry) -> u64 {
    entry.extent.len() / entry.dims[0].max(1)
}
