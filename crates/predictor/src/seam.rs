//! The seam: from the input of a feed-forward to the neurons it needs.

use crate::PredictorError;
use flint_geometry::NeuronSet;
use flint_kernels::Compute;

/// Names the neurons that each position needs.
pub trait Predictor: Send {
    /// Fills `sets[p]` with the neurons of `group` that position `p` needs.
    ///
    /// `input` is positions x width: the vectors that the up projection will multiply (after the norm).
    /// The answer for a position depends on its own row alone, so it is the same in any chunk.
    ///
    /// # Errors
    /// When `group` is unknown or `input` is not `sets.len()` rows.
    fn predict(
        &mut self,
        compute: &Compute,
        group: usize,
        input: &[f32],
        sets: &mut [NeuronSet],
    ) -> Result<(), PredictorError>;

    /// DRAM that the predictor holds, in bytes.
    fn bytes(&self) -> u64;

    /// Its name in reports.
    fn kind(&self) -> &'static str;
}
