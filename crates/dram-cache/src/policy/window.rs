//! Sliding window: a record is worth the token that used it last.

use super::{Policy, TICKS};

/// Source: section 3.1 of "LLM in a flash" (ACL 2024), with the window as an upper bound on age
/// instead of a reservation.
#[derive(Debug)]
pub(super) struct Window {
    tokens: Option<u32>,
}

impl Window {
    /// Keeps records for `tokens` tokens, or for as long as slots last.
    pub(super) fn new(tokens: Option<u32>) -> Window {
        Window { tokens }
    }
}

impl Policy for Window {
    /// What the next token is expected to use is not worth less for being used by this one, too.
    fn score(&self, now: u32, earlier: Option<u32>) -> u32 {
        earlier.unwrap_or(0).max(now * TICKS)
    }

    fn window(&self) -> Option<u32> {
        self.tokens
    }
}
