//! The sizes of a model that decide bytes: what a bundle must agree with and a plan counts.

use crate::RecordLayout;

/// Sizes of a decoder-only model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ModelShape {
    /// Decoder layers.
    pub layers: u32,
    /// Neurons of each layer's feed-forward.
    pub neurons: u32,
    /// Rows of the token embedding.
    pub vocabulary: u32,
    /// Longest context the model was built for, in tokens.
    pub context: u32,
    /// Width of one layer's keys (and of its values), in numbers: KV heads x head size.
    pub kv_width: u32,
    /// How one neuron is stored.
    pub record: RecordLayout,
}

impl ModelShape {
    /// Bytes of all neuron records without padding.
    pub fn neuron_bytes(&self) -> u64 {
        u64::from(self.layers) * u64::from(self.neurons) * self.record.payload_bytes() as u64
    }

    /// Width of the hidden state.
    pub fn hidden(&self) -> usize {
        self.record.width()
    }
}
