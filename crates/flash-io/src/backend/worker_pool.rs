//! Threads that pull reads from the queue and send them back: what io_uring and the pool of threads have in common.

use crate::submission_queue::SubmissionQueue;
use crate::{Backend, ClientId, DeviceDone, DeviceRead, Priority, WorkerLost};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long dropping a pool waits: enough for every healthy device, which needs milliseconds.
pub(crate) const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(2);

/// A backend whose work is done by threads.
pub(crate) struct WorkerPool {
    pub(crate) name: &'static str,
    pub(crate) queue: Arc<SubmissionQueue>,
    /// Every worker holds a sender, so the channel is closed when the last one has gone.
    pub(crate) done: Receiver<DeviceDone>,
    pub(crate) threads: Vec<JoinHandle<()>>,
    /// How long dropping waits for reads in flight.
    pub(crate) shutdown_timeout: Duration,
}

impl Backend for WorkerPool {
    fn name(&self) -> &'static str {
        self.name
    }

    fn submit(&mut self, reads: &mut Vec<DeviceRead>, priority: Priority) {
        self.queue.push(reads, priority);
    }

    fn cancel(&mut self, client: ClientId, priority: Priority, reads: &mut Vec<DeviceRead>) {
        self.queue.cancel(client, priority, reads);
    }

    fn try_next(&mut self) -> Option<DeviceDone> {
        self.done.try_recv().ok()
    }

    fn wait(&mut self, limit: Duration) -> Result<Option<DeviceDone>, WorkerLost> {
        match self.done.recv_timeout(limit) {
            Ok(done) => Ok(Some(done)),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            // Workers go home only after `close`, which Drop calls, and a worker that panics.
            Err(RecvTimeoutError::Disconnected) => Err(WorkerLost),
        }
    }

    fn busy(&self) -> Duration {
        self.queue.busy()
    }
}

impl Drop for WorkerPool {
    /// Waits for reads in flight, but not for ever. A thread that a stalled device holds is left behind together
    /// with its read: the leases in it are leaked on purpose, because the device may still write to them.
    fn drop(&mut self) {
        self.queue.close();
        let deadline = Instant::now() + self.shutdown_timeout;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.done.recv_timeout(left) {
                Ok(done) => drop(done),
                Err(RecvTimeoutError::Timeout) => return,
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        for thread in self.threads.drain(..) {
            // A panic of the thread has been reported by the panic itself.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::{Piece, RecordPiece};
    use crate::{FileId, ReadError};
    use flint_iobuf::Pool;
    use std::sync::mpsc;
    use std::task::{Poll, Waker};

    /// A pool of one worker that takes a read and then waits for `release`.
    fn stalled(release: mpsc::Receiver<()>) -> WorkerPool {
        let queue = Arc::new(SubmissionQueue::new(1, 1));
        let (sender, done) = mpsc::channel();
        let shared = Arc::clone(&queue);
        let worker = std::thread::spawn(move || {
            let taken = loop {
                if let Poll::Ready(taken) = shared.poll_take(&mut None, Waker::noop()) {
                    break taken;
                }
                std::thread::yield_now();
            };
            let _ = release.recv();
            drop((taken, sender));
        });
        let shutdown_timeout = Duration::from_millis(20);
        WorkerPool { name: "stalled", queue, done, threads: vec![worker], shutdown_timeout }
    }

    #[test]
    fn a_stalled_device_keeps_its_memory_and_does_not_hold_the_program() -> Result<(), ReadError> {
        let places = Pool::new(2, 4096)?;
        let (release, released) = mpsc::channel();
        let mut pool = stalled(released);
        let queue = Arc::clone(&pool.queue);
        for tag in 0..2 {
            let into = places.take().unwrap();
            let piece =
                Piece::Record(RecordPiece { tag, part: None, into, bytes: 512, at: 0..512 });
            let read = DeviceRead::new(FileId(0), 0, 512, vec![piece]);
            pool.submit(&mut vec![read], Priority::Demand);
        }
        while queue.busy() == Duration::ZERO {
            std::thread::yield_now();
        }
        let waited = pool.wait(Duration::from_millis(1));
        assert!(matches!(waited, Ok(None)), "a wait ends, whatever the device does");
        drop(pool);
        assert_eq!(places.available(), 1, "the queued read is given up, the one in flight is not");
        drop(release);
        while places.available() < 2 {
            std::thread::yield_now();
        }
        Ok(())
    }

    #[test]
    fn reads_of_workers_that_are_gone_are_waited_for_no_longer() {
        let queue = Arc::new(SubmissionQueue::new(1, 1));
        let (sender, done) = mpsc::channel();
        let shared = Arc::clone(&queue);
        let worker = std::thread::spawn(move || {
            let (_alarm, _sender) = (shared.close_on_panic(), sender);
            panic!("on purpose");
        });
        let (threads, shutdown_timeout) = (vec![worker], SHUTDOWN_TIMEOUT);
        let mut pool = WorkerPool { name: "lost", queue, done, threads, shutdown_timeout };
        assert!(pool.wait(Duration::from_secs(60)).is_err());
    }
}
