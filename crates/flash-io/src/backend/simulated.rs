//! A device that exists in memory and on a virtual clock: every misfortune, replayable by its seed.

use crate::random::SplitMix;
use crate::submission_queue::SubmissionQueue;
use crate::{Backend, ClientId, DeviceDone, DeviceRead, FileId, Priority, Step, WorkerLost};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// What goes wrong, in parts of 1000 attempts, and how long things take on the virtual clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Faults {
    /// Longest delay of an ordinary attempt, in virtual microseconds. Above zero, reads overtake each other.
    pub delay_micros: u64,
    /// Attempts that return fewer bytes than asked.
    pub short: u32,
    /// Attempts that end with `EIO`.
    pub eio: u32,
    /// Attempts that end with `EAGAIN` or `EINTR`.
    pub again: u32,
    /// Attempts that deliver a flipped bit as if nothing had happened.
    pub corrupt: u32,
    /// Attempts that take a thousand times as long.
    pub stall: u32,
    /// Attempts that never end.
    pub hang: u32,
}

impl Faults {
    /// A perfect device: in order, without delay.
    pub const NONE: Faults =
        Faults { delay_micros: 0, short: 0, eio: 0, again: 0, corrupt: 0, stall: 0, hang: 0 };
}

/// When an attempt that hangs is due.
const NEVER: u64 = u64::MAX;

/// A device over files in memory. Single-threaded: time passes only while somebody waits.
#[derive(Debug)]
pub struct SimulatedDevice {
    files: Vec<Vec<u8>>,
    alignment: usize,
    faults: Faults,
    /// The only file that misbehaves; all do where it is `None`.
    only: Option<FileId>,
    /// Whether anything misbehaves at the moment.
    on: Arc<AtomicBool>,
    random: SplitMix,
    queue: SubmissionQueue,
    in_flight: Vec<Attempt>,
    now: u64,
    busy: u64,
}

#[derive(Debug)]
struct Attempt {
    read: DeviceRead,
    due: u64,
}

impl SimulatedDevice {
    /// A device that holds `files` and reads multiples of `alignment`, at most `max_requests` reads and
    /// `max_bytes` bytes at once. Equal seeds and equal calls give equal results.
    ///
    /// # Panics
    /// When `alignment` or `max_requests` is zero.
    pub fn new(
        files: Vec<Vec<u8>>,
        alignment: u32,
        (max_requests, max_bytes): (usize, usize),
        faults: Faults,
        seed: u64,
    ) -> SimulatedDevice {
        assert!(alignment > 0, "blocks of no bytes");
        SimulatedDevice {
            files,
            alignment: alignment as usize,
            faults,
            only: None,
            on: Arc::new(AtomicBool::new(true)),
            random: SplitMix::new(seed),
            queue: SubmissionQueue::new(max_requests, max_bytes),
            in_flight: Vec::new(),
            now: 0,
            busy: 0,
        }
    }

    /// The same with faults in one file alone.
    pub fn only(self, file: FileId) -> SimulatedDevice {
        SimulatedDevice { only: Some(file), ..self }
    }

    /// The same with faults only while `on` says so.
    pub fn while_on(self, on: Arc<AtomicBool>) -> SimulatedDevice {
        SimulatedDevice { on, ..self }
    }

    /// What may happen to a read now. Delays are not faults.
    fn faults_of(&self, read: &DeviceRead) -> Faults {
        let own = self.only.is_none_or(|file| file == read.file());
        if own && self.on.load(Ordering::Relaxed) {
            return self.faults;
        }
        Faults { delay_micros: self.faults.delay_micros, ..Faults::NONE }
    }

    /// Starts what the budgets allow.
    fn start(&mut self) {
        while let Some(read) = self.queue.try_take() {
            self.begin(read);
        }
    }

    fn begin(&mut self, read: DeviceRead) {
        let faults = self.faults_of(&read);
        let mut delay = self.random.up_to(faults.delay_micros);
        if self.strikes(faults.stall) {
            delay = delay.max(1) * 1000;
        }
        let hangs = self.strikes(faults.hang);
        let due = if hangs { NEVER } else { self.now + delay };
        self.in_flight.push(Attempt { read, due });
    }

    /// Ends the attempt that is due first, of equals the oldest. `None` when its read goes on.
    fn end_first(&mut self) -> Option<DeviceDone> {
        let (place, due) = self.first_due()?;
        let Attempt { mut read, .. } = self.in_flight.remove(place);
        self.pass(due.saturating_sub(self.now));
        let result = self.perform(&mut read);
        match read.advance(result) {
            Step::Again => {
                self.begin(read);
                None
            }
            Step::End(failure) => {
                self.queue.finish(read.bytes());
                self.start();
                Some(DeviceDone { read, failure })
            }
        }
    }

    fn first_due(&self) -> Option<(usize, u64)> {
        let dues = self.in_flight.iter().map(|attempt| attempt.due).enumerate();
        dues.min_by_key(|&(_, due)| due)
    }

    fn pass(&mut self, micros: u64) {
        self.now += micros;
        self.busy += micros;
    }

    fn perform(&mut self, read: &mut DeviceRead) -> Result<usize, i32> {
        let faults = self.faults_of(read);
        if self.strikes(faults.eio) {
            return Err(libc::EIO);
        }
        if self.strikes(faults.again) {
            let interrupted = self.random.next().is_multiple_of(2);
            return Err(if interrupted { libc::EINTR } else { libc::EAGAIN });
        }
        let asked = read.bytes() - read.resume();
        let (short, corrupt) = (self.strikes(faults.short), self.strikes(faults.corrupt));
        let (part, spot, bit) = (self.random.next(), self.random.next(), self.random.up_to(7));
        let file = &self.files[read.file().0 as usize];
        let start = usize::try_from(read.offset()).unwrap_or(usize::MAX);
        let start = start.saturating_add(read.resume());
        assert!(start.is_multiple_of(self.alignment), "an attempt at {start} between blocks");
        let rest = file.get(start..).unwrap_or_default();
        let mut bytes = rest.len().min(asked);
        if short && bytes > self.alignment {
            // At least one whole block: what is resumed at a block and brings no more than before is at the
            // end of the file.
            bytes = self.alignment + (part as usize) % (bytes - self.alignment);
        }
        read.scatter(read.resume(), &rest[..bytes]);
        if corrupt && bytes > 0 {
            let spot = spot as usize % bytes;
            read.scatter(read.resume() + spot, &[rest[spot] ^ (1 << bit)]);
        }
        Ok(bytes)
    }

    fn strikes(&mut self, per_mille: u32) -> bool {
        self.random.next() % 1000 < u64::from(per_mille)
    }
}

impl Backend for SimulatedDevice {
    fn name(&self) -> &'static str {
        "simulated"
    }

    /// As many as the budgets allow begin at once, as they do where other threads look after the device.
    fn submit(&mut self, reads: &mut Vec<DeviceRead>, priority: Priority) {
        self.queue.push(reads, priority);
        self.start();
    }

    fn cancel(&mut self, client: ClientId, priority: Priority, reads: &mut Vec<DeviceRead>) {
        self.queue.cancel(client, priority, reads);
    }

    /// A microsecond of virtual time passes with every question.
    fn try_next(&mut self) -> Option<DeviceDone> {
        self.start();
        let (_, due) = self.first_due()?;
        if due > self.now {
            self.pass(1);
            return None;
        }
        self.end_first()
    }

    /// All of `limit` passes where nothing ends.
    fn wait(&mut self, limit: Duration) -> Result<Option<DeviceDone>, WorkerLost> {
        self.start();
        let end = self.now.saturating_add(limit.as_micros() as u64);
        while self.first_due().is_some_and(|(_, due)| due <= end) {
            if let Some(done) = self.end_first() {
                return Ok(Some(done));
            }
        }
        self.pass(end - self.now);
        Ok(None)
    }

    fn busy(&self) -> Duration {
        Duration::from_micros(self.busy)
    }
}
