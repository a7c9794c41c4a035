//! What this machine does per second, measured in a fraction of a second before the plan is made.

use crate::{EngineError, Stats};
use flint_flash_io::{Options, ProbeOptions, fresh_seed, probe_random};
use flint_iobuf::Lease;
use flint_kernels::{Compute, DType, MatrixView, matmul};
use serde::Serialize;
use std::path::Path;
use std::time::{Duration, Instant};

/// Memory that the bandwidth is measured on, where the budget leaves that much: more than caches hold.
const MEMORY_BYTES: u64 = 128 << 20;

/// Numbers per row of the matrix that is measured, about as wide as a layer.
const COLUMNS: usize = 4096;

/// Tokens of the chunk that arithmetic is measured on, and rows of its matrix.
const CHUNK: (usize, usize) = (64, 192);

/// Queue depths that are tried for records.
const DEPTHS: [usize; 3] = [16, 32, 64];

/// A deeper queue must bring this much, for it delays what is exact behind what is guessed.
const WORTH_DEEPER: f64 = 1.05;

/// Bytes of a read that is large enough for throughput alone to count, and how many are in flight then.
const LARGE: usize = 512 << 10;
const LARGE_DEPTH: usize = 16;

/// Bytes that the checksum is measured on.
const CHECKED: usize = 2 << 20;

/// Records of a longer read, to see what a byte more costs.
const RUN: usize = 4;

/// What the disk does.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct DiskRates {
    /// Reads in flight, as chosen.
    pub depth: usize,
    /// Seconds per read of a record, many in flight.
    pub record_seconds: f64,
    /// Seconds of CPU per read of a record, which computation cannot have.
    pub record_cpu_seconds: f64,
    /// Seconds per read of a few neighbouring records at once.
    pub run_seconds: f64,
    /// Bytes per second of large reads.
    pub bytes_per_second: f64,
}

/// Rates of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Rates {
    /// Bytes of weights per second that one token multiplies, on all threads.
    pub memory: f64,
    /// Floating-point operations per second over a chunk of tokens, on all threads.
    pub operations: f64,
    /// Seconds of one prediction over all layers.
    pub predict_seconds: f64,
    /// Seconds of one guess over all layers: a prediction of what is missing.
    pub guess_seconds: f64,
    /// Seconds to hand a small product to all threads and back.
    pub call_seconds: f64,
    /// Bytes whose checksum one thread takes in a second.
    pub checksum: f64,
    /// The disk.
    pub disk: DiskRates,
}

impl DiskRates {
    /// Measures the file of records, about `each` per point.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn measure(
        neurons: &Path,
        record_bytes: usize,
        read: Options,
        each: Duration,
    ) -> Result<DiskRates, EngineError> {
        let options = ProbeOptions { each, read, ..ProbeOptions::default() };
        let mut seed = fresh_seed();
        let mut measure = |bytes: usize, depth: usize| {
            seed = seed.wrapping_add(1);
            let point = probe_random(neurons, bytes, depth, &options, seed);
            let point = point.map_err(EngineError::Open)?;
            Ok::<_, EngineError>((point.micros_per_read / 1e6, point.cpu_micros_per_read / 1e6))
        };
        let (mut depth, mut record_seconds, mut record_cpu_seconds) = (0, f64::INFINITY, 0.0);
        for deeper in DEPTHS {
            let (each, cpu) = measure(record_bytes, deeper)?;
            if depth == 0 || record_seconds > WORTH_DEEPER * each {
                (depth, record_seconds, record_cpu_seconds) = (deeper, each, cpu);
            }
        }
        let file = std::fs::metadata(neurons).map_or(0, |file| file.len() as usize);
        let (run, large) = (RUN * record_bytes, LARGE.max(record_bytes).min(file));
        let run_seconds = match run <= file {
            true => measure(run, depth)?.0,
            false => RUN as f64 * record_seconds,
        };
        let bytes_per_second = large as f64 / measure(large, LARGE_DEPTH)?.0;
        Ok(DiskRates { depth, record_seconds, record_cpu_seconds, run_seconds, bytes_per_second })
    }

    /// The largest gap that two records may have so that one read of all takes no longer than two reads. What a
    /// byte more costs is seen in reads of a few records: in much larger ones it costs less.
    pub fn gap_worth_reading(&self, record_bytes: usize) -> u64 {
        let record = record_bytes as f64;
        let byte = (self.run_seconds - self.record_seconds) / (record * (RUN - 1) as f64);
        if byte <= 0.0 {
            return u64::MAX;
        }
        (self.record_seconds / byte - record).max(0.0) as u64
    }

    /// Everything takes `times` as long; a slower disk takes no more CPU.
    fn slowed(self, times: f64) -> DiskRates {
        DiskRates {
            record_seconds: self.record_seconds * times,
            run_seconds: self.run_seconds * times,
            bytes_per_second: self.bytes_per_second / times,
            ..self
        }
    }

    /// How much faster this is than `other` at the reads of `work`.
    pub(super) fn drift_from(&self, other: &DiskRates, work: &super::Work) -> f64 {
        let (here, there) = (work.read_seconds(self), work.read_seconds(other));
        if here > 0.0 { there / here } else { 1.0 }
    }
}

/// Bytes per second at which one token's vector is multiplied with weights from memory; `None` where the
/// budget leaves no memory to measure on.
fn memory_bandwidth(compute: &Compute, available: u64) -> Option<f64> {
    let rows = (MEMORY_BYTES.min(available / 4) / (2 * COLUMNS as u64)) as usize;
    let mut weights = Lease::alone(rows * COLUMNS * 2).ok().filter(|_| rows > 0)?;
    // Pages that were never written are all the same page, which a cache holds.
    weights.fill(1);
    let bytes = &weights[..rows * COLUMNS * 2];
    let view = MatrixView::new(DType::F16, rows, COLUMNS, bytes).ok()?;
    let (x, mut out) = (vec![1.0; COLUMNS], vec![0.0; rows]);
    let mut best = f64::MAX;
    for _ in 0..4 {
        let started = Instant::now();
        matmul(compute, view, &x, None, &mut out);
        best = best.min(started.elapsed().as_secs_f64());
    }
    Some(bytes.len() as f64 / best)
}

/// Operations per second of a product over many tokens.
fn arithmetic(compute: &Compute) -> f64 {
    let (tokens, rows) = CHUNK;
    let weights = vec![0; rows * COLUMNS * 2];
    let Ok(view) = MatrixView::new(DType::F16, rows, COLUMNS, &weights) else {
        unreachable!("the buffer has the size of the matrix")
    };
    let (x, mut out) = (vec![1.0; tokens * COLUMNS], vec![0.0; tokens * rows]);
    let mut best = f64::MAX;
    for _ in 0..3 {
        let started = Instant::now();
        matmul(compute, view, &x, None, &mut out);
        best = best.min(started.elapsed().as_secs_f64());
    }
    2.0 * (tokens * rows * COLUMNS) as f64 / best
}

/// Seconds that a product takes beyond the memory it reads: waking threads and coming back.
fn call(compute: &Compute, memory: f64) -> f64 {
    const ROWS: usize = 64;
    let weights = vec![0; ROWS * COLUMNS * 2];
    let Ok(view) = MatrixView::new(DType::F16, ROWS, COLUMNS, &weights) else {
        unreachable!("the buffer has the size of the matrix")
    };
    let (x, mut out) = (vec![1.0; COLUMNS], vec![0.0; ROWS]);
    const TIMES: usize = 16;
    let mut times = [0.0; TIMES];
    for time in &mut times {
        let started = Instant::now();
        matmul(compute, view, &x, None, &mut out);
        *time = started.elapsed().as_secs_f64();
    }
    // Not the mean: a thread that the system held up once was counted 300 times a token.
    times.sort_by(f64::total_cmp);
    let each = times[TIMES / 2];
    (each - weights.len() as f64 / memory / 2.0).max(0.0)
}

/// Bytes per second of checksums, of bytes that were just written.
fn checksum() -> f64 {
    let bytes = vec![1; CHECKED];
    let mut best = f64::MAX;
    for _ in 0..3 {
        let started = Instant::now();
        std::hint::black_box(crc32c::crc32c(&bytes));
        best = best.min(started.elapsed().as_secs_f64());
    }
    CHECKED as f64 / best
}

impl Rates {
    /// Measures everything but the disk, on at most a quarter of the memory that is `available`; `predict`
    /// predicts all layers once, where anything is predicted, about this share of the neurons. That share is `missing`
    /// where a guess is made.
    pub(crate) fn measure(
        compute: &Compute,
        available: u64,
        disk: DiskRates,
        missing: f64,
        predict: &mut dyn FnMut(f64) -> Result<(), EngineError>,
    ) -> Result<Option<Rates>, EngineError> {
        let Some(memory) = memory_bandwidth(compute, available) else { return Ok(None) };
        // The first time touches the predictors' pages.
        predict(1.0)?;
        let mut timed = |share: f64| {
            let started = Instant::now();
            predict(share)?;
            Ok::<_, EngineError>(started.elapsed().as_secs_f64())
        };
        let (predict_seconds, guess_seconds) = (timed(1.0)?, timed(missing)?);
        Ok(Some(Rates {
            memory,
            operations: arithmetic(compute),
            predict_seconds,
            guess_seconds,
            call_seconds: call(compute, memory),
            checksum: checksum(),
            disk,
        }))
    }

    /// The rates that a run of `work` met: its disk, which took another multiple of the measured time for the reads that
    /// were really made, its predictions, and memory as its dense matrices found it, the price of handing them to threads
    /// included.
    pub fn met_by(&self, work: &super::Work, stats: &Stats) -> Rates {
        let mut met = *self;
        met.memory = stats.matrix_bytes_per_second.unwrap_or(self.memory);
        if work.sparse {
            met.meet_predictions(stats.per_token.predictor_ms, stats.per_token.guess_ms);
        }
        let expected = work.as_done(stats).read_seconds(&self.disk);
        let busy = stats.per_token.io_busy_ms / 1e3;
        if expected > 0.0 && busy > 0.0 {
            met.disk = self.disk.slowed(busy / expected);
        }
        met
    }

    /// Takes predictions as a run met them, for what one takes depends on how many candidates the text makes:
    /// milliseconds of a token's predictions, and of those the guesses. Prefetches may have been tried and left, so what
    /// one takes is not seen but scaled.
    fn meet_predictions(&mut self, predictor_ms: f64, guess_ms: f64) {
        if self.predict_seconds > 0.0 {
            let met = (predictor_ms - guess_ms) / 1e3;
            self.guess_seconds *= met / self.predict_seconds;
            self.predict_seconds = met;
        }
    }
}

#[cfg(test)]
impl Rates {
    /// A machine for tests: 20 GB/s of memory, 20 us per record, and predictions that take nothing.
    pub(super) fn of_tests() -> Rates {
        let disk = DiskRates {
            depth: 32,
            record_seconds: 20e-6,
            record_cpu_seconds: 0.0,
            run_seconds: 62e-6,
            bytes_per_second: 1e9,
        };
        Rates {
            memory: 20e9,
            operations: 1e11,
            predict_seconds: 0.0,
            guess_seconds: 0.0,
            call_seconds: 0.0,
            checksum: 1e10,
            disk,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guess_is_as_much_dearer_in_a_run_as_a_prediction() {
        let none = Rates::of_tests();
        let probed = Rates { predict_seconds: 40e-3, guess_seconds: 30e-3, ..none };
        let met = |mut rates: Rates, predictor_ms, guess_ms| {
            rates.meet_predictions(predictor_ms, guess_ms);
            (rates.predict_seconds, rates.guess_seconds)
        };
        let (predict, guess) = met(probed, 90.0, 30.0);
        assert!((predict - 60e-3).abs() < 1e-12 && (guess - 45e-3).abs() < 1e-12);
        assert_eq!(met(probed, 60.0, 0.0), (predict, guess), "whether guesses were made or not");
        assert_eq!(met(none, 0.0, 0.0), (0.0, 0.0), "no predictor");
    }
}
