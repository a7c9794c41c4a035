//! Tables of which a token needs one row: each row is read when it is needed.
//!
//! A row has no checksum of its own; the whole table was checked once when the engine was loaded.

use crate::RuntimeError;
use crate::read_ahead::{Loaded, ONLY_FILE};
use candle_core::Tensor;
use flint_bundle::{Bundle, TensorEntry};
use flint_flash_io::{Counters, Reader, RecordRead, Urgency};
use flint_geometry::Extent;
use flint_iobuf::Pool;
use flint_kernels::{Compute, MatrixView, embed, ops};
use flint_model::Role;
use std::collections::HashMap;

/// The tables that are read row by row.
pub(crate) struct RowReader {
    compute: Compute,
    tables: HashMap<Role, TensorEntry>,
    reader: Reader,
    pool: Pool,
    batch: Vec<RecordRead>,
}

impl RowReader {
    pub(crate) fn new(
        bundle: &Bundle,
        roles: &[Role],
        (place_bytes, places): (usize, u32),
        compute: Compute,
        reader: Reader,
    ) -> Result<RowReader, RuntimeError> {
        let entry = |&role: &Role| Some((role, bundle.tensor(&role.to_string())?.clone()));
        let tables = roles.iter().filter_map(entry).collect();
        let pool = Pool::new(places, place_bytes)?;
        Ok(RowReader { compute, tables, reader, pool, batch: Vec::new() })
    }

    pub(super) fn counters(&self) -> Counters {
        self.reader.counters()
    }

    pub(super) fn has(&self, table: Role) -> bool {
        self.tables.contains_key(&table)
    }

    /// Rows of a table: (rows.len() x width).
    pub(super) fn embed(&mut self, table: Role, rows: &[u32]) -> Result<Tensor, RuntimeError> {
        let entry = &self.tables[&table];
        let &[count, width] = entry.dims.as_slice() else { unreachable!("a table has two sizes") };
        let (row_bytes, width) = (entry.extent.len() / count, width as usize);
        let mut values = vec![0.0; rows.len() * width];
        let places = self.pool.places() as usize;
        for (rows, values) in rows.chunks(places).zip(values.chunks_mut(places * width)) {
            for (tag, &row) in (0..).zip(rows) {
                let offset = entry.extent.offset() + u64::from(row) * row_bytes;
                let (Some(extent), Some(into)) = (Extent::new(offset, row_bytes), self.pool.take())
                else {
                    unreachable!("a row of a checked table, and a place for each")
                };
                self.batch.push(RecordRead { tag, file: ONLY_FILE, extent, into });
            }
            self.reader.submit(&mut self.batch, Urgency::Exact);
            while let Some(done) = self.reader.next() {
                let at = done.tag as usize * width;
                let loaded = Loaded::from_done(done)?;
                let row = MatrixView::new(entry.element, 1, width, loaded.bytes())?;
                embed(&self.compute, row, &[0], &mut values[at..at + width]);
            }
        }
        let shape = (rows.len(), width);
        ops::from_vec(values, shape).map_err(|error| RuntimeError::Model(error.into()))
    }
}
