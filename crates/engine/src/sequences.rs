//! Sequences of an engine: begun, forked, cut and ended.

use crate::EngineError;
use crate::engine::Engine;
use crate::sequence::Sequence;
use flint_kernels::KvStore;

impl Engine {
    /// Begins a sequence. Its memory comes with its tokens.
    pub fn begin(&mut self) -> Sequence {
        Sequence::new(self.kv.sequence(), Vec::new())
    }

    /// A new sequence that begins with the first `len` tokens of `sequence`, for the memory of what follows them.
    ///
    /// # Panics
    /// When `sequence` is shorter or of another engine.
    pub fn fork(&mut self, sequence: &Sequence, len: usize) -> Sequence {
        let tokens = sequence.tokens()[..len].to_vec();
        Sequence::new(self.kv.fork(sequence.id(), len), tokens)
    }

    /// Drops the tokens of `sequence` from `len` on.
    ///
    /// # Panics
    /// When it is shorter or of another engine.
    pub fn truncate(&mut self, sequence: &mut Sequence, len: usize) {
        self.kv.truncate(sequence.id(), len);
        sequence.cut(len);
    }

    /// Ends a sequence and gives its memory to others.
    ///
    /// # Panics
    /// When it is of another engine.
    pub fn end(&mut self, sequence: Sequence) {
        self.kv.free(sequence.id());
        if let Some(drafter) = &mut self.drafter {
            drafter.ended(sequence.id());
        }
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
