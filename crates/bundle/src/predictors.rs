//! The predictors of a bundle: opaque to this crate, one per group.

use flint_geometry::Extent;

/// What predicts the active neurons, group by group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Predictors {
    /// Names the encoding of the blobs, such as `low-rank`; at most 255 bytes.
    pub kind: String,
    /// One entry per group.
    pub groups: Vec<PredictorEntry>,
}

/// The predictor of one group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PredictorEntry {
    /// Every neuron of the group is computed: there is no blob.
    Dense,
    /// A blob that the predictor crate understands.
    Blob {
        /// Bytes in the predictors file.
        extent: Extent,
        /// CRC-32C of those bytes.
        crc: u32,
    },
}

impl Predictors {
    /// Bytes of all blobs, without padding.
    pub fn bytes(&self) -> u64 {
        let blob = |entry: &PredictorEntry| match entry {
            PredictorEntry::Dense => 0,
            PredictorEntry::Blob { extent, .. } => extent.len(),
        };
        self.groups.iter().map(blob).sum()
    }
}
