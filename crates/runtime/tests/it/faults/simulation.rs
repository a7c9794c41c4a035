//! The files of a bundle on simulated devices, one seed for all of their misfortunes.

use flint_engine::Devices;
use flint_flash_io::{Device, Faults, Options, ReadError, Reader, SimulatedDevice};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

/// What is wrong with the devices of a run.
#[derive(Debug)]
pub(super) struct Simulation {
    pub(super) faults: Faults,
    /// Bytes that every read must be a multiple of.
    pub(super) alignment: u32,
    pub(super) seed: u64,
    /// The start of the name of the only file that misbehaves; all do where it is empty.
    pub(super) only: &'static str,
    pub(super) opened: AtomicU64,
}

impl Simulation {
    /// Devices on which everything misbehaves.
    pub(super) fn new(faults: Faults, alignment: u32, seed: u64) -> Simulation {
        Simulation { faults, alignment, seed, only: "", opened: AtomicU64::new(0) }
    }
}

impl Devices for Simulation {
    fn open(&self, paths: &[PathBuf], options: Options) -> Result<Reader, ReadError> {
        let files = paths.iter().map(|path| std::fs::read(path).unwrap()).collect();
        // Each reader is a device of its own.
        let seed = self.seed ^ (self.opened.fetch_add(1, Ordering::Relaxed) << 32);
        let name = paths[0].file_name().unwrap().to_str().unwrap();
        let faults = if name.starts_with(self.only) { self.faults } else { Faults::NONE };
        let budgets = (options.max_requests, options.max_bytes);
        let backend = SimulatedDevice::new(files, self.alignment, budgets, faults, seed);
        let paths = paths.to_vec();
        let device = Device { paths, alignment: self.alignment, direct: true, reasons: Vec::new() };
        Ok(Reader::with_backend(Box::new(backend), device, options.merge))
    }
}
