//! A sequence of tokens on an engine. It borrows nothing: the engine keeps its keys and values under its name.

use flint_kernels::SeqId;
use flint_model::Row;

/// The tokens of a sequence, and the name of their keys and values. Ends with [`crate::Engine::end`], which gives back their
/// memory.
#[derive(Debug)]
#[must_use = "the engine keeps its keys and values until it is ended"]
pub struct Sequence {
    id: SeqId,
    tokens: Vec<u32>,
}

impl Sequence {
    /// A sequence whose keys and values are kept under this name.
    pub(crate) fn new(id: SeqId, tokens: Vec<u32>) -> Sequence {
        Sequence { id, tokens }
    }

    /// Forgets the tokens from `len` on.
    pub(crate) fn cut(&mut self, len: usize) {
        self.tokens.truncate(len);
    }

    /// Its name in a [`Batch`](flint_model::Batch).
    pub fn id(&self) -> SeqId {
        self.id
    }

    /// The tokens so far.
    pub fn tokens(&self) -> &[u32] {
        &self.tokens
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.tokens.len()
    }

    /// Whether no token was fed yet.
    pub fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }

    /// The rows of a batch that continue it with `tokens`; `wants_logits` is asked by the index of each.
    pub fn rows(&self, tokens: &[u32], wants_logits: impl Fn(usize) -> bool) -> Vec<Row> {
        let row = |(index, &token): (usize, &u32)| Row {
            seq: self.id,
            position: self.tokens.len() + index,
            token,
            wants_logits: wants_logits(index),
        };
        tokens.iter().enumerate().map(row).collect()
    }

    /// Notes the tokens of a step that is done.
    pub fn extend(&mut self, tokens: &[u32]) {
        self.tokens.extend_from_slice(tokens);
    }
}
