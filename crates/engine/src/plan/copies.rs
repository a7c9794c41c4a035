//! How many bytes copies in 4 bits take.

use crate::tensors::COPY;
use flint_geometry::ModelShape;
use flint_iobuf::PAGE;

/// Bytes of a copy of `rows` rows of `columns` numbers that take `stored` bytes; `None` where there is none to be had that
/// is worth it.
pub(super) fn copy_bytes(rows: u64, columns: u64, stored: u64) -> Option<u64> {
    let bytes = COPY.row_bytes(columns)?.checked_mul(rows)?;
    (bytes * 3 <= stored * 2).then(|| bytes.next_multiple_of(PAGE as u64))
}

/// Bytes of the copy of a neuron of `shape`; zero where neurons are not records.
pub(crate) fn neuron_copy_bytes(shape: &ModelShape) -> Option<u64> {
    if shape.neurons == 0 {
        return Some(0);
    }
    let record = &shape.record;
    let (rows, columns) = (record.rows() as u64, record.width() as u64);
    copy_bytes(rows, columns, record.payload_bytes() as u64)?;
    Some(COPY.row_bytes(columns)? * rows)
}
