//! What an interval of a run took, by the difference of counters.

use crate::engine::Engine;
use crate::memory;
use crate::stats::{PassCounters, Phase};
use std::time::Instant;

/// What the counters say at one moment.
pub(crate) struct Mark {
    effort: PassCounters,
    storage: Option<u64>,
    at: Instant,
}

impl Engine {
    pub(crate) fn mark(&self) -> Mark {
        Mark { effort: self.effort(), storage: memory::storage_bytes_read(), at: Instant::now() }
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
        let effort = self.effort() - mark.effort;
        Phase { tokens, time: mark.at.elapsed(), effort, storage_bytes: None }
    }
}
