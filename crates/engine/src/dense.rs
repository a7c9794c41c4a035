//! Dense weights as planned: held in memory, streamed in row blocks, or read row by row.

mod rows;
mod stream;
mod table;

pub(crate) use rows::RowReader;
pub(crate) use stream::MatrixStream;
pub(crate) use table::{Table, each_piece};

use crate::CancelToken;
use crate::read_ahead::Loaded;
use crate::stats::PassCounters;
use candle_core::Tensor;
use flint_flash_io::Counters;
use flint_model::{InMemoryWeights, ModelError, TensorRole, Weights};
use std::time::Instant;

/// The dense weights of an engine.
pub(crate) struct DenseWeights {
    held: InMemoryWeights<Loaded>,
    /// Layers and head: each a cycle of its own, for not every pass ends in logits.
    streams: Vec<MatrixStream>,
    rows: Option<RowReader>,
    /// Bytes and time of single-token GEMVs over resident matrices: the achieved memory bandwidth.
    sampled: PassCounters,
}

impl DenseWeights {
    pub(crate) fn new(
        held: InMemoryWeights<Loaded>,
        streams: Vec<MatrixStream>,
        rows: Option<RowReader>,
    ) -> DenseWeights {
        DenseWeights { held, streams, rows, sampled: PassCounters::default() }
    }

    /// Begins work that `cancel` may end early.
    pub(crate) fn begin_pass(&mut self, cancel: &CancelToken) {
        self.streams.iter_mut().for_each(|stream| stream.begin_pass(cancel));
        self.rows.iter_mut().for_each(|rows| rows.begin_pass(cancel));
    }

    /// Bytes read so far.
    pub(crate) fn bytes_read(&self) -> u64 {
        let streams = self.streams.iter().map(MatrixStream::counters);
        let rows = self.rows.as_ref().map(RowReader::counters);
        streams.chain(rows).map(|counters| counters.bytes_read).sum()
    }

    /// What was read and sampled so far, but for the time in which the device was busy.
    pub(crate) fn effort(&self) -> PassCounters {
        let streams = self.streams.iter().map(MatrixStream::counters);
        let counters = streams.chain(self.rows.as_ref().map(RowReader::counters));
        counters.map(effort).fold(self.sampled, |sum, one| sum + one)
    }
}

fn effort(counters: Counters) -> PassCounters {
    let Counters { device_reads, bytes_read, wait, .. } = counters;
    PassCounters { reads: device_reads, bytes_read, io_wait: wait, ..PassCounters::default() }
}

impl Weights for DenseWeights {
    fn embed(&mut self, table: TensorRole, rows: &[u32]) -> Result<Tensor, ModelError> {
        match &mut self.rows {
            Some(reader) if reader.has(table) => {
                reader.embed(table, rows).map_err(ModelError::supplier)
            }
            _ => self.held.embed(table, rows),
        }
    }

    fn linear(
        &mut self,
        matrix: TensorRole,
        bias: Option<TensorRole>,
        input: &Tensor,
    ) -> Result<Tensor, ModelError> {
        match self.streams.iter_mut().find(|stream| stream.has(matrix)) {
            Some(stream) => {
                let bias = bias.map(|role| self.held.vector(role)).transpose()?;
                stream.linear(matrix, bias, input).map_err(ModelError::supplier)
            }
            None => {
                let started = Instant::now();
                let product = self.held.linear(matrix, bias, input)?;
                if input.dim(0)? == 1 {
                    self.sampled.sampled_bytes += self.held.matrix_bytes(matrix) as u64;
                    self.sampled.sampled += started.elapsed();
                }
                Ok(product)
            }
        }
    }

    fn vector(&self, role: TensorRole) -> Result<&[f32], ModelError> {
        self.held.vector(role)
    }
}
