//! A request to end early, shared between whoever asks and whoever works.

use crate::EngineError;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Asks work to end at the next place where it can: between two layers of a pass, two pieces of a conversion.
/// Clones ask for the same. Once asked it stays asked, so an engine that was halted inside a pass is good
/// for nothing but to be dropped.
#[derive(Debug, Clone, Default)]
pub struct Halt(Arc<AtomicBool>);

impl Halt {
    /// Asks.
    pub fn request(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether it was asked.
    pub fn requested(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    /// Ends the work of the caller when it was asked.
    ///
    /// # Errors
    /// [`EngineError::Halted`] when it was asked.
    pub fn check(&self) -> Result<(), EngineError> {
        if self.requested() { Err(EngineError::Halted) } else { Ok(()) }
    }
}
