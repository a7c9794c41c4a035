//! The way to the device that works everywhere: a pool of threads, each with one `preadv` at a time.
#![expect(unsafe_code, reason = "preadv into lent memory: see docs/UNSAFE.md")]

use super::scatter::{Destinations, DiscardBuffer};
use super::worker_pool::{SHUTDOWN_TIMEOUT, WorkerPool};
use crate::submission_queue::SubmissionQueue;
use crate::{Backend, DeviceDone, DeviceRead, FileSet, Options, ReadError, Step};
use std::sync::Arc;
use std::sync::mpsc::{self, Sender};
use std::task::{Poll, Wake, Waker};
use std::thread::{self, Thread};

/// Starts the pool.
pub(crate) fn start(
    files: &Arc<FileSet>,
    options: &Options,
) -> Result<Box<dyn Backend>, ReadError> {
    let discard = Arc::new(DiscardBuffer::new(options.merge)?);
    let queue = Arc::new(SubmissionQueue::new(options.max_requests, options.max_bytes));
    let (sender, done) = mpsc::channel();
    let (threads, shutdown_timeout) = (Vec::new(), SHUTDOWN_TIMEOUT);
    let mut pool = WorkerPool { name: "threads", queue, done, threads, shutdown_timeout };
    for number in 0..options.threads.clamp(1, options.max_requests) {
        let worker = Worker {
            files: Arc::clone(files),
            discard: Arc::clone(&discard),
            queue: Arc::clone(&pool.queue),
            done: sender.clone(),
        };
        let thread = thread::Builder::new()
            .name(format!("flint-read-{number}"))
            .spawn(move || worker.run())
            .map_err(|cause| ReadError::Threads { cause })?;
        pool.threads.push(thread);
    }
    Ok(Box::new(pool))
}

struct Worker {
    files: Arc<FileSet>,
    discard: Arc<DiscardBuffer>,
    queue: Arc<SubmissionQueue>,
    done: Sender<DeviceDone>,
}

impl Worker {
    fn run(self) {
        let _alarm = self.queue.close_on_panic();
        let mut destinations = Destinations::default();
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        let mut finished = None;
        loop {
            match self.queue.poll_take(&mut finished, &waker) {
                Poll::Pending => thread::park(),
                Poll::Ready(None) => return,
                Poll::Ready(Some(mut read)) => {
                    let failure = loop {
                        let attempt = self.attempt(&mut read, &mut destinations);
                        if let Step::End(failure) = read.advance(attempt) {
                            break failure;
                        }
                        if attempt == Err(libc::EAGAIN) {
                            thread::yield_now();
                        }
                    };
                    finished = Some(read.bytes());
                    // Nobody listens any more when the pool has been left behind: the read is dropped.
                    let _ = self.done.send(DeviceDone { read, failure });
                }
            }
        }
    }

    fn attempt(&self, read: &mut DeviceRead, places: &mut Destinations) -> Result<usize, i32> {
        places.aim(read, &self.discard);
        let list = places.list();
        let offset = read.offset() + read.resume() as u64;
        let file = self.files.descriptor(read.file());
        // SAFETY: each destination lies in a lease that `read` owns, or in the discard buffer; both outlive this call,
        // which returns when the kernel is done with them. The list itself is not changed meanwhile.
        let bytes = unsafe {
            libc::preadv(file, list.as_ptr(), list.len() as libc::c_int, offset as libc::off_t)
        };
        usize::try_from(bytes).map_err(|_| super::last_error())
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}
