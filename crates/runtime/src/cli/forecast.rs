//! The forecast as sentences: before a run with its reasons, after it beside what came.

use flint_engine::{Forecast, ForecastReport, PlannedEngine};

/// Tokens of the prompt that `flint plan` forecasts the first token of.
const PROMPT: usize = 128;

/// The forecast of a plan, where the machine was measured.
pub(super) fn of(prepared: &PlannedEngine) -> Option<Forecast> {
    Some(prepared.work().forecast(prepared.rates()?))
}

/// Lines for people: how it will read and why, how fast it will be and why.
pub(super) fn table(prepared: &PlannedEngine) -> String {
    let mut lines: Vec<String> = Vec::new();
    for (index, reason) in prepared.choices().reasons.iter().enumerate() {
        lines.push(format!("{:<16}{reason}", if index == 0 { "reading" } else { "" }));
    }
    if let (Some(rates), Some(said)) = (prepared.rates(), of(prepared)) {
        let prompt = PROMPT.min(prepared.plan().context);
        let first = prepared.work().first_token_ms(rates, prompt);
        lines.push(format!(
            "memory          {:.1} GB/s of weights for one token, {:.0} GFLOP/s for a prompt",
            rates.memory / 1e9,
            rates.operations / 1e9
        ));
        lines.push(format!(
            "forecast        {:.2} tok/s, first token of a prompt of {prompt} after {:.1} s",
            said.tokens_per_second,
            first / 1e3
        ));
        lines.push(format!("because         {}", because(&said)));
        if prepared.plan().all_resident {
            lines.push("                everything fits the budget and stays in memory".to_owned());
        }
    }
    lines.join("\n") + "\n"
}

/// Where a token's time goes.
fn because(said: &Forecast) -> String {
    format!(
        "a token takes {:.1} ms: {:.1} attention and logits, {:.1} prediction, {:.1} neurons, {:.1} \
         reading and checking, and waits {:.1} for reads that take {:.1} by themselves",
        said.token_ms,
        said.dense_ms,
        said.predictor_ms,
        said.neurons_ms,
        said.reading_cpu_ms,
        said.waiting_ms,
        said.reads_ms
    )
}

/// What was said beside what came.
pub(super) fn compared(report: &ForecastReport, actual: f64) -> String {
    format!(
        "forecast {:.2} tok/s, came {actual:.2} ({:+.0} %); with the rates of this run {:.2} ({:+.0} %): disk \
         {:.2} x and memory {:.2} x what the probe saw; first token forecast after {:.2} s, came after {:.2} s",
        report.tokens_per_second,
        (report.actual_over_forecast - 1.0) * 100.0,
        report.recomputed_tokens_per_second,
        (report.actual_over_recomputed - 1.0) * 100.0,
        report.disk_drift,
        report.memory_drift,
        report.first_token_ms / 1e3,
        report.actual_first_token_ms / 1e3
    )
}
