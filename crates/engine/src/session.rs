//! One sequence of tokens: its keys and values, fed in chunks, with logits where they are wanted.

use crate::engine::Engine;
use crate::plan::LOGIT_ROWS;
use crate::stats::{Effort, Phase};
use crate::{EngineError, memory, step};
use flint_kernels::KvCache;
use std::time::Instant;

/// One sequence on a loaded model.
pub struct Session<'e> {
    engine: &'e mut Engine,
    cache: KvCache,
}

/// What the counters say at one moment.
pub(crate) struct Mark {
    effort: Effort,
    storage: Option<u64>,
    at: Instant,
}

impl<'e> Session<'e> {
    /// An empty sequence.
    ///
    /// # Errors
    /// When the KV cache cannot be had.
    pub fn new(engine: &'e mut Engine) -> Result<Session<'e>, EngineError> {
        let architecture = engine.architecture();
        let attention = &architecture.attention;
        let cache = KvCache::new(
            architecture.layers,
            engine.plan.context,
            attention.kv_heads,
            attention.head_dim,
            engine.options.kv,
        )?;
        Ok(Session { engine, cache })
    }

    /// The loaded model.
    pub fn engine(&self) -> &Engine {
        self.engine
    }

    /// Tokens so far.
    pub fn len(&self) -> usize {
        self.cache.len()
    }

    /// Whether no token was fed yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Tokens that there is still room for.
    pub fn room(&self) -> usize {
        self.cache.context() - self.len()
    }

    /// Feeds tokens and returns the logits after the last one. `progress` hears how many were fed; layers of a
    /// chunk count as their share of its tokens.
    ///
    /// # Errors
    /// When there is no room, a token is unknown, or a read fails.
    ///
    /// # Panics
    /// When `tokens` is empty.
    pub fn feed(
        &mut self,
        tokens: &[u32],
        progress: &mut dyn FnMut(usize),
    ) -> Result<Vec<f32>, EngineError> {
        assert!(!tokens.is_empty(), "no tokens to feed");
        self.check(tokens)?;
        let mut last = Vec::new();
        let mut fed = 0;
        for chunk in tokens.chunks(self.engine.plan.chunk) {
            let layers = self.engine.architecture().layers;
            let hidden = step::step(self.engine, &mut self.cache, chunk, &mut |done| {
                if chunk.len() > 1 {
                    progress(fed + chunk.len() * done / layers);
                }
            })?;
            fed += chunk.len();
            progress(fed);
            if fed == tokens.len() {
                last = step::logits(self.engine, &mut self.cache, &hidden, chunk.len() - 1, 1)?;
            }
        }
        Ok(last)
    }

    /// Feeds tokens and hands the logits after each of them to `each`, in order.
    ///
    /// # Errors
    /// As for [`Session::feed`].
    pub fn feed_all(
        &mut self,
        tokens: &[u32],
        each: &mut dyn FnMut(&[f32]),
    ) -> Result<(), EngineError> {
        self.check(tokens)?;
        let vocabulary = self.engine.architecture().vocabulary;
        for chunk in tokens.chunks(self.engine.plan.chunk) {
            let hidden = step::step(self.engine, &mut self.cache, chunk, &mut |_| {})?;
            for first in (0..chunk.len()).step_by(LOGIT_ROWS) {
                let rows = LOGIT_ROWS.min(chunk.len() - first);
                let logits = step::logits(self.engine, &mut self.cache, &hidden, first, rows)?;
                logits.chunks_exact(vocabulary).for_each(&mut *each);
            }
        }
        Ok(())
    }

    fn check(&self, tokens: &[u32]) -> Result<(), EngineError> {
        let (needed, limit) = (self.len() + tokens.len(), self.cache.context());
        if needed > limit {
            return Err(EngineError::ContextTooLong { what: "the sequence", needed, limit });
        }
        let vocabulary = self.engine.architecture().vocabulary;
        match tokens.iter().find(|&&token| token as usize >= vocabulary) {
            Some(&token) => Err(EngineError::UnknownToken { token, vocabulary }),
            None => Ok(()),
        }
    }

    pub(crate) fn mark(&self) -> Mark {
        Mark {
            effort: self.engine.effort(),
            storage: memory::storage_bytes_read(),
            at: Instant::now(),
        }
    }

    /// What happened since `mark`.
    pub(crate) fn since(&self, mark: &Mark, tokens: u64) -> Phase {
        let storage_bytes = memory::storage_bytes_read()
            .zip(mark.storage)
            .map(|(now, before)| now.saturating_sub(before));
        Phase { storage_bytes, ..self.glance(mark, tokens) }
    }

    /// The same without the kernel's count, which takes a system call.
    pub(crate) fn glance(&self, mark: &Mark, tokens: u64) -> Phase {
        let effort = self.engine.effort() - mark.effort;
        Phase { tokens, time: mark.at.elapsed(), effort, storage_bytes: None }
    }
}
