//! How fast a run will be, and why: bytes and counts of the plan times rates of this machine.
//!
//! The same formula is evaluated before a run, with rates that a short probe measured, and after it,
//! with the rates that the run itself met: the difference between the two is the drift of the machine, the
//! rest is the error of the formula.

mod choose;
mod formula;
mod prompt;
mod rates;
mod work;

pub use choose::Choices;
pub(crate) use choose::measure_disk;
pub use formula::Forecast;
pub use rates::{DiskRates, Rates};
pub use work::{LayerWork, PromptWork, Work};

use crate::Stats;
use serde::Serialize;

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

impl ForecastReport {
    /// Compares `work` at the probe's `before` with what a run did.
    pub(crate) fn of(work: &Work, before: &Rates, stats: &Stats) -> ForecastReport {
        let said = work.forecast(before);
        let met = before.met_by(work, stats);
        // Trials may have found another way faster than the formula does: whether most tokens were guessed.
        let guessed = stats.per_token.guess_ms / 1e3 > met.guess_seconds / 2.0;
        let recomputed = work.forecast_where(guessed, &met);
        let actual = stats.tokens_per_second;
        let first_token_ms = work.first_token_ms(before, stats.prefill_tokens as usize);
        ForecastReport {
            tokens_per_second: said.tokens_per_second,
            first_token_ms,
            actual_first_token_ms: stats.first_token_ms,
            recomputed_tokens_per_second: recomputed.tokens_per_second,
            actual_over_forecast: actual / said.tokens_per_second,
            actual_over_recomputed: actual / recomputed.tokens_per_second,
            disk_drift: met.disk.drift_from(&before.disk, work),
            memory_drift: met.memory / before.memory,
            parts: said,
        }
    }
}
