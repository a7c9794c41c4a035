//! Tokens of one sequence in chunks as long as planned: how prompts and texts are read.

use crate::engine::Engine;
use crate::{CancelToken, EngineError, Sequence};
use flint_model::Batch;

impl Engine {
    /// Feeds tokens to `sequence` and returns the logits after the last one. `progress` hears how many were fed; layers
    /// of a chunk count as their share of its tokens.
    ///
    /// # Errors
    /// When there is no room, a token is unknown, `cancel` asks for the end, or a read fails. Chunks that were fed before
    /// stay.
    ///
    /// # Panics
    /// When `tokens` is empty.
    pub fn feed(
        &mut self,
        sequence: &mut Sequence,
        tokens: &[u32],
        cancel: &CancelToken,
        progress: &mut dyn FnMut(usize),
    ) -> Result<Vec<f32>, EngineError> {
        assert!(!tokens.is_empty(), "no tokens to feed");
        self.check_tokens(sequence, tokens)?;
        let mut last = Vec::new();
        let (mut fed, layers) = (0, self.architecture().layers);
        for chunk in tokens.chunks(self.plan.chunk) {
            let wanted = tokens.len() - 1 - fed;
            let mut by_layers = |done: usize| {
                if chunk.len() > 1 {
                    progress(fed + chunk.len() * done / layers);
                }
            };
            let each = &mut |_: usize, logits: &[f32]| last = logits.to_vec();
            let wants = |index| index == wanted;
            self.feed_chunk(sequence, chunk, wants, cancel, &mut by_layers, each)?;
            fed += chunk.len();
            progress(fed);
        }
        Ok(last)
    }

    /// Feeds tokens and hands the logits after each of them to `each`, in order.
    ///
    /// # Errors
    /// As for [`Engine::feed`].
    pub fn feed_all(
        &mut self,
        sequence: &mut Sequence,
        tokens: &[u32],
        cancel: &CancelToken,
        each: &mut dyn FnMut(&[f32]),
    ) -> Result<(), EngineError> {
        self.check_tokens(sequence, tokens)?;
        let mut each = |_: usize, logits: &[f32]| each(logits);
        tokens.chunks(self.plan.chunk).try_for_each(|chunk| {
            self.feed_chunk(sequence, chunk, |_| true, cancel, &mut |_| {}, &mut each)
        })
    }

    fn feed_chunk(
        &mut self,
        sequence: &mut Sequence,
        chunk: &[u32],
        wants_logits: impl Fn(usize) -> bool,
        cancel: &CancelToken,
        progress: &mut dyn FnMut(usize),
        each: &mut dyn FnMut(usize, &[f32]),
    ) -> Result<(), EngineError> {
        let before = sequence.len();
        let batch = Batch::new(sequence.rows(chunk, wants_logits))?;
        let output = self.step_watched(&batch, cancel, progress)?;
        sequence.extend(chunk);
        let given = self.logits(&output, cancel, each);
        if given.is_err() {
            self.truncate(sequence, before);
        }
        given
    }

    /// Refuses before the first chunk what a later one would be refused for.
    fn check_tokens(&self, sequence: &Sequence, tokens: &[u32]) -> Result<(), EngineError> {
        let (needed, limit) = (sequence.len() + tokens.len(), self.plan.context);
        if needed > limit {
            return Err(EngineError::ContextTooLong { what: "the sequence", needed, limit });
        }
        self.files.check_tokens(tokens)
    }
}
