//! A budget split between exact weights that stay and 4-bit copies of those that are streamed: each byte that a copy takes
//! is one more that every pass streams, and the tokens that a pass gives with drafts have to make up for it.

use super::{
    Costs, DenseCosts, DensePlan, DenseTensor, ExactPlan, LOGIT_ROWS, NeuronPlan, Plan, RING_SHARE,
};
use crate::Mode;
use crate::draft::MOST_DRAFTED;
use flint_iobuf::PAGE;
use flint_model::TensorRole;
use std::fmt;

/// Why there can be no copies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoSubstitute {
    /// Sparse mode reads what it needs.
    Sparse,
    /// What is streamed depends on the token.
    Experts,
    /// Nothing is streamed.
    AllResident,
    /// A row is not a whole number of blocks, or its copy would be no smaller.
    NoBlocks,
    /// They do not fit: this many bytes more are needed.
    TooLarge(u64),
}

impl fmt::Display for NoSubstitute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NoSubstitute::Sparse => f.write_str("it is for --mode exact"),
            NoSubstitute::Experts => f.write_str("a mixture of experts has no copies"),
            NoSubstitute::AllResident => f.write_str("all weights stay in memory"),
            NoSubstitute::NoBlocks => {
                f.write_str("copies in 4 bits need rows of a multiple of 32 weights of more bits")
            }
            NoSubstitute::TooLarge(bytes) => {
                write!(f, "4-bit copies of what is streamed need {bytes} bytes more of --memory")
            }
        }
    }
}

/// Low-bit copies of what a plan streams.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SubstitutePlan {
    /// Matrices that have one.
    pub matrices: Vec<TensorRole>,
    /// Bytes of the copies, and of what computing with drafts takes more.
    pub bytes: u64,
}

/// Neurons whose columns share a scale in copies.
const BLOCK: u64 = 32;

impl Plan {
    /// The same budget with copies of all that is streamed, which is more then.
    pub(crate) fn with_substitutes(&self, costs: &Costs) -> Result<Plan, NoSubstitute> {
        if self.mode == Mode::Sparse {
            return Err(NoSubstitute::Sparse);
        }
        if costs.experts.is_some() {
            return Err(NoSubstitute::Experts);
        }
        if self.all_resident {
            return Err(NoSubstitute::AllResident);
        }
        let neuron = costs.neuron_copy.ok_or(NoSubstitute::NoBlocks)?;
        let layout = costs.blocks;
        let copies_of = |blocks: u64| {
            let neurons = blocks * u64::from(layout.block_neurons);
            match neurons.checked_mul(neuron) {
                // From and up to a whole block of neurons in each layer.
                Some(bytes) if bytes > 0 => {
                    bytes + u64::from(layout.layers) * (PAGE as u64 + 2 * BLOCK * neuron)
                }
                _ => 0,
            }
        };
        let logits = costs.more_logits();
        let kept = self.predictor_bytes + self.kv_bytes + self.draft_model_bytes;
        let others = kept + self.buffer_bytes + logits;
        let budget = self.available_bytes.saturating_sub(others);
        let least = ExactPlan::least_bytes(layout) + copies_of(layout.blocks());
        let copy = |tensor: &DenseTensor| tensor.copy_bytes.unwrap_or(0);
        let dense = DensePlan::within_beside(&costs.dense, budget.saturating_sub(least), &copy);
        let copies = costs.dense.copies(&dense).ok_or(NoSubstitute::NoBlocks)?;
        let taken = dense.bytes + copies + least;
        let Some(room) = budget.checked_sub(taken) else {
            return Err(NoSubstitute::TooLarge(taken - budget));
        };
        let most = self.available_bytes / RING_SHARE;
        let dense = dense.with_long_rings(&costs.dense, most, room, true);
        let left = budget - dense.bytes - copies;
        let exact = ExactPlan::make_beside(layout, left, &copies_of);
        let copied = layout.blocks() - exact.pinned;
        let matrices = dense.body.matrices.iter().chain(&dense.head.matrices);
        let substitute = SubstitutePlan {
            matrices: matrices.map(|&(role, _)| role).collect(),
            bytes: copies + copies_of(copied) + logits,
        };
        Ok(Plan {
            resident_bytes: dense.bytes,
            cache_bytes: exact.bytes(),
            dense,
            neurons: NeuronPlan::Exact(exact),
            substitute: Some(substitute),
            ..self.clone()
        })
    }

    /// Rows of logits that are computed together. Where the head is streamed it is read once for all of a draft.
    pub(crate) fn logit_rows(&self) -> usize {
        match self.substitute {
            Some(_) if !self.dense.head.matrices.is_empty() => MOST_DRAFTED + 1,
            _ => LOGIT_ROWS,
        }
    }
}

impl DenseCosts {
    /// Bytes of copies of what `plan` streams; `None` where one of them cannot be had.
    fn copies(&self, plan: &DensePlan) -> Option<u64> {
        let streamed = self.tensors.iter().filter(|tensor| plan.streams(tensor.role));
        streamed.map(|tensor| tensor.copy_bytes).sum()
    }
}
