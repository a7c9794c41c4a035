//! From work and rates to time.
//!
//! A token takes the sum over its layers of attention, prediction, the longer of missing reads and what can
//! be computed meanwhile, and the down projection; then the logits. Reads that are known or guessed before
//! attention take its time away from those that are waited for. What is streamed in order runs
//! ahead over the whole pass, so it is compared with all of the computation at once.

use super::{DiskRates, Rates, Work};
use serde::Serialize;

/// Share of a layer's missing neurons that is named before attention by a guess. Measured on the models that
/// `cargo xtask synth` makes; what a run really guessed stands in its statistics.
const GUESSED: f64 = 0.8;

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
    /// All reads, by themselves.
    pub reads_ms: f64,
    /// Reads that nothing hides.
    pub waiting_ms: f64,
}

impl Work {
    /// The time of one token.
    pub fn forecast(&self, rates: &Rates) -> Forecast {
        let layers = self.layers.len().max(1) as f64;
        let calls = self.calls * rates.call_seconds;
        let predict = if self.sparse { rates.predict_seconds } else { 0.0 };
        let times = if self.reads_before_attention { 2.0 } else { 1.0 };
        let mut said = Forecast { predictor_ms: predict * times * 1e3, ..Forecast::default() };
        let (mut dense, mut neurons, mut reads, mut waiting) = (0.0, 0.0, 0.0, 0.0);
        for layer in &self.layers {
            let attention = layer.dense_bytes / rates.memory + calls;
            let read = layer.loaded * rates.disk.record_seconds;
            let guessed = if self.reads_before_attention { read * GUESSED } else { 0.0 };
            let exposed = read - guessed.min(attention);
            let first_rows = layer.predicted * self.row_bytes / rates.memory;
            let missing = layer.loaded / layer.predicted.max(1.0);
            let other_rows = layer.active * self.rows_of_active * self.row_bytes / rates.memory;
            // What arrives last is computed after it has arrived.
            let meanwhile = first_rows * (1.0 - missing);
            dense += attention;
            reads += read;
            neurons += first_rows + other_rows;
            waiting += (exposed - meanwhile).max(0.0);
        }
        dense += self.head_bytes / rates.memory;
        let streamed = self.streamed_bytes / rates.disk.bytes_per_second;
        let busy = dense + neurons + predict * times;
        // Streams and misses share the disk.
        waiting = waiting.max(streamed + reads - busy);
        let token = busy + waiting;
        said.dense_ms = dense * 1e3;
        said.neurons_ms = neurons * 1e3;
        said.reads_ms = (reads + streamed) * 1e3;
        said.waiting_ms = waiting * 1e3;
        said.token_ms = token * 1e3;
        said.tokens_per_second = 1.0 / token.max(f64::MIN_POSITIVE);
        debug_assert!(layers > 0.0);
        said
    }

    /// Time until the first token of a prompt of so many tokens.
    pub fn first_token_ms(&self, rates: &Rates, tokens: usize) -> f64 {
        let chunks = tokens.div_ceil(self.prompt.chunk.max(1)) as f64;
        let read = chunks * self.prompt.read_bytes / rates.disk.bytes_per_second;
        let compute = 2.0 * tokens as f64 * self.prompt.weights / rates.operations;
        let least = self.forecast(rates).token_ms;
        (read.max(compute) * 1e3).max(least)
    }

    /// Time of all reads of a token by themselves.
    pub(super) fn read_seconds(&self, disk: &DiskRates) -> f64 {
        let records: f64 = self.layers.iter().map(|layer| layer.loaded).sum();
        records * disk.record_seconds + self.streamed_bytes / disk.bytes_per_second
    }
}

#[cfg(test)]
mod tests {
    use super::super::LayerWork;
    use super::*;

    fn rates() -> Rates {
        let disk = DiskRates { depth: 32, record_seconds: 20e-6, bytes_per_second: 1e9 };
        Rates { memory: 20e9, operations: 1e11, predict_seconds: 0.0, call_seconds: 0.0, disk }
    }

    fn work(loaded: f64) -> Work {
        let layer = LayerWork { dense_bytes: 100e6, predicted: 2000.0, active: 500.0, loaded };
        Work {
            layers: vec![layer; 10],
            head_bytes: 400e6,
            row_bytes: 8192.0,
            rows_of_active: 1.0,
            record_bytes: 16384.0,
            sparse: true,
            ..Work::default()
        }
    }

    #[test]
    fn reads_wait_only_for_what_cannot_be_computed_meanwhile() {
        let said = work(400.0).forecast(&rates());
        // Attention 5 ms a layer, logits 20 ms; first rows 0.82 ms, of which 80 % while 8 ms are read.
        let (first, other) = (2000.0 * 8192.0 / 20e6, 500.0 * 8192.0 / 20e6);
        let expected = 10.0 * (5.0 + first + other + 8.0 - 0.8 * first) + 20.0;
        assert!((said.token_ms - expected).abs() < 1e-6, "{said:?}, not {expected}");
        let ahead = Work { reads_before_attention: true, ..work(400.0) }.forecast(&rates());
        assert!(
            (said.token_ms - ahead.token_ms - 10.0 * 5.0).abs() < 1e-6,
            "attention hides reads"
        );
    }

    #[test]
    fn a_stream_hides_behind_the_whole_pass_or_is_all_that_counts() {
        let little = Work { streamed_bytes: 10e6, ..work(0.0) };
        assert_eq!(little.forecast(&rates()).waiting_ms, 0.0);
        let much = Work { streamed_bytes: 5e9, ..work(0.0) };
        assert!((much.forecast(&rates()).token_ms - 5000.0).abs() < 1e-6);
    }
}
