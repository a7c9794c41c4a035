//! The way to the device that works everywhere: a pool of threads, each with one `preadv` at a time.
#![expect(unsafe_code, reason = "preadv into lent memory: see docs/UNSAFE.md")]

use super::crew::{Crew, PATIENCE};
use super::scatter::{Destinations, Sink};
use crate::intake::Intake;
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
    let sink = Arc::new(Sink::new(options.merge)?);
    let intake = Arc::new(Intake::new(options.max_requests, options.max_bytes));
    let (sender, done) = mpsc::channel();
    let mut crew = Crew { name: "threads", intake, done, threads: Vec::new(), patience: PATIENCE };
    for number in 0..options.threads.clamp(1, options.max_requests) {
        let worker = Worker {
            files: Arc::clone(files),
            sink: Arc::clone(&sink),
            intake: Arc::clone(&crew.intake),
            done: sender.clone(),
        };
        let thread = thread::Builder::new()
            .name(format!("flint-read-{number}"))
            .spawn(move || worker.run())
            .map_err(|cause| ReadError::Threads { cause })?;
        crew.threads.push(thread);
    }
    Ok(Box::new(crew))
}

struct Worker {
    files: Arc<FileSet>,
    sink: Arc<Sink>,
    intake: Arc<Intake>,
    done: Sender<DeviceDone>,
}

impl Worker {
    fn run(self) {
        let _alarm = self.intake.close_on_panic();
        let mut destinations = Destinations::default();
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        let mut finished = None;
        loop {
            match self.intake.poll_take(&mut finished, &waker) {
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
                    // Nobody listens any more when the crew has been left behind: the read is dropped.
                    let _ = self.done.send(DeviceDone { read, failure });
                }
            }
        }
    }

    fn attempt(&self, read: &mut DeviceRead, places: &mut Destinations) -> Result<usize, i32> {
        places.aim(read, &self.sink);
        let list = places.list();
        let offset = read.offset() + read.resume() as u64;
        let file = self.files.descriptor(read.file());
        // SAFETY: each destination lies in a lease that `read` owns, or in the sink; both outlive this call,
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
