//! The feed-forward as three matrices among the dense weights, every neuron computed.

use crate::{Affine, Architecture, FeedForward, LayerPart, ModelError, TensorRole, Weights};
use candle_core::Tensor;
use flint_kernels::{Activation, Compute, ops};

/// Multiplies gate, up and down as whole matrices. The down projection is a dot product per row, so its bits are not
/// those of a sum of neurons in ascending order, which other feed-forwards give.
#[derive(Debug)]
pub struct MatrixFeedForward {
    compute: Compute,
    activation: Activation,
    gated: bool,
    bias: bool,
}

impl MatrixFeedForward {
    /// The feed-forward of `architecture`, computed with `compute`.
    pub fn new(architecture: &Architecture, compute: Compute) -> MatrixFeedForward {
        let feed_forward = &architecture.feed_forward;
        MatrixFeedForward {
            compute,
            activation: feed_forward.activation,
            gated: feed_forward.gated,
            bias: feed_forward.biases.into,
        }
    }

    fn project(
        &self,
        layer: usize,
        part: fn(Affine) -> LayerPart,
        input: &Tensor,
        weights: &mut dyn Weights,
    ) -> Result<Tensor, ModelError> {
        let bias = self.bias.then(|| TensorRole::Layer(layer, part(Affine::Bias)));
        weights.linear(TensorRole::Layer(layer, part(Affine::Weight)), bias, input)
    }

    /// The activation of every number of `x`, times `up` where there is a gate.
    fn activate(&self, x: &Tensor, up: Option<&Tensor>) -> Result<Tensor, ModelError> {
        let dims = x.dims().to_vec();
        let mut acts = ops::with_slice(x, <[f32]>::to_vec)?;
        match up {
            Some(up) => ops::with_slice(up, |up| {
                self.activation.gate_slice(&self.compute, &mut acts, up);
            })?,
            None => self.activation.apply_slice(&self.compute, &mut acts),
        }
        Ok(ops::from_vec(acts, dims)?)
    }
}

impl FeedForward for MatrixFeedForward {
    fn begin(&mut self, _: usize, _: &Tensor) -> Result<(), ModelError> {
        Ok(())
    }

    fn finish(
        &mut self,
        layer: usize,
        input: &Tensor,
        weights: &mut dyn Weights,
    ) -> Result<Tensor, ModelError> {
        let acts = if self.gated {
            let gate = self.project(layer, LayerPart::Gate, input, weights)?;
            let up = self.project(layer, LayerPart::Up, input, weights)?;
            self.activate(&gate, Some(&up))?
        } else {
            let up = self.project(layer, LayerPart::Up, input, weights)?;
            self.activate(&up, None)?
        };
        weights.linear(TensorRole::Layer(layer, LayerPart::Down), None, &acts)
    }
}
