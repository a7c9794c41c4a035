//! What a run did and what it cost, counted where it happens.

mod drafts;
mod setting;

pub(crate) use drafts::DraftEffort;
pub use drafts::DraftStats;
pub(crate) use setting::{Phases, RunInfo};

use crate::forecast_report::ForecastReport;
use serde::Serialize;
use std::ops::{Add, Sub};
use std::time::Duration;

/// Work of the engine, cumulative; subtract two for an interval.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct PassCounters {
    pub(crate) passes: u64,
    pub(crate) drafts: DraftEffort,
    pub(crate) reads: u64,
    pub(crate) bytes_read: u64,
    pub(crate) io_busy: Duration,
    pub(crate) io_wait: Duration,
    pub(crate) neurons_predicted: u64,
    pub(crate) neurons_active: u64,
    pub(crate) neurons_loaded: u64,
    pub(crate) experts_touched: u64,
    pub(crate) experts_loaded: u64,
    pub(crate) guesses: u64,
    pub(crate) guesses_right: u64,
    pub(crate) cache: Duration,
    pub(crate) predictor: Duration,
    /// The part of it that guesses took.
    pub(crate) guessing: Duration,
    /// Bytes of matrices whose products with one vector were timed, and how long those took.
    pub(crate) sampled_bytes: u64,
    pub(crate) sampled: Duration,
}

impl PassCounters {
    fn with(
        self,
        b: PassCounters,
        n: fn(u64, u64) -> u64,
        t: fn(Duration, Duration) -> Duration,
    ) -> Self {
        PassCounters {
            passes: n(self.passes, b.passes),
            drafts: self.drafts.with(b.drafts, n, t),
            reads: n(self.reads, b.reads),
            bytes_read: n(self.bytes_read, b.bytes_read),
            io_busy: t(self.io_busy, b.io_busy),
            io_wait: t(self.io_wait, b.io_wait),
            neurons_predicted: n(self.neurons_predicted, b.neurons_predicted),
            neurons_active: n(self.neurons_active, b.neurons_active),
            neurons_loaded: n(self.neurons_loaded, b.neurons_loaded),
            experts_touched: n(self.experts_touched, b.experts_touched),
            experts_loaded: n(self.experts_loaded, b.experts_loaded),
            guesses: n(self.guesses, b.guesses),
            guesses_right: n(self.guesses_right, b.guesses_right),
            cache: t(self.cache, b.cache),
            predictor: t(self.predictor, b.predictor),
            guessing: t(self.guessing, b.guessing),
            sampled_bytes: n(self.sampled_bytes, b.sampled_bytes),
            sampled: t(self.sampled, b.sampled),
        }
    }
}

impl Sub for PassCounters {
    type Output = PassCounters;

    fn sub(self, earlier: PassCounters) -> PassCounters {
        self.with(earlier, u64::saturating_sub, Duration::saturating_sub)
    }
}

impl Add for PassCounters {
    type Output = PassCounters;

    fn add(self, other: PassCounters) -> PassCounters {
        self.with(other, u64::saturating_add, Duration::saturating_add)
    }
}

/// One phase of a run: the prompt, or what follows.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Phase {
    pub(crate) tokens: u64,
    pub(crate) time: Duration,
    pub(crate) effort: PassCounters,
    /// Bytes that the kernel counts as read from storage by this process, where it counts.
    pub(crate) storage_bytes: Option<u64>,
}

/// What a generation did: the `stats` object of the JSON contract.
#[derive(Debug, Clone, Serialize)]
pub struct Stats {
    /// What the model is used from: `bundle` or `checkpoint`.
    pub source: &'static str,
    /// How quantised weights are multiplied: `f32`, `int16` or `int8`; `f32` for weights that are floats.
    pub arithmetic: &'static str,
    /// Whether every read is compared with a checksum.
    pub reads_checked: bool,
    /// `exact` or `sparse`.
    pub mode: &'static str,
    /// Share of neurons that were not read although they are not zero, where that was asked for.
    pub sparsity: Option<f32>,
    /// `uring` or `threads`.
    pub io_backend: &'static str,
    /// Whether reads go past the page cache.
    pub direct_io: bool,
    /// Whether records are widened to the alignment of the device.
    pub widened: bool,
    /// Why a better path to the device was not taken, and what to change.
    pub io_reasons: Vec<String>,
    /// What may break the memory limit: swap, or a budget above what there is.
    pub memory_warnings: Vec<String>,
    /// Tokens whose neurons stay cached, on average where slots alone decide; 0 in exact mode.
    pub window: u32,
    /// Which cached neurons make room; `none` in exact mode.
    pub policy: String,
    /// SIMD path.
    pub simd: &'static str,
    /// Compute threads.
    pub threads: usize,
    /// Tokens of context that there was room for.
    pub context: usize,
    /// Most prompt tokens that went through a layer together.
    pub chunk: usize,
    /// All weights of the model, as stored.
    pub weights_bytes: u64,
    /// What was allowed.
    pub memory_budget_bytes: u64,
    /// Dense weights in memory.
    pub resident_bytes: u64,
    /// Predictors in memory.
    pub predictor_bytes: u64,
    /// Neurons in memory.
    pub cache_bytes: u64,
    /// Copies in 4 bits of what is streamed, for drafts.
    pub copy_bytes: u64,
    /// All that a model takes which drafts.
    pub draft_model_bytes: u64,
    /// Keys and values, when the context is full.
    pub kv_bytes: u64,
    /// Activations, logits, tables.
    pub buffer_bytes: u64,
    /// Code, tokenizer, stacks.
    pub process_bytes: u64,
    /// Most memory that the process had resident.
    pub peak_rss_bytes: u64,
    /// Tokens of the prompt.
    pub prefill_tokens: u64,
    /// Time for the prompt.
    pub prefill_ms: f64,
    /// Bytes read for the prompt.
    pub prefill_bytes_read: u64,
    /// Time from the start of the prompt to the first new token.
    pub first_token_ms: f64,
    /// Tokens after the first one.
    pub decode_tokens: u64,
    /// Time for those.
    pub decode_ms: f64,
    /// Decode tokens per second.
    pub tokens_per_second: f64,
    /// Bytes read from storage while decoding, by this program's count.
    pub decode_bytes_read: u64,
    /// The same by the kernel's count; page cache hits are not in it.
    pub decode_storage_bytes: Option<u64>,
    /// Bytes per second at which decoding multiplied matrices in memory, a vector at a time; `None` where there are none.
    pub matrix_bytes_per_second: Option<f64>,
    /// Perplexity of this mode over that of exact mode, where the bundle says: 1.01 is one percent worse.
    pub quality_cost: Option<f64>,
    /// What drafts were worth; `None` where nobody could draft.
    pub draft: Option<DraftStats>,
    /// What was expected and what came; `None` where nothing was measured or decoded.
    pub forecast: Option<ForecastReport>,
    /// Averages over the decode phase.
    pub per_token: PerToken,
}

/// Averages over the decode phase; neurons are summed over layers.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct PerToken {
    /// Asked of the device, widening and gaps included.
    pub bytes_read: f64,
    /// Requests to the device.
    pub reads: f64,
    /// Neurons of the model.
    pub neurons_total: f64,
    /// Neurons computed.
    pub neurons_predicted: f64,
    /// Neurons computed whose activation was not zero.
    pub neurons_active: f64,
    /// Neurons read.
    pub neurons_loaded: f64,
    /// Neurons read before it was certain that they are needed; among the neurons read.
    pub guesses: f64,
    /// Those of them that were needed.
    pub guesses_right: f64,
    /// Experts that rows went through, those of all layers together; 0 in models without.
    pub experts: f64,
    /// Experts read.
    pub experts_loaded: f64,
    /// 1 - loaded / predicted, of experts where there are some.
    pub hit_rate: f64,
    /// Tokens that an exact pass gave: more than one where drafts were right.
    pub tokens_per_pass: f64,
    /// Tokens that were drafted and computed exactly.
    pub drafted: f64,
    /// Those of them that became part of the text.
    pub accepted: f64,
    /// Time in which at least one read was in flight; of files that are read at the same time the sum, but never more than
    /// all of the time.
    pub io_busy_ms: f64,
    /// Time in which the token loop stood still for reads.
    pub io_wait_ms: f64,
    /// Time for finding and freeing slots; of experts also for having the system back new ones.
    pub cache_ms: f64,
    /// Time of the predictor.
    pub predictor_ms: f64,
    /// The part of it that guesses took.
    pub guess_ms: f64,
    /// The rest.
    pub compute_ms: f64,
    /// All of it.
    pub total_ms: f64,
}

impl PerToken {
    pub(crate) fn of(phase: &Phase, neurons_total: u64) -> PerToken {
        if phase.tokens == 0 {
            return PerToken {
                neurons_total: neurons_total as f64,
                hit_rate: 1.0,
                ..PerToken::default()
            };
        }
        let effort = &phase.effort;
        let mean = |count: u64| count as f64 / phase.tokens as f64;
        let ms = |time: Duration| milliseconds(time) / phase.tokens as f64;
        let (loaded, predicted) = match effort.experts_touched {
            0 => (effort.neurons_loaded as f64, effort.neurons_predicted as f64),
            touched => (effort.experts_loaded as f64, touched as f64),
        };
        let elsewhere = effort.io_wait + effort.cache + effort.predictor;
        PerToken {
            bytes_read: mean(effort.bytes_read),
            reads: mean(effort.reads),
            neurons_total: neurons_total as f64,
            neurons_predicted: mean(effort.neurons_predicted),
            neurons_active: mean(effort.neurons_active),
            neurons_loaded: mean(effort.neurons_loaded),
            guesses: mean(effort.guesses),
            guesses_right: mean(effort.guesses_right),
            experts: mean(effort.experts_touched),
            experts_loaded: mean(effort.experts_loaded),
            hit_rate: if predicted > 0.0 { 1.0 - loaded / predicted } else { 1.0 },
            tokens_per_pass: phase.tokens as f64 / (effort.passes as f64).max(1.0),
            drafted: mean(effort.drafts.drafted),
            accepted: mean(effort.drafts.accepted),
            io_busy_ms: ms(effort.io_busy.min(phase.time)),
            io_wait_ms: ms(effort.io_wait),
            cache_ms: ms(effort.cache),
            predictor_ms: ms(effort.predictor),
            guess_ms: ms(effort.guessing),
            compute_ms: ms(phase.time.saturating_sub(elsewhere)),
            total_ms: ms(phase.time),
        }
    }
}

pub(crate) fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
