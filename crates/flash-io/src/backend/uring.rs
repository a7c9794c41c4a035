//! The way to the device over io_uring: one thread, one ring, as many long-lived tasks as reads in flight.
//!
//! The only file that knows tokio-uring. It holds no unsafe block, for the library takes addresses from
//! safe code; what it relies on all the same: the operation owns the read and the list of addresses until its
//! completion arrives, and a dropped operation is kept by the driver, which waits for the kernel.

use super::scatter::{Destinations, DiscardBuffer};
use super::worker_pool::{SHUTDOWN_TIMEOUT, WorkerPool};
use crate::submission_queue::SubmissionQueue;
use crate::{Backend, DeviceDone, DeviceRead, FileSet, Options, ReadError, Step};
use io_uring::{IoUring, cqueue, opcode, squeue, types};
use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{self, Sender};
use std::thread;
use tokio_uring::{OneshotOutputTransform, Runtime, UnsubmittedOneshot};

/// Most bytes of one plain read; the kernel stops a little below 2 GiB, and the rest is read next.
const MAX_PLAIN: usize = 1 << 30;

/// Starts the ring's thread and learns from it whether the system allows a ring.
pub(crate) fn start(
    files: &Arc<FileSet>,
    options: &Options,
) -> Result<Box<dyn Backend>, ReadError> {
    let queue = Arc::new(SubmissionQueue::new(options.max_requests, options.max_bytes));
    let (sender, done) = mpsc::channel();
    let worker = Worker {
        files: Arc::clone(files),
        discard: Arc::new(DiscardBuffer::new(options.merge)?),
        queue: Arc::clone(&queue),
        done: sender,
    };
    let tasks = options.max_requests;
    let (announce, announced) = mpsc::channel();
    let thread = thread::Builder::new()
        .name("flint-read-uring".to_owned())
        .spawn(move || {
            let runtime = match open_ring(tasks) {
                Ok(runtime) => runtime,
                Err(cause) => return drop(announce.send(Err(cause))),
            };
            if announce.send(Ok(())).is_ok() {
                runtime.block_on(worker.run(tasks));
            }
        })
        .map_err(|cause| ReadError::Threads { cause })?;
    match announced.recv() {
        Ok(Ok(())) => Ok(Box::new(WorkerPool {
            name: "uring",
            queue,
            done,
            threads: vec![thread],
            shutdown_timeout: SHUTDOWN_TIMEOUT,
        })),
        Ok(Err(cause)) => Err(ReadError::UringRefused { cause }),
        Err(_) => Err(ReadError::UringRefused { cause: io::ErrorKind::Other.into() }),
    }
}

/// `tokio_uring::start` would panic where io_uring is denied; this says so.
fn open_ring(requests: usize) -> io::Result<Runtime> {
    enter()?;
    let entries = u32::try_from(requests.next_power_of_two()).unwrap_or(u32::MAX).min(4096);
    Runtime::new(tokio_uring::builder().entries(entries))
}

/// Enters a ring that has nothing to do. A sandbox may allow a ring to be set up and deny entering it, and a read would then
/// wait for ever.
fn enter() -> io::Result<()> {
    match IoUring::new(1)?.submitter().squeue_wait() {
        // Entered: an older kernel does not know the flag.
        Err(cause) if cause.raw_os_error() == Some(libc::EINVAL) => Ok(()),
        entered => entered.map(drop),
    }
}

#[derive(Clone)]
struct Worker {
    files: Arc<FileSet>,
    discard: Arc<DiscardBuffer>,
    queue: Arc<SubmissionQueue>,
    done: Sender<DeviceDone>,
}

impl Worker {
    async fn run(self, tasks: usize) {
        let tasks: Vec<_> = (0..tasks).map(|_| tokio_uring::spawn(self.clone().pull())).collect();
        drop(self);
        for task in tasks {
            // A panic of the task has been reported by the panic itself.
            let _ = task.await;
        }
    }

    /// Takes one read after the other. A read and its memory are moved into the operation and back.
    async fn pull(self) {
        let _alarm = self.queue.close_on_panic();
        let mut destinations = Destinations::default();
        let mut finished = None;
        loop {
            let take = poll_fn(|cx| self.queue.poll_take(&mut finished, cx.waker()));
            let Some(mut read) = take.await else { return };
            let failure = loop {
                let attempt;
                (read, destinations, attempt) = self.attempt(read, destinations).await;
                if let Step::End(failure) = read.advance(attempt) {
                    break failure;
                }
                if attempt == Err(libc::EAGAIN) {
                    tokio::task::yield_now().await;
                }
            };
            finished = Some(read.bytes());
            // Nobody listens any more when the pool has been left behind: the read is dropped.
            let _ = self.done.send(DeviceDone { read, failure });
        }
    }

    async fn attempt(&self, mut read: DeviceRead, mut destinations: Destinations) -> Attempt {
        destinations.aim(&mut read, &self.discard);
        let entry = self.entry(&read, destinations.list());
        let owned = Owned {
            read,
            destinations,
            _files: Arc::clone(&self.files),
            _discard: Arc::clone(&self.discard),
        };
        UnsubmittedOneshot::new(owned, HandBack, entry).submit().await
    }

    fn entry(&self, read: &DeviceRead, list: &[libc::iovec]) -> squeue::Entry {
        let file = types::Fd(self.files.descriptor(read.file()));
        let offset = read.offset() + read.resume() as u64;
        match list {
            [one] => {
                let bytes = one.iov_len.min(MAX_PLAIN) as u32;
                opcode::Read::new(file, one.iov_base.cast(), bytes).offset(offset).build()
            }
            many => {
                opcode::Readv::new(file, many.as_ptr(), many.len() as u32).offset(offset).build()
            }
        }
    }
}

/// All that the kernel uses while the operation is in flight.
struct Owned {
    read: DeviceRead,
    destinations: Destinations,
    _files: Arc<FileSet>,
    _discard: Arc<DiscardBuffer>,
}

/// What comes back: the read, the list for the next one, and bytes or an error number.
type Attempt = (DeviceRead, Destinations, Result<usize, i32>);

struct HandBack;

impl OneshotOutputTransform for HandBack {
    type Output = Attempt;
    type StoredData = Owned;

    fn transform_oneshot_output(self, data: Owned, entry: cqueue::Entry) -> Attempt {
        let result = entry.result();
        (data.read, data.destinations, usize::try_from(result).map_err(|_| -result))
    }
}
