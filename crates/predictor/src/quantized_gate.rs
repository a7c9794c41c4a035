//! The near-exact predictor that needs no training: the rows that decide, copied to a few bits per weight.

mod pack;

use crate::blob::{Blob, Expected, Header, write_floats};
#[cfg(target_arch = "x86_64")]
use crate::integer::nibbles::Nibbles;
use crate::integer::{PackedInputs, Rows, finish, multiply};
use crate::{BlobFault, GateRows, ThresholdLayer, ThresholdPredictor};
use flint_kernels::Compute;
use pack::{packed_bytes, unpack};

/// A low-bit copy for every group.
pub type QuantizedGate = ThresholdPredictor<QuantizedGateLayer>;

const MAGIC: [u8; 4] = *b"FLgc";

/// Bits per weight that a copy may have.
const BITS: std::ops::RangeInclusive<usize> = 2..=QuantizedGateLayer::MOST_BITS;

/// The copied rows of one group.
#[derive(Debug, Clone, PartialEq)]
pub struct QuantizedGateLayer {
    width: usize,
    bits: usize,
    packed: Vec<u8>,
    /// One per neuron.
    scales: Vec<f32>,
    /// One per neuron; the point at which the activation turns on is taken off.
    bias: Vec<f32>,
    threshold: f32,
}

impl QuantizedGateLayer {
    /// The most bits per weight that a copy may have.
    pub const MOST_BITS: usize = 4;

    /// Bytes that a group of this shape takes, in DRAM as stored (but for a short header).
    pub fn bytes_of(width: usize, neurons: usize, bits: usize) -> u64 {
        neurons as u64 * (packed_bytes(width, bits) as u64 + 8)
    }

    /// Copies the rows of `deciding` to `bits` bits per weight, each row with the scale that errs least; the
    /// threshold is zero until it is calibrated.
    ///
    /// # Panics
    /// When `bits` is not 2, 3 or 4.
    pub fn copy(compute: &Compute, deciding: &GateRows<'_>, bits: usize) -> QuantizedGateLayer {
        assert!(BITS.contains(&bits), "a copy has 2 to 4 bits per weight, not {bits}");
        let (width, neurons) = (deciding.width(), deciding.neurons());
        let mut packed = Vec::with_capacity(neurons * packed_bytes(width, bits));
        let mut scales = Vec::with_capacity(neurons);
        let mut row = vec![0.0; width];
        for neuron in 0..neurons {
            deciding.row(compute, neuron, &mut row);
            scales.push(pack::pack(&row, bits, &mut packed));
        }
        let bias = (0..neurons).map(|neuron| deciding.offset(neuron)).collect();
        QuantizedGateLayer { width, bits, packed, scales, bias, threshold: 0.0 }
    }

    /// Bits per weight.
    pub fn bits(&self) -> usize {
        self.bits
    }

    /// Writes the scores of one position for the neurons that are `asked` about, each after `finish`; the others get none.
    pub(crate) fn scores_of_asked(
        &self,
        compute: &Compute,
        input: &[f32],
        asked: &dyn Fn(u32) -> bool,
        scores: &mut [f32],
        finish: impl FnOnce(&mut [f32]),
    ) {
        let neurons: Vec<u32> = (0..self.bias.len() as u32).filter(|&n| asked(n)).collect();
        let mut found = vec![0.0; neurons.len()];
        self.scores_of(compute, &neurons, input, &mut found);
        finish(&mut found);
        scores.fill(f32::NEG_INFINITY);
        neurons.iter().zip(found).for_each(|(&neuron, score)| scores[neuron as usize] = score);
    }

    /// Writes the scores of some neurons of the group for one position.
    ///
    /// # Panics
    /// When a neuron is not of the group, or sizes do not agree.
    pub(crate) fn scores_of(
        &self,
        compute: &Compute,
        neurons: &[u32],
        input: &[f32],
        scores: &mut [f32],
    ) {
        assert_eq!(neurons.len(), scores.len(), "one score per neuron");
        let x = PackedInputs::new(input, self.width);
        #[cfg(target_arch = "x86_64")]
        if self.bits == 4 && Nibbles::fit(compute.isa(), self.width) {
            let rows = Nibbles { packed: &self.packed, rows: neurons };
            return rows.multiply(compute, &x, scores, |neuron, dot| {
                let (scale, bias) = (self.scales[neuron as usize], self.bias[neuron as usize]);
                finish(dot, scale, x.scale(0), bias)
            });
        }
        multiply(compute, &Chosen { of: self, neurons }, &x, scores);
    }
}

/// Some rows of a copy.
struct Chosen<'a> {
    of: &'a QuantizedGateLayer,
    neurons: &'a [u32],
}

impl Rows for Chosen<'_> {
    fn width(&self) -> usize {
        self.of.width
    }

    #[inline(always)]
    fn row<'a>(&'a self, index: usize, space: &'a mut Vec<i8>) -> &'a [i8] {
        self.of.row(self.neurons[index] as usize, space)
    }

    #[inline(always)]
    fn scale(&self, index: usize) -> f32 {
        self.of.scale(self.neurons[index] as usize)
    }

    #[inline(always)]
    fn bias(&self, index: usize) -> f32 {
        Rows::bias(self.of, self.neurons[index] as usize)
    }
}

impl ThresholdLayer for QuantizedGateLayer {
    const KIND: &'static str = "gate-copy";

    fn width(&self) -> usize {
        self.width
    }

    fn neurons(&self) -> usize {
        self.bias.len()
    }

    fn scores(&self, compute: &Compute, input: &[f32], scores: &mut [f32]) {
        multiply(compute, self, &PackedInputs::new(input, self.width), scores);
    }

    fn scores_among(
        &self,
        compute: &Compute,
        input: &[f32],
        asked: &dyn Fn(u32) -> bool,
        scores: &mut [f32],
    ) {
        if input.len() == self.width {
            self.scores_of_asked(compute, input, asked, scores, |_| ());
        } else {
            self.scores(compute, input, scores);
        }
    }

    fn threshold(&self) -> f32 {
        self.threshold
    }

    fn set_threshold(&mut self, threshold: f32) {
        self.threshold = threshold;
    }

    fn bytes(&self) -> u64 {
        QuantizedGateLayer::bytes_of(self.width, self.neurons(), self.bits)
    }

    fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Header {
            magic: MAGIC,
            width: self.width,
            neurons: self.neurons(),
            parameter: self.bits,
            threshold: self.threshold,
        }
        .write();
        write_floats(&mut bytes, &self.scales);
        write_floats(&mut bytes, &self.bias);
        bytes.extend(&self.packed);
        bytes
    }

    fn from_bytes(
        width: usize,
        neurons: usize,
        bytes: &[u8],
    ) -> Result<QuantizedGateLayer, BlobFault> {
        let parameter = ("the number of bits per weight", BITS);
        let expected = Expected { magic: MAGIC, width, neurons, parameter };
        let body = |bits: u64| {
            let row = (width as u64).div_ceil(8).checked_mul(bits)?;
            (neurons as u64).checked_mul(row.checked_add(8)?)
        };
        let mut blob = Blob::open(bytes, &expected, body)?;
        let (bits, threshold) = (blob.parameter, blob.threshold);
        let scales = blob.floats("the scales", neurons)?;
        let bias = blob.floats("the biases", neurons)?;
        let packed = blob.bytes(neurons * packed_bytes(width, bits)).to_vec();
        Ok(QuantizedGateLayer { width, bits, packed, scales, bias, threshold })
    }
}

impl Rows for QuantizedGateLayer {
    fn width(&self) -> usize {
        self.width
    }

    #[inline(always)]
    fn row<'a>(&'a self, index: usize, space: &'a mut Vec<i8>) -> &'a [i8] {
        let bytes = packed_bytes(self.width, self.bits);
        unpack(&self.packed[index * bytes..][..bytes], self.bits, space);
        &space[..self.width]
    }

    #[inline(always)]
    fn scale(&self, index: usize) -> f32 {
        self.scales[index]
    }

    #[inline(always)]
    fn bias(&self, index: usize) -> f32 {
        self.bias[index]
    }
}
