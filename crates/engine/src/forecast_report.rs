//! What was said of a run before it, beside what came: plain numbers.

use serde::Serialize;

/// The time of a token, in milliseconds, and what it comes to.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Forecast {
    /// Decode tokens per second.
    pub tokens_per_second: f64,
    /// All of a token.
    pub token_ms: f64,
    /// Attention matrices and logits, from memory.
    pub dense_ms: f64,
    /// Prediction, guesses included.
    pub predictor_ms: f64,
    /// Neurons, from memory.
    pub neurons_ms: f64,
    /// What reading and checking take from the cores that compute.
    pub reading_cpu_ms: f64,
    /// All reads, by themselves.
    pub reads_ms: f64,
    /// Reads that nothing hides.
    pub waiting_ms: f64,
}

/// What was expected of a run and what came: part of the statistics of every run that was measured.
#[derive(Debug, Clone, Serialize)]
pub struct ForecastReport {
    /// Tokens per second, as said before the run.
    pub tokens_per_second: f64,
    /// Time to the first token, as said before the run.
    pub first_token_ms: f64,
    /// The time it took.
    pub actual_first_token_ms: f64,
    /// The same formula with the rates that the run met, with guesses where it mostly made them.
    pub recomputed_tokens_per_second: f64,
    /// Actual over forecast: 1.1 is a tenth faster than was said.
    pub actual_over_forecast: f64,
    /// Actual over recomputed.
    pub actual_over_recomputed: f64,
    /// What the disk did in the run over what it did in the probe.
    pub disk_drift: f64,
    /// What memory did in the run over what it did before.
    pub memory_drift: f64,
    /// The parts of a token's time, as said before the run.
    pub parts: Forecast,
}
