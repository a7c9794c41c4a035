//! How much disk a bundle will take, before a byte of it is written.

use super::BundleWriter;
use crate::SECTION;
use flint_geometry::ModelShape;

/// Room for padding after dense tensors and texts, and for what the manifest says about them.
const PER_LAYER: u64 = 32 * SECTION;

/// Room for the architecture, the calibration and small texts.
const FIXED: u64 = 4 << 20;

impl BundleWriter {
    /// Bytes of disk that are enough for a bundle of this shape with `dense_bytes` of dense
    /// tensors, biases and texts; predictors not included. Saturates where no disk would do.
    pub fn disk_needed(shape: &ModelShape, dense_bytes: u64) -> u64 {
        let neurons = u64::from(shape.neurons);
        let records = neurons.saturating_mul(shape.record.stride());
        // Stored order, checksum and hot list: a u32 each.
        let manifest = neurons.saturating_mul(3 * size_of::<u32>() as u64);
        let layer = records.saturating_add(manifest).saturating_add(PER_LAYER);
        layer.saturating_mul(shape.layers.into()).saturating_add(dense_bytes).saturating_add(FIXED)
    }
}
