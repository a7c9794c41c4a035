//! Copies of the neurons that are not pinned, as matrices: products of those are fast, and nobody asks for single neurons.

use crate::feed_forward::{ExactNeurons, NeuronMath};
use candle_core::Tensor;
use flint_geometry::{DType, RecordLayout};
use flint_iobuf::{Lease, MapError};
use flint_kernels::{Arithmetic, MatrixView, gather_rows, matmul, ops, requantise_block};
use flint_model::{FeedForward, ModelError, Weights};

/// Numbers and bytes of a block of the copies.
const NUMBERS: usize = 32;
const BYTES: usize = 18;

/// For each layer the neurons from some number on.
pub(crate) struct NeuronCopies {
    pub(super) layers: Vec<LayerCopies>,
}

/// Rows of gates where there are such, rows of up, and the transposed columns of down. Neurons up to a whole block are zeros.
pub(super) struct LayerCopies {
    /// The first neuron, and how many with those that are zeros.
    first: usize,
    neurons: usize,
    width: usize,
    gated: bool,
    bytes: Lease,
    /// Columns that do not fill a block yet, each `width` numbers.
    columns: Vec<f32>,
    copied: usize,
}

/// Pinned neurons, and copies of the others.
pub(crate) struct RoughNeurons<'a> {
    pub(crate) exact: &'a mut ExactNeurons,
    pub(crate) copies: &'a NeuronCopies,
}

impl FeedForward for RoughNeurons<'_> {
    fn begin(&mut self, _: usize, _: &Tensor) -> Result<(), ModelError> {
        Ok(())
    }

    fn finish(
        &mut self,
        layer: usize,
        input: &Tensor,
        _: &mut dyn Weights,
    ) -> Result<Tensor, ModelError> {
        let copies = &self.copies.layers[layer];
        let (rows, width) = (input.dim(0)?, copies.width);
        let mut sum = vec![0.0; rows * width];
        ops::with_slice(input, |x| {
            self.exact.add_pinned_uncounted(layer, rows, x, &mut sum);
            copies.add(self.exact.math(), layer, rows, x, &mut sum)
        })??;
        Ok(ops::from_vec(sum, (rows, width))?)
    }
}

impl LayerCopies {
    /// Room for `neurons` neurons from `first` on.
    pub(super) fn new(
        layout: &RecordLayout,
        first: usize,
        neurons: usize,
    ) -> Result<LayerCopies, MapError> {
        let (width, gated) = (layout.width(), layout.is_gated());
        let neurons = neurons.next_multiple_of(NUMBERS);
        let bytes = neurons * layout.rows() * width / NUMBERS * BYTES;
        let bytes = Lease::alone(bytes.max(1))?;
        Ok(LayerCopies { first, neurons, width, gated, bytes, columns: Vec::new(), copied: 0 })
    }

    /// Bytes of one of its matrices.
    fn matrix_bytes(&self) -> usize {
        self.neurons * self.width / NUMBERS * BYTES
    }

    /// Copies the next neuron, the parts of whose record are the rows of `record`.
    pub(super) fn push(&mut self, math: &NeuronMath, record: MatrixView<'_>) {
        let row_bytes = self.width / NUMBERS * BYTES;
        let mut row = vec![0.0; self.width];
        for part in 0..=usize::from(self.gated) {
            gather_rows(&math.compute, record, &[part as u32], &mut row);
            let at = part * self.matrix_bytes() + self.copied * row_bytes;
            let out = self.bytes[at..at + row_bytes].as_chunks_mut::<BYTES>().0;
            for (numbers, out) in row.as_chunks::<NUMBERS>().0.iter().zip(out) {
                *out = requantise_block(numbers);
            }
        }
        gather_rows(&math.compute, record, &[record.row_count() as u32 - 1], &mut row);
        self.columns.extend_from_slice(&row);
        self.copied += 1;
        if self.columns.len() == NUMBERS * self.width {
            self.turn_columns(math);
        }
    }

    /// Everything was copied.
    pub(super) fn finish(&mut self, math: &NeuronMath) {
        if !self.columns.is_empty() {
            self.columns.resize(NUMBERS * self.width, 0.0);
            self.turn_columns(math);
        }
        self.columns = Vec::new();
    }

    /// A block of columns becomes a block of each row.
    fn turn_columns(&mut self, math: &NeuronMath) {
        let block = (self.copied - 1) / NUMBERS;
        let row_bytes = self.neurons / NUMBERS * BYTES;
        let down = usize::from(self.gated) + 1;
        let start = down * self.matrix_bytes();
        let (width, columns) = (self.width, &self.columns);
        let rows = self.bytes[start..start + width * row_bytes].chunks_exact_mut(row_bytes);
        math.compute.share(columns.len() * size_of::<f32>(), rows.enumerate(), |(row, out)| {
            let numbers = std::array::from_fn(|column| columns[column * width + row]);
            out[block * BYTES..][..BYTES].copy_from_slice(&requantise_block(&numbers));
        });
        self.columns.clear();
    }

    /// One of the matrices.
    fn matrix(
        &self,
        index: usize,
        rows: usize,
        columns: usize,
    ) -> Result<MatrixView<'_>, ModelError> {
        let bytes = &self.bytes[index * self.matrix_bytes()..][..self.matrix_bytes()];
        let view = MatrixView::new(DType::Q4_0, rows, columns, bytes);
        Ok(view.map_err(ModelError::supplier)?.with_arithmetic(Arithmetic::Int8))
    }

    /// Adds what the neurons give.
    fn add(
        &self,
        math: &NeuronMath,
        layer: usize,
        rows: usize,
        x: &[f32],
        sum: &mut [f32],
    ) -> Result<(), ModelError> {
        if self.neurons == 0 {
            return Ok(());
        }
        let (compute, biases) = (&math.compute, &math.biases[layer]);
        let product = |index: usize, bias: &Option<Vec<f32>>| {
            // Neurons that are zeros have no bias either.
            let own = bias.as_ref().map(|bias| {
                let mut own = bias[self.first..].to_vec();
                own.resize(self.neurons, 0.0);
                own
            });
            let mut out = vec![0.0; rows * self.neurons];
            let matrix = self.matrix(index, self.neurons, self.width)?;
            matmul(compute, matrix, x, own.as_deref(), &mut out);
            Ok::<_, ModelError>(out)
        };
        let mut acts = product(0, if self.gated { &biases.gate } else { &biases.up })?;
        math.activation.apply_slice(compute, &mut acts);
        if self.gated {
            let up = product(1, &biases.up)?;
            acts.iter_mut().zip(up).for_each(|(act, up)| *act *= up);
        }
        let mut out = vec![0.0; rows * self.width];
        let down = self.matrix(usize::from(self.gated) + 1, self.width, self.neurons)?;
        matmul(compute, down, &acts, None, &mut out);
        sum.iter_mut().zip(out).for_each(|(sum, out)| *sum += out);
        Ok(())
    }
}
