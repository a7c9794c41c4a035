//! The low-rank predictor: two small matrices of 8-bit integers whose product stands for the rows that
//! decide.
//!
//! Measured on tiny-opt at equal bytes, 128 kB per group, over its groups: rank 100 in 8 bits predicts 1.0 to
//! 1.5 neurons per active one at 99 % recall, rank 51 in f16 1.3 to 3.5, rank 200 in 4 bits 1.4 to 2.0;
//! rank 100 in f32, with four times the weight bytes, is no better than in 8 bits.

use crate::blob::{Blob, Expected, Header, write_floats, write_integers};
use crate::factors::Factors;
use crate::integer::{PackedInputs, Rows, multiply};
use crate::{BlobFault, ThresholdLayer, ThresholdPredictor};
use flint_kernels::Compute;

/// A low-rank predictor for every group.
pub type LowRank = ThresholdPredictor<LowRankGroup>;

const MAGIC: [u8; 4] = *b"FLlr";

/// Scores `B (A x) + bias` of one group.
#[derive(Debug, Clone, PartialEq)]
pub struct LowRankGroup {
    /// A: rank x width.
    inner: Quantised,
    /// B: neurons x rank.
    outer: Quantised,
    /// One number per neuron.
    bias: Vec<f32>,
    threshold: f32,
}

/// A matrix of integers, each row with a scale.
#[derive(Debug, Clone, PartialEq)]
struct Quantised {
    width: usize,
    integers: Vec<i8>,
    scales: Vec<f32>,
}

impl LowRankGroup {
    /// Bytes that a group of this shape takes, in DRAM as stored (but for a short header).
    pub fn bytes_of(width: usize, neurons: usize, rank: usize) -> u64 {
        let (width, neurons, rank) = (width as u64, neurons as u64, rank as u64);
        rank * (width + neurons) + 4 * (rank + 2 * neurons)
    }

    /// Rounds trained factors; the threshold is zero until it is calibrated.
    pub fn quantise(factors: &Factors) -> LowRankGroup {
        LowRankGroup {
            inner: Quantised::new(factors.inner(), factors.width()),
            outer: Quantised::new(factors.outer(), factors.rank()),
            bias: factors.bias().to_vec(),
            threshold: 0.0,
        }
    }

    /// The rank.
    pub fn rank(&self) -> usize {
        self.outer.width
    }
}

impl ThresholdLayer for LowRankGroup {
    const KIND: &'static str = "low-rank";

    fn width(&self) -> usize {
        self.inner.width
    }

    fn neurons(&self) -> usize {
        self.bias.len()
    }

    fn scores(&self, compute: &Compute, input: &[f32], scores: &mut [f32]) {
        let x = PackedInputs::new(input, self.width());
        let mut factors = vec![0.0; self.rank() * x.count()];
        multiply(compute, &Biased { matrix: &self.inner, bias: None }, &x, &mut factors);
        let z = PackedInputs::new(&transposed(&factors, x.count()), self.rank());
        multiply(compute, &Biased { matrix: &self.outer, bias: Some(&self.bias) }, &z, scores);
    }

    fn threshold(&self) -> f32 {
        self.threshold
    }

    fn set_threshold(&mut self, threshold: f32) {
        self.threshold = threshold;
    }

    fn bytes(&self) -> u64 {
        LowRankGroup::bytes_of(self.width(), self.neurons(), self.rank())
    }

    fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Header {
            magic: MAGIC,
            width: self.width(),
            neurons: self.neurons(),
            parameter: self.rank(),
            threshold: self.threshold,
        }
        .write();
        write_floats(&mut bytes, &self.inner.scales);
        write_floats(&mut bytes, &self.outer.scales);
        write_floats(&mut bytes, &self.bias);
        write_integers(&mut bytes, &self.inner.integers);
        write_integers(&mut bytes, &self.outer.integers);
        bytes
    }

    fn from_bytes(width: usize, neurons: usize, bytes: &[u8]) -> Result<LowRankGroup, BlobFault> {
        let parameter = ("the rank", 1..=width.min(neurons));
        let expected = Expected { magic: MAGIC, width, neurons, parameter };
        let mut blob = Blob::open(bytes, &expected, |rank| body(width, neurons, rank))?;
        let (rank, threshold) = (blob.parameter, blob.threshold);
        let inner_scales = blob.floats("the scales of the first matrix", rank)?;
        let outer_scales = blob.floats("the scales of the second matrix", neurons)?;
        let bias = blob.floats("the biases", neurons)?;
        let inner =
            Quantised { width, integers: blob.integers(rank * width), scales: inner_scales };
        let integers = blob.integers(neurons * rank);
        let outer = Quantised { width: rank, integers, scales: outer_scales };
        Ok(LowRankGroup { inner, outer, bias, threshold })
    }
}

/// Bytes after the header, where that number exists.
pub(crate) fn body(width: usize, neurons: usize, rank: u64) -> Option<u64> {
    let (width, neurons) = (width as u64, neurons as u64);
    let integers = rank.checked_mul(width.checked_add(neurons)?)?;
    integers.checked_add(rank.checked_add(neurons.checked_mul(2)?)?.checked_mul(4)?)
}

impl Quantised {
    /// Rounds each row of `width` numbers to multiples of a 127th of its largest.
    fn new(rows: &[f32], width: usize) -> Quantised {
        let (mut integers, mut scales) = (Vec::with_capacity(rows.len()), Vec::new());
        for row in rows.chunks_exact(width) {
            let largest = row.iter().fold(0.0f32, |largest, x| largest.max(x.abs()));
            let scale = largest / 127.0;
            let step = if scale > 0.0 { scale } else { 1.0 };
            integers.extend(row.iter().map(|x| (x / step).round() as i8));
            scales.push(scale);
        }
        Quantised { width, integers, scales }
    }
}

/// A matrix, with what is added to its rows.
struct Biased<'a> {
    matrix: &'a Quantised,
    bias: Option<&'a [f32]>,
}

impl Rows for Biased<'_> {
    fn width(&self) -> usize {
        self.matrix.width
    }

    #[inline(always)]
    fn row<'a>(&'a self, index: usize, _: &'a mut Vec<i8>) -> &'a [i8] {
        &self.matrix.integers[index * self.matrix.width..][..self.matrix.width]
    }

    #[inline(always)]
    fn scale(&self, index: usize) -> f32 {
        self.matrix.scales[index]
    }

    #[inline(always)]
    fn bias(&self, index: usize) -> f32 {
        self.bias.map_or(0.0, |bias| bias[index])
    }
}

/// `columns` rows of what is stored as `columns` columns.
fn transposed(matrix: &[f32], columns: usize) -> Vec<f32> {
    (0..columns).flat_map(|column| matrix.iter().skip(column).step_by(columns).copied()).collect()
}
