//! What is asked of drafts, and what is remembered of a text from pass to pass.

use super::acceptance::Acceptance;
use super::{KINDS, Kind};
use flint_kernels::SeqId;

/// What drafts of one text were worth so far. It belongs to the text, not to the engine.
#[derive(Debug, Default)]
pub struct DraftState {
    pub(super) kinds: [Acceptance; KINDS],
    /// The draft that is being computed: its kind and its length.
    pub(super) open: Option<(Kind, usize)>,
}

/// Chooses a token from logits, after some drafted tokens.
pub type Choose<'a> = dyn FnMut(&[f32], usize) -> u32 + 'a;

/// Asks for tokens that may follow a sequence.
pub struct DraftRequest<'a> {
    /// The sequence.
    pub seq: SeqId,
    /// Its tokens.
    pub fed: &'a [u32],
    /// The token that was chosen after them.
    pub next: u32,
    /// Most tokens to draft: what there is room for and what may still be generated.
    pub most: usize,
    /// What is remembered of the text.
    pub state: &'a mut DraftState,
    /// Chooses a token from the logits after `next` and some drafted tokens, whose number comes second: as it will be
    /// chosen from exact logits, with the same random number.
    pub choose: Box<Choose<'a>>,
    /// What was drafted.
    pub drafted: Vec<u32>,
}

/// A request for which it was decided how many tokens are drafted.
pub(crate) struct Proposal<'r, 'a> {
    pub(crate) request: &'r mut DraftRequest<'a>,
    pub(crate) tokens: usize,
}
