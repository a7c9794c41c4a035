//! The files of a bundle on a simulated device that can be told to be well, and that can end a request at any moment.

use flint_engine::{CancelToken, Devices};
use flint_flash_io::{
    Backend, ClientId, Device, DeviceDone, DeviceRead, Faults, FileId, Options, Priority,
    ReadError, Reader, SimulatedDevice, WorkerLost,
};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What is wrong with the device of a run.
#[derive(Debug, Clone)]
pub(super) struct Simulation {
    pub(super) faults: Faults,
    /// Bytes that every read must be a multiple of.
    pub(super) alignment: u32,
    pub(super) seed: u64,
    /// The start of the name of the only file that misbehaves; all do where it is empty.
    pub(super) only: &'static str,
    /// Whether it misbehaves at the moment.
    pub(super) ill: Arc<AtomicBool>,
    pub(super) trigger: Arc<Trigger>,
}

/// Cancels a request when the device has been asked this number of times.
#[derive(Debug, Default)]
pub(super) struct Trigger {
    left: AtomicU64,
    token: Mutex<CancelToken>,
}

impl Trigger {
    /// After `questions` questions the request of `token` is cancelled.
    pub(super) fn set(&self, questions: u64, token: &CancelToken) {
        *self.token.lock().unwrap() = token.clone();
        self.left.store(questions, Ordering::Relaxed);
    }

    fn count(&self) {
        let left = self.left.load(Ordering::Relaxed);
        if left == 1 {
            self.token.lock().unwrap().cancel();
        }
        self.left.store(left.saturating_sub(1), Ordering::Relaxed);
    }
}

impl Simulation {
    /// A device on which every file misbehaves.
    pub(super) fn new(faults: Faults, alignment: u32, seed: u64) -> Simulation {
        let (ill, trigger) = (Arc::new(AtomicBool::new(true)), Arc::default());
        Simulation { faults, alignment, seed, only: "", ill, trigger }
    }
}

impl Devices for Simulation {
    fn open(&self, paths: &[PathBuf], options: Options) -> Result<Reader, ReadError> {
        let files = paths.iter().map(|path| std::fs::read(path).unwrap()).collect();
        let budgets = (options.max_requests, options.max_bytes);
        let device = SimulatedDevice::new(files, self.alignment, budgets, self.faults, self.seed);
        let mut device = device.while_on(Arc::clone(&self.ill));
        if !self.only.is_empty() {
            let named =
                |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().starts_with(self.only);
            device = device.only(FileId(paths.iter().position(named).unwrap() as u32));
        }
        let backend = Asked { device, trigger: Arc::clone(&self.trigger) };
        let paths = paths.to_vec();
        let device = Device { paths, alignment: self.alignment, direct: true, reasons: Vec::new() };
        Ok(Reader::with_backend(Box::new(backend), device, options.merge))
    }
}

/// Counts the questions.
struct Asked {
    device: SimulatedDevice,
    trigger: Arc<Trigger>,
}

impl Backend for Asked {
    fn name(&self) -> &'static str {
        self.device.name()
    }

    fn submit(&mut self, reads: &mut Vec<DeviceRead>, priority: Priority) {
        self.trigger.count();
        self.device.submit(reads, priority);
    }

    fn cancel(&mut self, client: ClientId, priority: Priority, reads: &mut Vec<DeviceRead>) {
        self.device.cancel(client, priority, reads);
    }

    fn try_next(&mut self) -> Option<DeviceDone> {
        self.trigger.count();
        self.device.try_next()
    }

    fn wait(&mut self, limit: Duration) -> Result<Option<DeviceDone>, WorkerLost> {
        self.trigger.count();
        self.device.wait(limit)
    }

    fn busy(&self) -> Duration {
        self.device.busy()
    }
}
