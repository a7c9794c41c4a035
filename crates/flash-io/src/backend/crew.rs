//! Threads that pull reads from the intake and send them back: what io_uring and the pool have in common.

use crate::intake::Intake;
use crate::{Backend, DeviceDone, DeviceRead, Urgency};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Enough for every healthy device, which needs milliseconds.
pub(crate) const PATIENCE: Duration = Duration::from_secs(2);

/// A backend whose work is done by threads.
pub(crate) struct Crew {
    pub(crate) name: &'static str,
    pub(crate) intake: Arc<Intake>,
    /// Every worker holds a sender, so the channel is closed when the last one has gone.
    pub(crate) done: Receiver<DeviceDone>,
    pub(crate) threads: Vec<JoinHandle<()>>,
    /// How long dropping waits for reads in flight.
    pub(crate) patience: Duration,
}

impl Backend for Crew {
    fn name(&self) -> &'static str {
        self.name
    }

    fn submit(&mut self, reads: &mut Vec<DeviceRead>, urgency: Urgency) {
        self.intake.push(reads, urgency);
    }

    fn recall(&mut self, reads: &mut Vec<DeviceRead>) {
        self.intake.recall(reads);
    }

    fn try_next(&mut self) -> Option<DeviceDone> {
        self.done.try_recv().ok()
    }

    fn next(&mut self) -> DeviceDone {
        // Workers go home only after `close`, which only Drop calls: a closed channel is a worker that
        // panicked, and going on would wait for its reads for ever.
        self.done.recv().unwrap_or_else(|_| panic!("a thread that reads files has panicked"))
    }

    fn busy(&self) -> Duration {
        self.intake.busy()
    }
}

impl Drop for Crew {
    /// Waits for reads in flight, but not for ever. A thread that a stalled device holds is left behind together
    /// with its read: the leases in it are leaked on purpose, because the device may still write to them.
    fn drop(&mut self) {
        self.intake.close();
        let deadline = Instant::now() + self.patience;
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

    /// A crew of one worker that takes a read and then waits for `release`.
    fn stalled(release: mpsc::Receiver<()>) -> Crew {
        let intake = Arc::new(Intake::new(1, 1));
        let (sender, done) = mpsc::channel();
        let queue = Arc::clone(&intake);
        let worker = std::thread::spawn(move || {
            let taken = loop {
                if let Poll::Ready(taken) = queue.poll_take(&mut None, Waker::noop()) {
                    break taken;
                }
                std::thread::yield_now();
            };
            let _ = release.recv();
            drop((taken, sender));
        });
        let patience = Duration::from_millis(20);
        Crew { name: "stalled", intake, done, threads: vec![worker], patience }
    }

    #[test]
    fn a_stalled_device_keeps_its_memory_and_does_not_hold_the_program() -> Result<(), ReadError> {
        let pool = Pool::new(2, 4096)?;
        let (release, released) = mpsc::channel();
        let mut crew = stalled(released);
        let intake = Arc::clone(&crew.intake);
        for tag in 0..2 {
            let into = pool.take().unwrap();
            let piece = Piece::Record(RecordPiece { tag, into, bytes: 512, at: 0..512 });
            let read = DeviceRead::new(FileId(0), 0, 512, vec![piece]);
            crew.submit(&mut vec![read], Urgency::Exact);
        }
        while intake.busy() == Duration::ZERO {
            std::thread::yield_now();
        }
        drop(crew);
        assert_eq!(pool.available(), 1, "the queued read is given up, the one in flight is not");
        drop(release);
        while pool.available() < 2 {
            std::thread::yield_now();
        }
        Ok(())
    }
}
