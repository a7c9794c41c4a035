//! Drafts: tokens that may come next, to be computed in one pass with the token before them.
//!
//! Nothing here is on the path that decides output. A draft is only a guess; the pass that follows computes every drafted
//! token exactly, and one is taken where the run would have chosen the same token without it.

mod acceptance;
mod choice;
mod costs;
mod drafter;
mod estimator;
mod lookup;
mod request;
mod substitute;

pub use choice::{DraftChoice, MOST_DRAFTED};
pub use request::{Choose, DraftRequest, DraftState};

pub(crate) use acceptance::expected_tokens;
pub(crate) use costs::{Clock, Cost};
pub(crate) use drafter::{Drafter, Round};
pub(crate) use estimator::{Estimator, Tried};
pub(crate) use request::Proposal;

use crate::{CancelToken, EngineError};
use flint_kernels::SeqId;
use flint_model::Row;

/// Kinds of drafts whose acceptance is kept apart: matches of some lengths, and what a model drafts.
pub(crate) const KINDS: usize = 6;

/// Which of them: a number below [`KINDS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Kind(pub(crate) usize);

impl Kind {
    /// The model itself, with low-bit copies of what is streamed.
    pub(crate) const SUBSTITUTE: Kind = Kind(4);

    /// A smaller model.
    pub(crate) const MODEL: Kind = Kind(5);

    /// What drafting a token takes as a share of a pass, before it was measured.
    pub(crate) fn cost(self) -> f64 {
        [0.0, 0.0, 0.0, 0.0, 0.2, 0.1][self.0]
    }

    /// Share of drafted tokens that are right, before anything is known.
    pub(crate) fn prior(self) -> f64 {
        [0.3, 0.45, 0.6, 0.8, 0.75, 0.6][self.0]
    }
}

/// What somebody would draft.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Offer {
    pub(crate) kind: Kind,
    /// Most tokens.
    pub(crate) most: usize,
}

/// The seam: whoever drafts.
pub(crate) trait Draft: Send {
    /// What could be drafted after `tokens` and `next`; `None` where there is nothing to go by.
    fn offer(&mut self, tokens: &[u32], next: u32) -> Option<Offer>;

    /// Drafts as many tokens for each of `proposals` as it wants.
    ///
    /// # Errors
    /// When the end was asked for, or what it takes cannot be read.
    fn propose(
        &mut self,
        host: &mut dyn Host,
        proposals: &mut [Proposal<'_, '_>],
    ) -> Result<(), EngineError>;

    /// Takes in what was fed since it last drafted for these, where that is long: it is no part of what a draft takes.
    ///
    /// # Errors
    /// As for [`Draft::propose`].
    fn prepare(
        &mut self,
        _host: &mut dyn Host,
        _proposals: &mut [Proposal<'_, '_>],
    ) -> Result<(), EngineError> {
        Ok(())
    }

    /// A sequence has ended.
    fn ended(&mut self, _seq: SeqId) {}
}

/// What an engine does for drafts.
pub(crate) trait Host {
    /// Computes rows roughly: with low-bit copies where exact weights are not in memory. They become part of their
    /// sequences. `each` hears the logits after each row, by its index.
    fn rough_pass(
        &mut self,
        rows: Vec<Row>,
        each: &mut dyn FnMut(usize, &[f32]),
    ) -> Result<(), EngineError>;

    /// Cuts a sequence to the tokens that were computed exactly.
    fn forget(&mut self, seq: SeqId, len: usize);

    /// Asks for the end.
    fn cancel(&self) -> &CancelToken;
}
