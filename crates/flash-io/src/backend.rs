//! The seam between the reader and a device, and the choice between the ways to reach it.

mod scatter;
pub(crate) mod simulated;
mod threads;
#[cfg(target_os = "linux")]
mod uring;
mod worker_pool;

use crate::{
    BackendChoice, ClientId, DeviceDone, DeviceRead, FileSet, Options, Priority, ReadError,
    WorkerLost,
};
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// A device that reads. Implementations: io_uring, a pool of threads, a simulation.
///
/// A backend owns every read it was given until it hands it back; the memory in it belongs to the
/// device in the meantime. Dropping a backend must not free memory that a device may still write to, and
/// must not wait for ever. The more urgent reads are begun first; otherwise order is free, in beginning and
/// in ending.
pub trait Backend: Send {
    /// A word for reports.
    fn name(&self) -> &'static str;

    /// Queues `reads` and leaves the vector empty. Never waits for the device.
    fn submit(&mut self, reads: &mut Vec<DeviceRead>, priority: Priority);

    /// Moves those of a client's reads of a priority that the device was not given yet to `reads`: nobody needs them
    /// any more.
    fn cancel(&mut self, client: ClientId, priority: Priority, reads: &mut Vec<DeviceRead>);

    /// A read that has ended, if there is one. Never waits for the device.
    fn try_next(&mut self) -> Option<DeviceDone>;

    /// Waits for a read to end, for `limit` at most. The caller knows that at least one is queued or in flight.
    ///
    /// # Errors
    /// When the reads that are left will never end, for whoever worked on them is gone.
    fn wait(&mut self, limit: Duration) -> Result<Option<DeviceDone>, WorkerLost>;

    /// Time so far in which at least one read was in flight.
    fn busy(&self) -> Duration;
}

/// Starts a way to the device.
pub(crate) type Start = fn(&Arc<FileSet>, &Options) -> Result<Box<dyn Backend>, ReadError>;

/// Starts the way that `options` ask for. Where it is left open and `start_uring` is refused, the pool of
/// threads is used instead, and the reason is added to `reasons`.
pub(crate) fn start(
    files: &Arc<FileSet>,
    options: &Options,
    start_uring: Start,
    reasons: &mut Vec<String>,
) -> Result<Box<dyn Backend>, ReadError> {
    match options.backend {
        BackendChoice::Threads => threads::start(files, options),
        BackendChoice::Uring => start_uring(files, options),
        BackendChoice::Auto => start_uring(files, options).or_else(|refusal| {
            tracing::info!(%refusal, "reading with a pool of threads");
            reasons.push(refusal.to_string());
            threads::start(files, options)
        }),
    }
}

/// Starts io_uring.
#[cfg(target_os = "linux")]
pub(crate) const URING: Start = uring::start;

/// Refuses: io_uring is a matter of Linux.
#[cfg(not(target_os = "linux"))]
pub(crate) const URING: Start =
    |_, _| Err(ReadError::UringRefused { cause: io::ErrorKind::Unsupported.into() });

/// The error of a read that the system could not even be asked for.
fn last_error() -> i32 {
    io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO)
}
