//! Copies of the neurons that are not pinned, as matrices: products of those are fast, and nobody asks for single neurons.

use crate::feed_forward::{ExactNeurons, NeuronMath};
use candle_core::Tensor;
use flint_geometry::{DType, RecordLayout};
use flint_iobuf::{Lease, MapError};
use flint_kernels::{Arithmetic, MatrixView, gather_rows, matmul, ops, requantise_block};
use flint_model::{Affine, FeedForward, LayerPart, ModelError, Weights};

/// Numbers and bytes of a block of the copies.
const NUMBERS: usize = 32;
const BYTES: usize = 18;

/// The matrices of a layer's neurons, in the order in which copies hold them.
pub(super) fn parts(gated: bool) -> &'static [LayerPart] {
    const PARTS: [LayerPart; 3] =
        [LayerPart::Gate(Affine::Weight), LayerPart::Up(Affine::Weight), LayerPart::Down];
    if gated { &PARTS } else { &PARTS[1..] }
}

/// Bytes of a row of copies.
fn row_bytes(numbers: usize) -> usize {
    numbers / NUMBERS * BYTES
}

/// For each layer the neurons from some number on.
pub(crate) struct NeuronCopies {
    pub(super) layers: Vec<LayerCopies>,
}

/// Rows of gates where there are such, rows of up, and the transposed columns of down: whole blocks of neurons. Those of the
/// first block that are pinned count for nothing, those after the last neuron are zeros.
pub(super) struct LayerCopies {
    /// The first neuron, how many from there on are pinned, and how many there are in all.
    first: usize,
    pinned: usize,
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
    /// Room for those of `neurons` neurons that are not among the `pinned` first ones.
    pub(super) fn new(
        layout: &RecordLayout,
        pinned: usize,
        neurons: usize,
    ) -> Result<LayerCopies, MapError> {
        let (width, gated) = (layout.width(), layout.is_gated());
        let first = pinned / NUMBERS * NUMBERS;
        let kept = if pinned < neurons { neurons.next_multiple_of(NUMBERS) - first } else { 0 };
        let bytes = Lease::alone((layout.rows() * kept * row_bytes(width)).max(1))?;
        let (pinned, columns) = (pinned - first, Vec::new());
        Ok(LayerCopies {
            first,
            pinned,
            neurons: kept,
            width,
            gated,
            bytes,
            columns,
            copied: pinned,
        })
    }

    /// Whether all neurons are pinned.
    pub(super) fn is_empty(&self) -> bool {
        self.neurons == 0
    }

    /// Its matrices.
    pub(super) fn matrices(&self) -> impl Iterator<Item = &[u8]> {
        let (each, matrices) = (self.matrix_bytes(), 2 + usize::from(self.gated));
        (0..matrices).map(move |matrix| &self.bytes[matrix * each..][..each])
    }

    /// Takes over a row of a matrix that holds all neurons.
    pub(super) fn put_row(&mut self, matrix: usize, row: usize, bytes: &[u8]) {
        let (own, at) = if matrix > usize::from(self.gated) {
            (&bytes[row_bytes(self.first)..], row * row_bytes(self.neurons))
        } else {
            let Some(own) = row.checked_sub(self.first) else { return };
            (bytes, own * row_bytes(self.width))
        };
        let start = matrix * self.matrix_bytes() + at;
        self.bytes[start..][..own.len()].copy_from_slice(own);
    }

    /// Bytes of one of its matrices.
    fn matrix_bytes(&self) -> usize {
        self.neurons * row_bytes(self.width)
    }

    /// Copies the next neuron, the parts of whose record are the rows of `record`.
    pub(super) fn push(&mut self, math: &NeuronMath, record: MatrixView<'_>) {
        let row_bytes = row_bytes(self.width);
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
        // Of a block that begins with pinned ones these are zeros.
        self.columns.resize(self.copied % NUMBERS * self.width, 0.0);
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
        let row_bytes = row_bytes(self.neurons);
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
        // They are computed exactly.
        acts.chunks_exact_mut(self.neurons).for_each(|acts| acts[..self.pinned].fill(0.0));
        let mut out = vec![0.0; rows * self.width];
        let down = self.matrix(usize::from(self.gated) + 1, self.width, self.neurons)?;
        matmul(compute, down, &acts, None, &mut out);
        sum.iter_mut().zip(out).for_each(|(sum, out)| *sum += out);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feed_forward::NeuronBiases;
    use flint_kernels::{Activation, Compute, Isa};

    /// Rows of a matrix, and what `copies` has of it.
    fn whole(copies: &LayerCopies) -> Vec<Vec<u8>> {
        copies.matrices().map(<[u8]>::to_vec).collect()
    }

    #[test]
    fn rows_that_are_kept_are_those_that_are_made() {
        let (width, neurons) = (64, 70);
        for gated in [false, true] {
            let layout = RecordLayout::new(DType::F32, width, gated).unwrap();
            let math = NeuronMath {
                compute: Compute::new(Isa::best(), 2).unwrap(),
                layout,
                activation: Activation::Relu,
                biases: vec![NeuronBiases::default()],
            };
            let rows = layout.rows();
            let numbers = |neuron: usize| {
                let number = move |at: usize| ((neuron * 131 + at * 17) % 97) as f32 / 50.0 - 1.0;
                (0..rows * width as usize).flat_map(move |at| number(at).to_le_bytes())
            };
            let made = |pinned: usize| {
                let mut copies = LayerCopies::new(&layout, pinned, neurons).unwrap();
                for neuron in pinned..neurons {
                    let bytes: Vec<u8> = numbers(neuron).collect();
                    let record = MatrixView::new(DType::F32, rows, width as usize, &bytes).unwrap();
                    copies.push(&math, record);
                }
                copies.finish(&math);
                copies
            };
            let all = whole(&made(0));
            let keep = |pinned: usize| {
                let mut kept = LayerCopies::new(&layout, pinned, neurons).unwrap();
                for (matrix, bytes) in all.iter().enumerate() {
                    let columns = if matrix + 1 == rows { 96 } else { width as usize };
                    for (row, bytes) in bytes.chunks_exact(row_bytes(columns)).enumerate() {
                        kept.put_row(matrix, row, bytes);
                    }
                }
                kept
            };
            for pinned in [0, 32, 64] {
                assert_eq!(whole(&keep(pinned)), whole(&made(pinned)), "{pinned}");
            }
            let none = LayerCopies::new(&layout, neurons, neurons).unwrap();
            assert!(none.is_empty() && whole(&none).concat().is_empty());
            // In the middle of a block the pinned ones count for nothing, whatever they are.
            let x: Vec<f32> = (0..64).map(|at| (at * 7 % 13) as f32 - 6.0).collect();
            let mut kept = keep(37);
            let sum = |copies: &LayerCopies| {
                let mut sum = vec![0.0; 64];
                copies.add(&math, 0, 1, &x, &mut sum).unwrap();
                sum
            };
            let as_they_are = sum(&kept);
            assert_ne!(sum(&keep(32)), as_they_are);
            let another = all[0][..row_bytes(64)].to_vec();
            (32..37).for_each(|row| kept.put_row(0, row, &another));
            assert_eq!(sum(&kept), as_they_are);
        }
    }
}
