//! A request to end early, shared between whoever asks and whoever works.

use crate::EngineError;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Asks work to end at the next place where it can: between two blocks of weights of a pass, two pieces of a
/// conversion. Clones ask for the same. Once asked it stays asked: each piece of work takes a token of its own.
#[derive(Debug, Clone, Default)]
pub struct CancelToken(Arc<AtomicBool>);

impl CancelToken {
    /// Asks.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether it was asked.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    /// Ends the work of the caller when it was asked.
    ///
    /// # Errors
    /// [`EngineError::Cancelled`] when it was asked.
    pub fn check(&self) -> Result<(), EngineError> {
        if self.is_cancelled() { Err(EngineError::Cancelled) } else { Ok(()) }
    }
}
