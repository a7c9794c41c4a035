//! What an answer took.

use std::time::Duration;

/// What it took.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Usage {
    /// Tokens of the prompt.
    pub prompt: usize,
    /// How many of them were there from earlier requests.
    pub cached: usize,
    /// Tokens that were generated, the one that ended the answer included.
    pub generated: usize,
    /// Time until the request was begun.
    pub queued: Duration,
    /// Time for the prompt.
    pub prefill: Duration,
    /// Time for the answer.
    pub decode: Duration,
}
