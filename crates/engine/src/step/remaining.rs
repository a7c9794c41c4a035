//! The rows of a pass that are still wanted: a pass goes on with fewer of them when somebody leaves.

use crate::EngineError;
use candle_core::Tensor;
use flint_kernels::{SeqId, ops};
use flint_model::{Batch, ModelError};
use std::borrow::Cow;

/// What is left of a batch.
pub(super) struct Remaining<'a> {
    batch: Cow<'a, Batch>,
    /// Which rows of the whole batch they are; `None` while all of them are left.
    rows: Option<Vec<usize>>,
    left_out: Vec<SeqId>,
}

impl<'a> Remaining<'a> {
    pub(super) fn new(batch: &'a Batch) -> Remaining<'a> {
        Remaining { batch: Cow::Borrowed(batch), rows: None, left_out: Vec::new() }
    }

    pub(super) fn batch(&self) -> &Batch {
        &self.batch
    }

    /// The index in the whole batch of a row that is left.
    pub(super) fn original(&self, row: usize) -> usize {
        self.rows.as_ref().map_or(row, |rows| rows[row])
    }

    pub(super) fn into_left_out(self) -> Vec<SeqId> {
        self.left_out
    }

    /// Leaves out the rows of sequences that do not stay. Gives the indices of those kept among what was left before,
    /// where that has changed.
    ///
    /// # Errors
    /// [`EngineError::Cancelled`] when none are left.
    pub(super) fn shrink(
        &mut self,
        stays: &mut dyn FnMut(SeqId) -> bool,
    ) -> Result<Option<Vec<usize>>, EngineError> {
        let spans = self.batch.spans().iter().map(|span| span.seq);
        let gone: Vec<SeqId> = spans.filter(|&seq| !stays(seq)).collect();
        if gone.is_empty() {
            return Ok(None);
        }
        let rows = self.batch.rows();
        let kept: Vec<usize> =
            (0..rows.len()).filter(|&row| !gone.contains(&rows[row].seq)).collect();
        if kept.is_empty() {
            return Err(EngineError::Cancelled);
        }
        let batch = Batch::new(kept.iter().map(|&row| rows[row]).collect())?;
        self.rows = Some(kept.iter().map(|&row| self.original(row)).collect());
        self.batch = Cow::Owned(batch);
        self.left_out.extend(gone);
        Ok(Some(kept))
    }
}

/// Some rows of (rows x width).
pub(super) fn select(hidden: &Tensor, rows: &[usize]) -> Result<Tensor, EngineError> {
    let width = hidden.dim(1).map_err(ModelError::from)?;
    let selected = ops::with_slice(hidden, |all| {
        rows.iter().flat_map(|row| all[row * width..][..width].to_vec()).collect()
    });
    let selected = selected.map_err(ModelError::from)?;
    Ok(ops::from_vec(selected, (rows.len(), width)).map_err(ModelError::from)?)
}
