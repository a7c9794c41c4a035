//! From work and rates to time.
//!
//! A token takes the sum over its layers of attention, prediction, the longer of missing reads and what can
//! be computed meanwhile, and the down projection; then the logits. Reads that are known or guessed before
//! attention take its time away from those that are waited for. Reading and checking take CPU, which is shared out evenly
//! over the threads, and are done while the disk works at what comes next. What is streamed in order runs ahead over the
//! whole pass, so it is compared with all of the computation at once.

use super::{DiskRates, LayerWork, Rates, Work};
use crate::forecast_report::Forecast;

/// Share of a layer's missing neurons that is named before attention by a guess, where the disk has time for it. On
/// opt-6.7b at half of its memory 0.96 of what was read had been guessed by cascades, 0.60 to 0.81 by their first stages
/// (guesses over neurons loaded in docs/results/paper-opt-6.7b.json); what a run really guessed stands in its statistics.
const GUESSED: f64 = 0.96;

/// Seconds of the parts of a layer.
struct LayerTime {
    attention: f64,
    /// Gate or up of the neurons that are there, and of those that are read.
    resident: f64,
    missing: f64,
    /// What only active neurons need: up where there is a gate, and down.
    active: f64,
    reads: f64,
    /// CPU of these reads.
    reading: f64,
}

impl Work {
    /// The time of one token; guesses are made where that is faster, as trials of a run find out.
    pub fn forecast(&self, rates: &Rates) -> Forecast {
        let with = self.forecast_where(true, rates);
        if !self.guesses {
            return with;
        }
        let without = self.forecast_where(false, rates);
        if without.token_ms < with.token_ms { without } else { with }
    }

    /// The same where it is known whether the run is `guessing`, as far as it can.
    pub(super) fn forecast_where(&self, guessing: bool, rates: &Rates) -> Forecast {
        if guessing || !self.guesses {
            return self.one_way(rates);
        }
        let without = Work { guesses: false, reads_before_attention: false, ..self.clone() };
        without.one_way(rates)
    }

    fn one_way(&self, rates: &Rates) -> Forecast {
        let (mut dense, mut neurons, mut reads, mut waiting) = (0.0, 0.0, 0.0, 0.0);
        let mut reading = self.cpu_of_reads(rates, 0.0, self.streamed_bytes);
        // What was guessed is read during a layer's own prediction, too.
        let own = if self.guesses { rates.predict_seconds / self.layers.len() as f64 } else { 0.0 };
        for layer in self.layer_times(rates) {
            let attention = layer.attention + self.calls * rates.call_seconds;
            let early = self.early();
            // What early reads take of the CPU, they take during attention.
            let before = (early * layer.reads).min(attention + own + early * layer.reading);
            let after = layer.resident + (1.0 - early) * layer.reading;
            // What arrives last is computed after it has arrived.
            waiting += (layer.reads - before - after).max(0.0);
            dense += attention;
            reading += layer.reading;
            reads += layer.reads;
            neurons += layer.resident + layer.missing + layer.active;
        }
        dense += self.head_bytes / rates.memory;
        let predict = self.predict_seconds(rates);
        let streamed = self.streamed_bytes / rates.disk.bytes_per_second;
        let busy = dense + neurons + predict + reading;
        // Streams and misses share the disk.
        let waiting = waiting.max(streamed + reads - busy);
        let token = busy + waiting;
        Forecast {
            tokens_per_second: 1.0 / token.max(f64::MIN_POSITIVE),
            token_ms: token * 1e3,
            dense_ms: dense * 1e3,
            predictor_ms: predict * 1e3,
            neurons_ms: neurons * 1e3,
            reading_cpu_ms: reading * 1e3,
            reads_ms: (reads + streamed) * 1e3,
            waiting_ms: waiting * 1e3,
        }
    }

    /// Two lower bounds of a token's time, in seconds: the sum over layers of attention, prediction, the longer of
    /// missing reads and gate or up of resident neurons, and the rest of the active neurons; and the longer
    /// of all reads and all computation.
    pub fn bounds(&self, rates: &Rates) -> (f64, f64) {
        let head = self.head_bytes / rates.memory;
        let streamed = self.streamed_bytes / rates.disk.bytes_per_second;
        let predict = if self.sparse { rates.predict_seconds } else { 0.0 };
        let (mut layers, mut compute, mut reads) = (head + predict, head + predict, streamed);
        for layer in self.layer_times(rates) {
            layers += layer.attention + layer.reads.max(layer.resident) + layer.active;
            compute += layer.attention + layer.resident + layer.missing + layer.active;
            reads += layer.reads;
        }
        (layers.max(streamed), compute.max(reads))
    }

    fn layer_times(&self, rates: &Rates) -> impl Iterator<Item = LayerTime> {
        let row = self.row_bytes / rates.memory;
        self.layers.iter().map(move |layer| LayerTime {
            attention: layer.dense_bytes / rates.memory,
            resident: (layer.predicted - layer.loaded).max(0.0) * row,
            missing: layer.loaded.min(layer.predicted) * row,
            active: layer.active * self.rows_of_active * row,
            reads: match self.experts {
                // Large, and all of a layer at once: read as fast as anything is.
                true => layer.loaded * self.record_bytes / rates.disk.bytes_per_second,
                false => layer.loaded * rates.disk.record_seconds,
            },
            reading: self.cpu_of_reads(rates, layer.loaded, layer.loaded * self.record_bytes),
        })
    }

    /// Share of a layer's reads that are asked for before its attention: all where its neurons do not depend on it.
    fn early(&self) -> f64 {
        match (self.reads_before_attention, self.guesses) {
            (false, _) => 0.0,
            (true, true) => GUESSED,
            (true, false) => 1.0,
        }
    }

    /// Seconds that reading `records` records and checking `bytes` bytes take from the threads that compute, spread over all
    /// of them. Reads of streams are so large that the CPU of their requests does not count.
    fn cpu_of_reads(&self, rates: &Rates, records: f64, bytes: f64) -> f64 {
        let checked = if self.checked { bytes } else { 0.0 };
        (records * rates.disk.record_cpu_seconds + checked / rates.checksum) / self.threads.max(1.0)
    }

    /// Seconds of all predictions of a token, guesses included.
    pub(super) fn predict_seconds(&self, rates: &Rates) -> f64 {
        let predict = if self.sparse { rates.predict_seconds } else { 0.0 };
        predict + if self.guesses { rates.guess_seconds } else { 0.0 }
    }

    /// Of what is predicted, the share that has to be read.
    pub(crate) fn missing_share(&self) -> f64 {
        let sum = |pick: fn(&LayerWork) -> f64| self.layers.iter().map(pick).sum::<f64>();
        (sum(|layer| layer.loaded) / sum(|layer| layer.predicted).max(1.0)).min(1.0)
    }

    /// Time of all reads of a token by themselves.
    pub(super) fn read_seconds(&self, disk: &DiskRates) -> f64 {
        let records: f64 = self.layers.iter().map(|layer| layer.loaded).sum();
        records * disk.record_seconds + self.streamed_bytes / disk.bytes_per_second
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rates() -> Rates {
        Rates::of_tests()
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
        let expected = 10.0 * (5.0 + 0.2 * first + other + 8.0) + 20.0;
        assert!((said.token_ms - expected).abs() < 1e-6, "{said:?}, not {expected}");
        let ahead = Work { reads_before_attention: true, ..work(400.0) }.forecast(&rates());
        assert!(
            (said.token_ms - ahead.token_ms - 10.0 * 5.0).abs() < 1e-6,
            "attention hides reads"
        );
    }

    #[test]
    fn reading_and_checking_take_cpu_from_all_threads() {
        let rates =
            || Rates { disk: DiskRates { record_cpu_seconds: 10e-6, ..rates().disk }, ..rates() };
        let two = Work { threads: 2.0, checked: true, ..work(400.0) };
        let said = two.forecast(&rates());
        // 4000 records: 40 ms to read, and 65.5 MB at 10 GB/s to check.
        assert!((said.reading_cpu_ms - (40.0 + 6.5536) / 2.0).abs() < 1e-9, "{said:?}");
        let unchecked = Work { checked: false, ..two.clone() }.forecast(&rates());
        assert!((unchecked.reading_cpu_ms - 20.0).abs() < 1e-9, "{unchecked:?}");
        // The disk takes 80 ms, so the CPU has time for that while it waits.
        let free = two.forecast(&self::rates());
        assert!((said.token_ms - free.token_ms).abs() < 1e-9, "{said:?} {free:?}");
        assert!((free.waiting_ms - said.waiting_ms - 20.0).abs() < 1e-9);
    }

    #[test]
    fn all_reads_are_early_where_attention_and_neurons_are_parallel() {
        let ahead = Work { reads_before_attention: true, ..work(400.0) };
        // 8 ms of reads a layer, 10 of attention.
        let slow = Rates { memory: 10e9, ..rates() };
        assert_eq!(ahead.forecast(&slow).waiting_ms, 0.0, "10 ms of attention hide all");
        // A guess misses some, and nothing else is there to compute.
        let guesses = Work { guesses: true, ..all_missing(&ahead) };
        let late = 8.0 * (1.0 - GUESSED);
        let guessed = guesses.one_way(&slow);
        assert!((guessed.waiting_ms - 10.0 * late).abs() < 1e-6, "{guessed:?}");
        // The CPU of the early reads is spent during attention, that of the late ones while they are waited for.
        let disk = DiskRates { record_cpu_seconds: 10e-6, ..slow.disk };
        let busy = Work { threads: 1.0, ..guesses }.one_way(&Rates { disk, ..slow });
        let left = 10.0 * (late - 4.0 * (1.0 - GUESSED));
        assert!((busy.waiting_ms - left).abs() < 1e-6, "{busy:?}");
        assert!((busy.reading_cpu_ms - 40.0).abs() < 1e-6, "{busy:?}");
    }

    /// The same where all that is predicted is read.
    fn all_missing(work: &Work) -> Work {
        let missing = |layer: &LayerWork| LayerWork { predicted: layer.loaded, ..*layer };
        Work { layers: work.layers.iter().map(missing).collect(), ..work.clone() }
    }

    #[test]
    fn a_guess_costs_what_it_asks_about() {
        let rates = Rates { predict_seconds: 40e-3, guess_seconds: 25e-3, ..rates() };
        let guesses = Work { guesses: true, ..work(400.0) };
        // It saves 73.4 ms of waiting.
        assert!((guesses.one_way(&rates).predictor_ms - 65.0).abs() < 1e-9);
        let ahead = Work { reads_before_attention: true, ..guesses.clone() };
        assert!((ahead.forecast(&rates).predictor_ms - 65.0).abs() < 1e-9);
        let dear = Rates { guess_seconds: 74e-3, ..rates };
        let left = ahead.forecast(&dear);
        assert_eq!(left.token_ms, work(400.0).forecast(&dear).token_ms, "{left:?}");
        assert!((work(400.0).forecast(&rates).predictor_ms - 40.0).abs() < 1e-9);
        assert!((guesses.missing_share() - 0.2).abs() < 1e-9, "400 of 2000");
        assert_eq!(Work::default().missing_share(), 0.0);
    }

    #[test]
    fn a_gap_is_read_through_where_that_is_cheaper_than_a_request() {
        let gap = |run_seconds| DiskRates { run_seconds, ..rates().disk }.gap_worth_reading(16384);
        // Four records in 62 us: a record more costs 14, of the 20 of a request.
        assert_eq!(gap(62e-6) / 1000, (16384.0 * (20.0 / 14.0 - 1.0)) as u64 / 1000);
        assert_eq!(gap(80e-6), 0, "a read of four takes as long as four reads");
        assert_eq!(gap(20e-6), u64::MAX, "bytes cost nothing");
    }

    #[test]
    fn a_stream_hides_behind_the_whole_pass_or_is_all_that_counts() {
        let little = Work { streamed_bytes: 10e6, ..work(0.0) };
        assert_eq!(little.forecast(&rates()).waiting_ms, 0.0);
        let much = Work { streamed_bytes: 5e9, ..work(0.0) };
        assert!((much.forecast(&rates()).token_ms - 5000.0).abs() < 1e-6);
    }
}
