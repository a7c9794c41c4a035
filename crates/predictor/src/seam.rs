//! The seam: from the input of a feed-forward to the neurons it needs.

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

/// Why a predictor cannot answer.
#[derive(Debug, thiserror::Error)]
pub enum PredictorError {
    /// There is no such group.
    #[error("the predictor knows {known} groups, asked for group {group}")]
    UnknownGroup {
        /// The group asked for.
        group: usize,
        /// How many it knows.
        known: usize,
    },
    /// The input has another size than the positions asked for.
    #[error("the predictor got {got} numbers for {positions} positions of width {width}")]
    InputSize {
        /// Numbers given.
        got: usize,
        /// Positions asked for.
        positions: usize,
        /// Width of one position.
        width: usize,
    },
    /// Rows that are no matrix.
    #[error("the rows of a predictor are no matrix: {cause}")]
    Rows {
        /// What is wrong with them.
        cause: String,
    },
}
