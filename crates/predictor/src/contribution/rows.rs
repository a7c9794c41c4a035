//! Copies of rows in Q4_0, the format of GGUF files, multiplied where they lie.
//!
//! Blocks of 32 weights have a scale of their own, so a copy decides nearly as the rows do. A
//! row that is no whole number of blocks ends with zeros.

use crate::blob::write_floats;
use crate::{BlobFault, GateRows};
use flint_kernels::{Arithmetic, Compute, DType, MatrixView, gather_rows, matmul};
use half::f16;

/// Weights per block, and its bytes.
const BLOCK: usize = 32;
const BLOCK_BYTES: usize = 18;

/// Scales that are tried for a block, as shares of the one that reaches its largest weight.
const CLIPS: [f32; 5] = [1.0, 0.95, 0.9, 0.85, 0.8];

/// Vectors that are multiplied at a time: enough to be fast, few enough for little memory.
const TOGETHER: usize = 32;

/// Rows in 4 bits per weight, each with what is added to its product.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct CopiedRows {
    width: usize,
    packed: Vec<u8>,
    bias: Vec<f32>,
}

impl CopiedRows {
    /// Copies all rows of these matrices, which are equally wide.
    pub(super) fn copy(rows: &[GateRows<'_>], compute: &Compute) -> CopiedRows {
        let width = rows.first().map_or(0, GateRows::width);
        let mut copy = CopiedRows { width, packed: Vec::new(), bias: Vec::new() };
        let mut row = vec![0.0; padded(width)];
        for rows in rows {
            copy.packed.reserve(rows.neurons() * row_bytes(width));
            for neuron in 0..rows.neurons() {
                rows.row(compute, neuron, &mut row[..width]);
                let (blocks, _) = row.as_chunks::<BLOCK>();
                blocks.iter().for_each(|block| copy.packed.extend(pack(block)));
                copy.bias.push(rows.offset(neuron));
            }
        }
        copy
    }

    /// Copies the rows of the transpose of `columns`, whose own rows are the columns of a matrix.
    pub(super) fn transpose(columns: MatrixView<'_>, compute: &Compute) -> CopiedRows {
        let (count, height) = (columns.row_count(), columns.cols());
        let row = row_bytes(count);
        let mut packed = vec![0; row * height];
        let mut tile = vec![0.0; BLOCK * height];
        for first in (0..count).step_by(BLOCK) {
            tile.fill(0.0);
            let some: Vec<u32> = (first..count.min(first + BLOCK)).map(|it| it as u32).collect();
            gather_rows(compute, columns, &some, &mut tile[..some.len() * height]);
            let blocks = packed.chunks_exact_mut(row).enumerate();
            compute.share(size_of_val(&tile[..]), blocks, |(index, packed)| {
                let numbers = std::array::from_fn(|column| tile[column * height + index]);
                packed[first / BLOCK * BLOCK_BYTES..][..BLOCK_BYTES]
                    .copy_from_slice(&pack(&numbers));
            });
        }
        CopiedRows { width: count, packed, bias: vec![0.0; height] }
    }

    /// Bytes that it takes.
    pub(super) fn bytes(&self) -> usize {
        self.packed.len() + size_of_val(&self.bias[..])
    }

    /// Bytes of `rows` rows of `width` numbers, as stored and in memory; `None` where no machine has as many.
    pub(super) fn bytes_of(width: usize, rows: usize) -> Option<usize> {
        row_bytes(width).checked_add(size_of::<f32>())?.checked_mul(rows)
    }

    /// How many of these are those of the rows, without what is added to their products.
    pub(super) fn packed_bytes(width: usize, rows: usize) -> usize {
        row_bytes(width) * rows
    }

    /// What [`CopiedRows::write`] gave after the biases: all bytes of the rows.
    pub(super) fn read(
        width: usize,
        bias: Vec<f32>,
        packed: &[u8],
    ) -> Result<CopiedRows, BlobFault> {
        let (blocks, _) = packed.as_chunks::<BLOCK_BYTES>();
        let finite =
            |block: &[u8; BLOCK_BYTES]| f16::from_le_bytes([block[0], block[1]]).is_finite();
        match blocks.iter().position(|block| !finite(block)) {
            Some(index) => Err(BlobFault::NotFinite { field: "the scales", index }),
            None => Ok(CopiedRows { width, packed: packed.to_vec(), bias }),
        }
    }

    /// Appends biases, then rows.
    pub(super) fn write(&self, bytes: &mut Vec<u8>) {
        write_floats(bytes, &self.bias);
        bytes.extend(&self.packed);
    }

    /// Numbers per row.
    pub(super) fn width(&self) -> usize {
        self.width
    }

    /// Rows.
    pub(super) fn rows(&self) -> usize {
        self.bias.len()
    }

    /// Gives `each` the products of the vectors of `input`, one after the other, with all rows.
    pub(super) fn multiply(
        &self,
        compute: &Compute,
        input: &[f32],
        mut each: impl FnMut(usize, &mut [f32]),
    ) {
        let (rows, columns) = (self.rows(), padded(self.width));
        let matrix = MatrixView::new(DType::Q4_0, rows, columns, &self.packed)
            .unwrap_or_else(|error| unreachable!("as many bytes as rows take: {error}"))
            .with_arithmetic(Arithmetic::Int8);
        let positions = input.len() / self.width;
        let mut products = vec![0.0; rows * TOGETHER.min(positions)];
        let mut longer = Vec::new();
        for (first, some) in (0..).step_by(TOGETHER).zip(input.chunks(TOGETHER * self.width)) {
            let some = if columns == self.width { some } else { self.pad(some, &mut longer) };
            let products = &mut products[..some.len() / columns * rows];
            matmul(compute, matrix, some, Some(&self.bias), products);
            let each_position = products.chunks_exact_mut(rows).enumerate();
            each_position.for_each(|(index, products)| each(first + index, products));
        }
    }

    /// Vectors with zeros at their ends.
    fn pad<'a>(&self, input: &[f32], longer: &'a mut Vec<f32>) -> &'a [f32] {
        longer.clear();
        for vector in input.chunks_exact(self.width) {
            longer.extend_from_slice(vector);
            longer.resize(longer.len() + padded(self.width) - self.width, 0.0);
        }
        longer
    }
}

fn padded(width: usize) -> usize {
    width.next_multiple_of(BLOCK)
}

/// Bytes of a row.
fn row_bytes(width: usize) -> usize {
    width.div_ceil(BLOCK).saturating_mul(BLOCK_BYTES)
}

/// A block of Q4_0 with the scale that errs least: `d f16 | codes[16]`, and a weight is `d * (code - 8)`.
fn pack(weights: &[f32; BLOCK]) -> [u8; BLOCK_BYTES] {
    let largest =
        weights.iter().copied().fold(0.0f32, |a, b| if b.abs() > a.abs() { b } else { a });
    let mut best = (f32::INFINITY, [0; BLOCK_BYTES]);
    for clip in CLIPS {
        // The largest weight gets code 0, which reaches furthest.
        let scale = f16::from_f32(largest / -8.0 * clip);
        let (block, error) = pack_at(weights, scale);
        if error < best.0 {
            best = (error, block);
        }
    }
    best.1
}

/// A block with this scale, and the sum of its squared errors.
fn pack_at(weights: &[f32; BLOCK], scale: f16) -> ([u8; BLOCK_BYTES], f32) {
    let d = scale.to_f32();
    let steps = if d == 0.0 { 0.0 } else { 1.0 / d };
    let code = |weight: f32| (weight * steps + 8.5).clamp(0.0, 15.0) as u8;
    let mut block = [0; BLOCK_BYTES];
    block[..2].copy_from_slice(&scale.to_le_bytes());
    let mut error = 0.0;
    for (index, &weight) in weights.iter().enumerate() {
        let code = code(weight);
        block[2 + index % 16] |= code << (4 * (index / 16));
        let off = d * (f32::from(code) - 8.0) - weight;
        error += off * off;
    }
    (block, error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_within_half_a_step_of_its_weights_and_zeros_stay() {
        let weights: [f32; BLOCK] = std::array::from_fn(|i| ((i * 7 % 32) as f32 - 15.0) * 0.01);
        let block = pack(&weights);
        let d = f16::from_le_bytes([block[0], block[1]]).to_f32();
        for (index, weight) in weights.iter().enumerate() {
            let code = block[2 + index % 16] >> (4 * (index / 16)) & 15;
            let stored = d * (f32::from(code) - 8.0);
            // The end that is not the largest may be clipped by a step.
            assert!((stored - weight).abs() <= d.abs() * 1.01, "{index}: {stored} for {weight}");
        }
        let zeros = pack(&[0.0; BLOCK]);
        assert_eq!(f16::from_le_bytes([zeros[0], zeros[1]]).to_f32(), 0.0);
    }
}
