//! Tables of which a token needs one row: each row is read when it is needed.

use super::table::Table;
use crate::read_ahead::Loaded;
use crate::reads::Reads;
use crate::{CancelToken, EngineError};
use candle_core::Tensor;
use flint_flash_io::{Counters, Priority, RecordDone, RecordRead};
use flint_iobuf::Pool;
use flint_kernels::{Compute, MatrixView, gather_rows, ops};
use flint_model::TensorRole;
use std::collections::HashMap;

/// The tables that are read row by row.
pub(crate) struct RowReader {
    compute: Compute,
    tables: HashMap<TensorRole, Table>,
    reads: Reads,
    verify: bool,
    pool: Pool,
    batch: Vec<RecordRead>,
}

impl RowReader {
    pub(crate) fn new(
        tables: HashMap<TensorRole, Table>,
        (place_bytes, places): (usize, u32),
        compute: Compute,
        reads: Reads,
        verify: bool,
    ) -> Result<RowReader, EngineError> {
        let pool = Pool::new(places, place_bytes)?;
        Ok(RowReader { compute, tables, reads, verify, pool, batch: Vec::new() })
    }

    pub(super) fn counters(&self) -> Counters {
        self.reads.counters()
    }

    pub(super) fn begin_pass(&mut self, cancel: &CancelToken) {
        self.reads.begin_pass(cancel);
    }

    pub(super) fn has(&self, table: TensorRole) -> bool {
        self.tables.contains_key(&table)
    }

    /// Rows of a table: (rows.len() x width).
    pub(super) fn embed(&mut self, table: TensorRole, rows: &[u32]) -> Result<Tensor, EngineError> {
        let table = &self.tables[&table];
        let &[_, width] = table.tensor.dims.as_slice() else {
            unreachable!("a table has two sizes")
        };
        let width = width as usize;
        let mut values = vec![0.0; rows.len() * width];
        let places = self.pool.places() as usize;
        // What a pass that ended early left in flight has its places.
        while self.pool.available() < places && self.reads.next()?.is_some() {}
        for (rows, values) in rows.chunks(places).zip(values.chunks_mut(places * width)) {
            for (tag, &row) in (0..).zip(rows) {
                let extent = table.row(row);
                let Some(into) = self.pool.take() else { unreachable!("a place for each") };
                self.batch.push(RecordRead::new(tag, table.tensor.file, extent, into));
            }
            self.reads.submit(&mut self.batch, Priority::Demand);
            // To the last of them, whatever one of them says: the next rows want their places back.
            let done = std::iter::from_fn(|| self.reads.next().transpose());
            let done = done.collect::<Result<Vec<RecordDone>, EngineError>>()?;
            for done in done {
                let index = done.tag as usize;
                let at = index * width;
                let loaded = Loaded::from_done(done)?;
                if self.verify {
                    table.check_row(rows[index], loaded.bytes())?;
                }
                let row = MatrixView::new(table.tensor.dtype, 1, width, loaded.bytes())?;
                gather_rows(&self.compute, row, &[0], &mut values[at..at + width]);
            }
        }
        let shape = (rows.len(), width);
        ops::from_vec(values, shape).map_err(|error| EngineError::Model(error.into()))
    }
}
