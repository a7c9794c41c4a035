//! What disk and memory can do, measured between the runs.

use flint_engine::OpenModel;
use flint_flash_io::{ProbeOptions, probe};
use flint_kernels::{Compute, Isa, multiply_add_peak};
use serde::Serialize;
use std::path::Path;
use std::time::Duration;

/// Ceilings of this machine at one moment.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Ceilings {
    /// Random reads of a record, 64 in flight, in 1e6 bytes per second.
    pub(super) record_mb_per_second: f64,
    /// Sequential reads, in 1e6 bytes per second.
    pub(super) sequential_mb_per_second: f64,
    /// Multiply-adds on registers, in 1e9 operations per second.
    pub(super) gflops: f64,
}

pub(super) fn measure(bundle: &Path) -> anyhow::Result<Ceilings> {
    let files = OpenModel::open(bundle)?;
    let record = files.bundle()?.shape().record.payload_bytes();
    let options = ProbeOptions {
        sizes: vec![record],
        depths: vec![64],
        each: Duration::from_millis(500),
        ..ProbeOptions::default()
    };
    let report = probe(&files.bundle()?.neurons_path(), &options, |_| {})?;
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let compute = Compute::new(Isa::best(), threads)?;
    Ok(Ceilings {
        record_mb_per_second: report.random[0].megabytes_per_second,
        sequential_mb_per_second: report.sequential.megabytes_per_second,
        gflops: multiply_add_peak(&compute) / 1e9,
    })
}
