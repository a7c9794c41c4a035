//! Who computes: an instruction set and a number of threads. Neither changes a bit of any result.

use crate::isa::{IntegerProof, SimdProof};
use crate::{Isa, KernelError};
use rayon::{ThreadPool, ThreadPoolBuilder, Yield};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Work that touches fewer bytes than this runs on the caller's thread alone. On the development
/// machine waking another one costs about 10 us; half of this, read from memory, takes as long.
const WORTH_WAKING: usize = 256 << 10;

/// The same while other threads are awake: they take work within a microsecond.
const WORTH_SHARING: usize = 32 << 10;

/// How long a thread without work stays awake, asking for more: longer than the pause between two products of a small
/// model, short beside a read. Of a model of 135 million weights a token took a third less time with it.
const LINGER: Duration = Duration::from_micros(40);

/// An instruction set and the threads that run it. Cloning shares the threads.
#[derive(Debug, Clone)]
pub struct Compute {
    isa: Isa,
    path: SimdProof,
    integer_path: IntegerProof,
    threads: usize,
    /// The threads beside the caller's own; `None` when there are none.
    helpers: Option<Arc<ThreadPool>>,
    /// How many of them are awake without work.
    lingering: Arc<AtomicUsize>,
}

impl Compute {
    /// Computes with `isa` on `threads` threads: the caller's and `threads - 1` of its own.
    ///
    /// # Errors
    /// When this CPU lacks `isa` or the system refuses the threads.
    ///
    /// # Panics
    /// When `threads` is zero.
    pub fn new(isa: Isa, threads: usize) -> Result<Compute, KernelError> {
        assert!(threads > 0, "at least one thread computes");
        let unavailable = || KernelError::IsaUnavailable { isa, available: Isa::available() };
        let path = SimdProof::detect(isa).ok_or_else(unavailable)?;
        let integer_path = IntegerProof::detect(isa).ok_or_else(unavailable)?;
        let helpers = if threads > 1 { Some(Arc::new(start(threads - 1)?)) } else { None };
        let lingering = Arc::default();
        Ok(Compute { isa, path, integer_path, threads, helpers, lingering })
    }

    /// The instruction set in use.
    pub fn isa(&self) -> Isa {
        self.isa
    }

    /// Threads that compute at once, the caller's included.
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// The instruction set, proven.
    pub(crate) fn path(&self) -> SimdProof {
        self.path
    }

    /// What multiplies integers, proven.
    pub(crate) fn integer_path(&self) -> IntegerProof {
        self.integer_path
    }

    /// Gives every item of `work` to `body`, in any order, on all threads; `bytes` is how much memory
    /// the whole touches. Threads take the next item when they are done with one, so a thread
    /// that the system holds up delays one item and not its share of all.
    pub fn share<T: Send>(
        &self,
        bytes: usize,
        work: impl Iterator<Item = T> + Send,
        body: impl Fn(T) + Sync,
    ) {
        let awake = self.lingering.load(Ordering::Relaxed) > 0;
        let worth = if awake { WORTH_SHARING } else { WORTH_WAKING };
        let helpers = match &self.helpers {
            Some(helpers) if bytes >= worth => helpers,
            _ => return work.for_each(body),
        };
        let work = Mutex::new(work);
        let next = || work.lock().unwrap_or_else(PoisonError::into_inner).next();
        let drain = || {
            while let Some(item) = next() {
                body(item);
            }
        };
        let busy = AtomicUsize::new(self.threads - 1);
        helpers.in_place_scope(|scope| {
            for _ in 1..self.threads {
                scope.spawn(|_| {
                    drain();
                    busy.fetch_sub(1, Ordering::Release);
                });
            }
            drain();
            // The end of the scope would put this thread to sleep where the last item takes a little longer.
            spin_while(|| busy.load(Ordering::Acquire) > 0);
        });
        self.stay_awake(helpers);
    }

    /// Lets threads that have run out of work ask for more for a while before they sleep.
    fn stay_awake(&self, helpers: &ThreadPool) {
        while self.lingering.load(Ordering::Relaxed) < self.threads - 1 {
            self.lingering.fetch_add(1, Ordering::Relaxed);
            let lingering = self.lingering.clone();
            helpers.spawn(move || {
                let mut last = Instant::now();
                while last.elapsed() < LINGER {
                    match rayon::yield_now() {
                        Some(Yield::Executed) => last = Instant::now(),
                        _ => std::hint::spin_loop(),
                    }
                }
                lingering.fetch_sub(1, Ordering::Relaxed);
            });
        }
    }
}

/// Waits while `busy`, at most as long as a thread without work stays awake.
fn spin_while(busy: impl Fn() -> bool) {
    let started = Instant::now();
    while busy() && started.elapsed() < LINGER {
        std::hint::spin_loop();
    }
}

fn start(threads: usize) -> Result<ThreadPool, KernelError> {
    ThreadPoolBuilder::new()
        .num_threads(threads)
        .thread_name(|index| format!("flint-compute-{index}"))
        .build()
        .map_err(|cause| KernelError::Threads { threads, cause: Box::new(cause) })
}
