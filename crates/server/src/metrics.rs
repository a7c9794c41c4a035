//! What the server did, counted; read by `/metrics` and the page.

use crate::usage::Usage;
use flint_engine::Counts;
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Counts since the start. All of them only grow, but for `running`.
#[derive(Debug, Default)]
pub struct Metrics {
    prompt_tokens: AtomicU64,
    cached_tokens: AtomicU64,
    prompt_micros: AtomicU64,
    generated_tokens: AtomicU64,
    generated_micros: AtomicU64,
    passes: AtomicU64,
    pass_micros: AtomicU64,
    answer_rows: AtomicU64,
    prompt_rows: AtomicU64,
    answered: AtomicU64,
    failed: AtomicU64,
    cancelled: AtomicU64,
    refused: AtomicU64,
    taken: AtomicU64,
    bytes_read: AtomicU64,
    reads: AtomicU64,
    neurons_computed: AtomicU64,
    neurons_read: AtomicU64,
    experts_computed: AtomicU64,
    experts_read: AtomicU64,
    read_wait_micros: AtomicU64,
    running: AtomicU64,
}

/// Adds to a count. Nothing else is ordered by it.
fn add(count: &AtomicU64, more: u64) {
    count.fetch_add(more, Ordering::Relaxed);
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

impl Metrics {
    pub(crate) fn pass(&self, answers: usize, prompts: usize, time: Duration) {
        add(&self.passes, 1);
        add(&self.pass_micros, micros(time));
        add(&self.answer_rows, answers as u64);
        add(&self.prompt_rows, prompts as u64);
    }

    /// What the engine counted so far.
    pub(crate) fn engine(&self, counts: &Counts) {
        let set = |count: &AtomicU64, now: u64| count.store(now, Ordering::Relaxed);
        set(&self.bytes_read, counts.bytes_read);
        set(&self.reads, counts.reads);
        set(&self.neurons_computed, counts.neurons_computed);
        set(&self.neurons_read, counts.neurons_read);
        set(&self.experts_computed, counts.experts_computed);
        set(&self.experts_read, counts.experts_read);
        set(&self.read_wait_micros, micros(counts.io_wait));
    }

    pub(crate) fn taken(&self) {
        add(&self.taken, 1);
    }

    pub(crate) fn answered(&self, usage: &Usage) {
        add(&self.answered, 1);
        add(&self.prompt_tokens, usage.prompt as u64);
        add(&self.cached_tokens, usage.cached as u64);
        add(&self.prompt_micros, micros(usage.prefill));
        add(&self.generated_tokens, usage.generated as u64);
        add(&self.generated_micros, micros(usage.decode));
    }

    pub(crate) fn failed(&self) {
        add(&self.failed, 1);
    }

    pub(crate) fn cancelled(&self, requests: usize) {
        add(&self.cancelled, requests as u64);
    }

    pub(crate) fn refused(&self) {
        add(&self.refused, 1);
    }

    pub(crate) fn set_running(&self, running: usize) {
        self.running.store(running as u64, Ordering::Relaxed);
    }

    /// Requests that are being answered.
    pub fn running(&self) -> u64 {
        self.running.load(Ordering::Relaxed)
    }

    /// Requests that were answered to their end.
    pub fn requests_answered(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }

    /// Requests whose client left.
    pub fn requests_cancelled(&self) -> u64 {
        self.cancelled.load(Ordering::Relaxed)
    }

    /// The text that Prometheus reads.
    pub fn prometheus(&self, waiting: usize) -> String {
        let count = |count: &AtomicU64| count.load(Ordering::Relaxed) as f64;
        let seconds = |micros: &AtomicU64| count(micros) / 1e6;
        const PROMPT: &str = "Prompt tokens of answered requests";
        const TAKEN: &str =
            "Requests taken: answered, failed, cancelled, processing and deferred ones together";
        const REFUSED: &str = "Requests refused because too many wait";
        let counters = [
            ("prompt_tokens_total", PROMPT, count(&self.prompt_tokens)),
            (
                "prompt_tokens_cached_total",
                "Those that were there already",
                count(&self.cached_tokens),
            ),
            ("prompt_seconds_total", "Time for prompts", seconds(&self.prompt_micros)),
            ("tokens_predicted_total", "Tokens of answers", count(&self.generated_tokens)),
            ("tokens_predicted_seconds_total", "Time for answers", seconds(&self.generated_micros)),
            ("passes_total", "Forward passes", count(&self.passes)),
            ("pass_seconds_total", "Time of forward passes", seconds(&self.pass_micros)),
            ("answer_rows_total", "Rows of answers in passes", count(&self.answer_rows)),
            ("prompt_rows_total", "Rows of prompts in passes", count(&self.prompt_rows)),
            ("requests_total", TAKEN, count(&self.taken)),
            ("requests_answered_total", "Requests answered to their end", count(&self.answered)),
            ("requests_failed_total", "Requests that the engine failed on", count(&self.failed)),
            ("requests_cancelled_total", "Requests whose client left", count(&self.cancelled)),
            ("requests_refused_total", REFUSED, count(&self.refused)),
            ("bytes_read_total", "Bytes asked of flash", count(&self.bytes_read)),
            ("reads_total", "Requests to flash", count(&self.reads)),
            ("read_wait_seconds_total", "Time waiting for flash", seconds(&self.read_wait_micros)),
            ("neurons_computed_total", "Predicted neurons", count(&self.neurons_computed)),
            ("neurons_read_total", "Those that were not in memory", count(&self.neurons_read)),
            ("experts_computed_total", "Experts computed", count(&self.experts_computed)),
            ("experts_read_total", "Those that were not in memory", count(&self.experts_read)),
        ];
        let gauges = [
            ("requests_processing", "Requests being answered", count(&self.running)),
            ("requests_deferred", "Requests that wait", waiting as f64),
        ];
        let named = |kind: &'static str| move |(name, help, value)| (name, kind, help, value);
        let lines = counters.into_iter().map(named("counter"));
        let lines = lines.chain(gauges.into_iter().map(named("gauge")));
        let mut text = String::new();
        for (name, kind, help, value) in lines {
            // Writing to a text does not fail.
            let _ = write!(
                text,
                "# HELP flint_{name} {help}\n# TYPE flint_{name} {kind}\nflint_{name} {value}\n"
            );
        }
        text
    }
}
