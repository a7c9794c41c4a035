//! The seam to the feed-forward: whoever holds, reads and multiplies neurons.

mod matrices;

pub use matrices::MatrixFeedForward;

use crate::{ModelError, Weights};
use candle_core::Tensor;
use flint_geometry::RecordLayout;
use flint_kernels::{Activation, Compute, accumulate_down, activate, ops};
use std::ops::Deref;

/// Computes the feed-forward of each layer, without the bias of the down projection.
///
/// A call to `begin` is followed by one to `finish` with the same layer and input. In families where
/// attention and feed-forward run in parallel, attention is computed between the two, so an
/// implementation that predicts and reads should start doing so in `begin`.
pub trait FeedForward {
    /// Whether [`FeedForward::prefetch`] would use what it is told about `rows` rows.
    fn wants_prefetch(&self, rows: usize) -> bool {
        let _ = rows;
        false
    }

    /// Tells, before the attention of `layer`, what its up projection would multiply if that attention
    /// added nothing: (rows x hidden). Close enough to predict which neurons will be needed, so that
    /// reads of them can overlap with attention. The result must not depend on it.
    ///
    /// # Errors
    /// When the prediction cannot be made.
    fn prefetch(&mut self, layer: usize, input: &Tensor) -> Result<(), ModelError> {
        let _ = (layer, input);
        Ok(())
    }

    /// Tells what the up projection of `layer` will multiply: (rows x hidden).
    ///
    /// # Errors
    /// When work cannot be started.
    fn begin(&mut self, layer: usize, input: &Tensor) -> Result<(), ModelError>;

    /// The sum over neurons of activation x down column: (rows x hidden). `weights` are the dense ones, for a
    /// feed-forward that is held as matrices among them.
    ///
    /// # Errors
    /// When a neuron cannot be read.
    fn finish(
        &mut self,
        layer: usize,
        input: &Tensor,
        weights: &mut dyn Weights,
    ) -> Result<Tensor, ModelError>;
}

/// Every neuron in memory and computed: the slow obvious twin of whatever streams, and what
/// calibration runs.
#[derive(Debug)]
pub struct InMemoryFeedForward<B> {
    compute: Compute,
    layout: RecordLayout,
    activation: Activation,
    groups: Vec<MemoryGroup<B>>,
}

/// The neurons of one layer.
#[derive(Debug)]
pub struct MemoryGroup<B> {
    /// Records at the stride of the layout, ascending by neuron.
    pub records: B,
    /// How many neurons.
    pub neurons: usize,
    /// One number per neuron.
    pub gate_bias: Option<Vec<f32>>,
    /// One number per neuron.
    pub up_bias: Option<Vec<f32>>,
}

impl<B: Deref<Target = [u8]>> InMemoryFeedForward<B> {
    /// A feed-forward over the groups of all layers.
    pub fn new(
        compute: Compute,
        layout: RecordLayout,
        activation: Activation,
        groups: Vec<MemoryGroup<B>>,
    ) -> InMemoryFeedForward<B> {
        InMemoryFeedForward { compute, layout, activation, groups }
    }

    /// Activations of every neuron of `layer`: rows x neurons.
    ///
    /// # Errors
    /// When `input` is not a contiguous f32 tensor.
    pub fn activations(&self, layer: usize, input: &Tensor) -> Result<Vec<f32>, ModelError> {
        let group = &self.groups[layer];
        let records = self.records(group);
        let mut acts = vec![0.0; input.dim(0)? * group.neurons];
        ops::with_slice(input, |x| {
            activate(
                &self.compute,
                &self.layout,
                self.activation,
                &records,
                group.gate_bias.as_deref(),
                group.up_bias.as_deref(),
                x,
                &mut acts,
            );
        })?;
        Ok(acts)
    }

    fn records<'a>(&self, group: &'a MemoryGroup<B>) -> Vec<&'a [u8]> {
        let (stride, payload) = (self.layout.stride() as usize, self.layout.payload_bytes());
        (0..group.neurons).map(|n| &group.records[n * stride..n * stride + payload]).collect()
    }
}

impl<B: Deref<Target = [u8]>> FeedForward for InMemoryFeedForward<B> {
    fn begin(&mut self, _: usize, _: &Tensor) -> Result<(), ModelError> {
        Ok(())
    }

    fn finish(
        &mut self,
        layer: usize,
        input: &Tensor,
        _: &mut dyn Weights,
    ) -> Result<Tensor, ModelError> {
        let acts = self.activations(layer, input)?;
        let records = self.records(&self.groups[layer]);
        let shape = (input.dim(0)?, self.layout.width());
        let mut sum = vec![0.0; shape.0 * shape.1];
        accumulate_down(&self.compute, &self.layout, &records, &acts, &mut sum);
        Ok(ops::from_vec(sum, shape)?)
    }
}
