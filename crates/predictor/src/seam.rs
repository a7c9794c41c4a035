//! The seam: from the input of a feed-forward to the neurons it needs.

use crate::PredictorError;
use flint_geometry::UnitSet;
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
        sets: &mut [UnitSet],
    ) -> Result<(), PredictorError>;

    /// Fills `set` with what [`Predictor::predict`] would say of one position, less the neurons that are not `asked`
    /// about: for less work, where a predictor can save any.
    ///
    /// # Errors
    /// As for [`Predictor::predict`].
    fn predict_among(
        &mut self,
        compute: &Compute,
        group: usize,
        input: &[f32],
        asked: &dyn Fn(u32) -> bool,
        set: &mut UnitSet,
    ) -> Result<(), PredictorError> {
        self.predict(compute, group, input, std::slice::from_mut(set))?;
        set.retain(asked);
        Ok(())
    }

    /// Adds to `sum` (positions x width) about what the other neurons of `group` add, where the predictor stands in for them: those
    /// that are not in `sets`, which the last call of [`Predictor::predict`] gave. Most add nothing, as what they do not name is
    /// zero, or is left out. As with sets, what a position gets depends on its own row alone.
    ///
    /// # Errors
    /// When the last call was for another group or other positions.
    fn add_others(
        &mut self,
        compute: &Compute,
        group: usize,
        sets: &[UnitSet],
        sum: &mut [f32],
    ) -> Result<(), PredictorError>;

    /// DRAM that the predictor holds, in bytes.
    fn bytes(&self) -> u64;

    /// Its name in reports.
    fn kind(&self) -> &'static str;
}
