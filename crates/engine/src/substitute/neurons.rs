//! Copies of the neurons that are not pinned.

use crate::feed_forward::{ExactNeurons, NeuronMath};
use candle_core::Tensor;
use flint_geometry::RecordLayout;
use flint_iobuf::Lease;
use flint_kernels::{accumulate_down, activate, ops};
use flint_model::{FeedForward, ModelError, Weights};

/// For each layer the neurons from some number on, record after record.
pub(crate) struct NeuronCopies {
    pub(super) layout: RecordLayout,
    pub(super) layers: Vec<LayerCopies>,
}

pub(super) struct LayerCopies {
    /// The first neuron.
    pub(super) first: usize,
    pub(super) neurons: usize,
    pub(super) records: Lease,
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
        let (rows, width) = (input.dim(0)?, self.copies.layout.width());
        let mut sum = vec![0.0; rows * width];
        ops::with_slice(input, |x| {
            self.exact.add_pinned_uncounted(layer, rows, x, &mut sum);
            self.copies.add(self.exact.math(), layer, rows, x, &mut sum);
        })?;
        Ok(ops::from_vec(sum, (rows, width))?)
    }
}

impl NeuronCopies {
    /// Adds what the neurons of a layer give.
    fn add(&self, math: &NeuronMath, layer: usize, rows: usize, x: &[f32], sum: &mut [f32]) {
        let own = &self.layers[layer];
        let records = own.records.chunks_exact(self.layout.payload_bytes());
        let records: Vec<&[u8]> = records.take(own.neurons).collect();
        let biases = &math.biases[layer];
        let neurons = own.first..own.first + own.neurons;
        let gate = biases.gate.as_ref().map(|bias| &bias[neurons.clone()]);
        let up = biases.up.as_ref().map(|bias| &bias[neurons]);
        let mut acts = vec![0.0; rows * records.len()];
        let (compute, kind) = (&math.compute, math.activation);
        activate(compute, &self.layout, kind, &records, gate, up, x, &mut acts);
        accumulate_down(compute, &self.layout, &records, &acts, sum);
    }
}
