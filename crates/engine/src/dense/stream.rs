//! Matrices that do not fit: read in blocks of rows, in the order of a pass, ahead of it.
//!
//! Each block gives its rows of the product, whose bits do not depend on how rows are cut. The checksum
//! covers a whole matrix, so it is known once the last block was used: a wrong matrix ends the pass with
//! an error before any token comes of it.

use crate::checksum::append_shared;
use crate::plan::StreamPlan;
use crate::read_ahead::ReadAhead;
use crate::reads::Reads;
use crate::tensors::{RowBlock, StoredTensor, Tensors};
use crate::{CancelToken, EngineError};
use candle_core::Tensor;
use flint_flash_io::{Counters, Segment};
use flint_iobuf::Pool;
use flint_kernels::{Arithmetic, Compute, MatrixView, matmul, ops};
use flint_model::TensorRole;
use std::collections::HashMap;
use std::path::PathBuf;

/// The matrices that are read for every pass.
pub(crate) struct MatrixStream {
    compute: Compute,
    matrices: HashMap<TensorRole, StreamedMatrix>,
    read: ReadAhead,
    verify: bool,
    arithmetic: Arithmetic,
    part: Vec<f32>,
    /// Checksums of the parts of a block, one per thread.
    parts: Vec<u32>,
}

struct StreamedMatrix {
    tensor: StoredTensor,
    path: PathBuf,
    rows: usize,
    columns: usize,
    blocks: Vec<RowBlock>,
    /// Where in the schedule its blocks begin.
    first: usize,
}

impl MatrixStream {
    /// A stream over the matrices of `plan`.
    pub(crate) fn new(
        tensors: &Tensors,
        plan: &StreamPlan,
        compute: Compute,
        reads: Reads,
        verify: bool,
    ) -> Result<MatrixStream, EngineError> {
        let (mut matrices, mut schedule) = (HashMap::new(), Vec::new());
        for &(role, block_rows) in &plan.matrices {
            let tensor = tensors.find(role)?.clone();
            let &[rows, columns] = tensor.dims.as_slice() else { continue };
            let (first, blocks) = (schedule.len(), tensor.blocks(block_rows));
            let file = tensor.file;
            schedule.extend(blocks.iter().map(|block| Segment { file, extent: block.extent }));
            let (rows, columns) = (rows as usize, columns as usize);
            let path = tensors.path(&tensor);
            matrices.insert(role, StreamedMatrix { tensor, path, rows, columns, blocks, first });
        }
        let pool = Pool::new(plan.places, plan.place_bytes)?;
        let read = ReadAhead::cycle(reads, schedule, pool);
        Ok(MatrixStream {
            compute,
            matrices,
            read,
            verify,
            arithmetic: Arithmetic::F32,
            part: Vec::new(),
            parts: Vec::new(),
        })
    }

    pub(super) fn begin_pass(&mut self, cancel: &CancelToken) {
        self.read.begin_pass(cancel);
    }

    /// The same with products of quantised matrices in `arithmetic`.
    pub(crate) fn with_arithmetic(self, arithmetic: Arithmetic) -> MatrixStream {
        MatrixStream { arithmetic, ..self }
    }

    pub(super) fn counters(&self) -> Counters {
        self.read.reads().counters()
    }

    pub(super) fn has(&self, role: TensorRole) -> bool {
        self.matrices.contains_key(&role)
    }

    /// `input` (tokens x columns) times the transposed matrix, plus the bias.
    pub(super) fn linear(
        &mut self,
        role: TensorRole,
        bias: Option<&[f32]>,
        input: &Tensor,
    ) -> Result<Tensor, EngineError> {
        let shape = (tokens(input)?, self.matrices[&role].rows);
        let mut product = vec![0.0; shape.0 * shape.1];
        ops::with_slice(input, |x| self.multiply(role, bias, x, &mut product))
            .map_err(model_error)??;
        ops::from_vec(product, shape).map_err(model_error)
    }

    fn multiply(
        &mut self,
        role: TensorRole,
        bias: Option<&[f32]>,
        x: &[f32],
        product: &mut [f32],
    ) -> Result<(), EngineError> {
        let matrix = &self.matrices[&role];
        let tokens = x.len() / matrix.columns;
        let mut crc = 0;
        let verify = self.verify && matrix.tensor.crc.is_some();
        for (index, block) in matrix.blocks.iter().enumerate() {
            self.read.reads().check()?;
            let (first, count) = (block.first as usize, block.rows as usize);
            let loaded = self.read.take(matrix.first + index)?;
            if verify {
                crc = append_shared(&self.compute, crc, loaded.bytes(), &mut self.parts);
            }
            let element = matrix.tensor.dtype;
            let view = MatrixView::new(element, count, matrix.columns, loaded.bytes())?;
            let view = view.with_arithmetic(self.arithmetic);
            let bias = bias.map(|bias| &bias[first..first + count]);
            self.part.resize(tokens * count, 0.0);
            matmul(&self.compute, view, x, bias, &mut self.part);
            let rows = product.chunks_exact_mut(matrix.rows).zip(self.part.chunks_exact(count));
            rows.for_each(|(row, part)| row[first..first + count].copy_from_slice(part));
        }
        self.read.go_on();
        match matrix.tensor.crc {
            Some(expected) if verify && crc != expected => Err(EngineError::CorruptTensor {
                file: matrix.path.clone(),
                tensor: matrix.tensor.name.clone(),
                offset: matrix.tensor.runs.first().map_or(0, |run| run.offset()),
                expected,
                got: crc,
            }),
            _ => Ok(()),
        }
    }
}

fn tokens(input: &Tensor) -> Result<usize, EngineError> {
    input.dim(0).map_err(model_error)
}

fn model_error(error: candle_core::Error) -> EngineError {
    EngineError::Model(error.into())
}
