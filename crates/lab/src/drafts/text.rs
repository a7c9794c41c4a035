//! What going on with one text took.

use serde::{Deserialize, Serialize};

/// What a text took, its prompt apart.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TextRun {
    /// What was generated.
    pub tokens: Vec<u32>,
    /// Seconds from the first token to the last.
    pub seconds: f64,
    /// Seconds of all cores, the prompt's included.
    pub cpu_s: f64,
    /// Exact passes.
    pub passes: u64,
    /// Accepted over drafted.
    pub acceptance: f64,
    /// Share of the time in which drafts were made.
    pub drafting_share: f64,
}

impl TextRun {
    /// Tokens after the first one per second.
    pub fn speed(&self) -> f64 {
        (self.tokens.len() as f64 - 1.0) / self.seconds
    }
}
