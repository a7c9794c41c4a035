//! A sequence of tokens on an engine. It borrows nothing: the engine keeps its keys and values under its name.

use crate::EngineError;
use crate::engine::Engine;
use flint_kernels::{KvStore, SeqId};
use flint_model::Row;

/// The tokens of a sequence, and the name of their keys and values. Ends with [`Engine::end`], which gives back their
/// memory.
#[derive(Debug)]
#[must_use = "the engine keeps its keys and values until it is ended"]
pub struct Sequence {
    id: SeqId,
    tokens: Vec<u32>,
}

impl Sequence {
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

impl Engine {
    /// Begins a sequence. Its memory comes with its tokens.
    pub fn begin(&mut self) -> Sequence {
        Sequence { id: self.kv.sequence(), tokens: Vec::new() }
    }

    /// A new sequence that begins with the first `len` tokens of `sequence`, for the memory of what follows them.
    ///
    /// # Panics
    /// When `sequence` is shorter or of another engine.
    pub fn fork(&mut self, sequence: &Sequence, len: usize) -> Sequence {
        let tokens = sequence.tokens[..len].to_vec();
        Sequence { id: self.kv.fork(sequence.id, len), tokens }
    }

    /// Drops the tokens of `sequence` from `len` on.
    ///
    /// # Panics
    /// When it is shorter or of another engine.
    pub fn truncate(&mut self, sequence: &mut Sequence, len: usize) {
        self.kv.truncate(sequence.id, len);
        sequence.tokens.truncate(len);
    }

    /// Ends a sequence and gives its memory to others.
    ///
    /// # Panics
    /// When it is of another engine.
    pub fn end(&mut self, sequence: Sequence) {
        self.kv.free(sequence.id);
    }

    /// Gives `work` a sequence and ends it afterwards.
    ///
    /// # Errors
    /// Those of `work`.
    pub fn with_sequence<T>(
        &mut self,
        work: impl FnOnce(&mut Engine, &mut Sequence) -> Result<T, EngineError>,
    ) -> Result<T, EngineError> {
        let mut sequence = self.begin();
        let done = work(self, &mut sequence);
        self.end(sequence);
        done
    }

    /// Tokens that `sequence` has still room for within the planned context.
    pub fn room(&self, sequence: &Sequence) -> usize {
        self.plan.context.saturating_sub(sequence.len())
    }
}
