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
pub use rates::{DiskRates, Rates};
pub use work::{LayerWork, PromptWork, Work};

use crate::forecast_report::ForecastReport;
use crate::stats::Stats;

impl ForecastReport {
    /// Compares `work` at the probe's `before` with what a run did.
    pub(crate) fn of(work: &Work, before: &Rates, stats: &Stats) -> ForecastReport {
        let said = work.forecast(before);
        let met = before.met_by(work, stats);
        // PrefetchTuner may have found another way faster than the formula does: whether most tokens were guessed.
        let guessed = stats.per_token.guess_ms / 1e3 > met.guess_seconds / 2.0;
        let mut recomputed = work.forecast_where(guessed, &met);
        if let Some(drafts) = &stats.draft {
            // The formula is one of passes; what was drafted came between them.
            recomputed.tokens_per_second *=
                stats.per_token.tokens_per_pass * (1.0 - drafts.time_share);
        }
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
