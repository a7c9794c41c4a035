//! Ctrl-C and SIGTERM: the work is asked to end, and what it did so far is printed, within a second, even if
//! the work itself waits for a device that never answers.

use flint_engine::CancelToken;
use signal_hook::consts::{SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::iterator::Signals;
use std::process;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

/// How long the work may take to come to an end by itself: a layer of a large model, a piece of a file.
const GRACE: Duration = Duration::from_millis(400);

/// How long printing may take after that: whoever should read may not.
const PRINTING: Duration = Duration::from_millis(200);

/// How often a second signal is looked for meanwhile.
const GLANCE: Duration = Duration::from_millis(10);

/// A shell reports a program that a signal ended as this much plus the number of the signal.
const BY_SIGNAL: i32 = 128;

/// What is printed when the work does not come back.
type FinalReport = Box<dyn FnOnce() + Send>;

/// One command that can be interrupted.
pub(super) struct Interrupt {
    cancel: CancelToken,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    /// The first signal that came; 0 for none.
    signal: AtomicI32,
    /// Whether a thread has claimed the output: it alone prints the end.
    claimed: AtomicBool,
    report: Mutex<Option<FinalReport>>,
}

impl Interrupt {
    /// From now on signals ask for the end instead of being it. Where no thread or descriptor is left to
    /// watch with, they stay what they were.
    pub(super) fn watch() -> Interrupt {
        let interrupt = Interrupt { cancel: CancelToken::default(), shared: Arc::default() };
        let (cancel, shared) = (interrupt.cancel.clone(), Arc::clone(&interrupt.shared));
        let started = Signals::new([SIGINT, SIGTERM]).and_then(|signals| {
            let watch = move || watch(signals, &cancel, &shared);
            thread::Builder::new().name("flint-signals".to_owned()).spawn(watch)
        });
        if let Err(error) = started {
            tracing::info!(%error, "signals are not watched");
        }
        // A file above the limit of the shell is then an error like any other, not the end.
        if let Err(error) = signal_hook::flag::register(SIGXFSZ, Arc::default()) {
            tracing::info!(%error, "limits on files are not caught");
        }
        interrupt
    }

    /// What the work should look at.
    pub(super) fn cancel(&self) -> CancelToken {
        self.cancel.clone()
    }

    /// Chooses what is printed if the work does not come to an end by itself.
    pub(super) fn set_final_report(&self, report: impl FnOnce() + Send + 'static) {
        let mut place = self.shared.report.lock().unwrap_or_else(PoisonError::into_inner);
        *place = Some(Box::new(report));
    }

    /// Prints the final report, in the thread that has claimed the output.
    pub(super) fn print_final_report(&self) {
        let report = self.shared.report.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(report) = report {
            report();
        }
    }

    /// Before the end is printed: only one thread may. Does not return where the other one does.
    pub(super) fn claim_output(&self) {
        if self.shared.claimed.swap(true, Ordering::AcqRel) {
            loop {
                thread::park();
            }
        }
    }

    /// After the end is printed: leaves if a signal asked for it, without waiting for reads in flight.
    pub(super) fn leave_if_asked(&self) {
        if self.cancel.is_cancelled() {
            leave(self.shared.signal.load(Ordering::Acquire));
        }
    }
}

fn watch(mut signals: Signals, cancel: &CancelToken, shared: &Shared) {
    let Some(signal) = signals.forever().next() else { return };
    tracing::debug!(signal, "asked to end");
    shared.signal.store(signal, Ordering::Release);
    cancel.cancel();
    let deadline = Instant::now() + GRACE;
    while Instant::now() < deadline {
        thread::sleep(GLANCE);
        // Whoever asks twice wants no statistics.
        if signals.pending().next().is_some() {
            leave(signal);
        }
    }
    if !shared.claimed.swap(true, Ordering::AcqRel) {
        let report = shared.report.lock().unwrap_or_else(PoisonError::into_inner).take();
        print(report);
    } else {
        thread::sleep(PRINTING);
    }
    leave(signal);
}

/// Prints in a thread of its own, which is left behind if nobody reads.
fn print(report: Option<FinalReport>) {
    let Some(report) = report else { return };
    let (said, heard) = mpsc::channel();
    let thread = thread::Builder::new().spawn(move || {
        report();
        // The listener may have left.
        let _ = said.send(());
    });
    if thread.is_ok() {
        let _ = heard.recv_timeout(PRINTING);
    }
}

/// Ends the process, whatever its threads wait for.
fn leave(signal: i32) -> ! {
    process::exit(BY_SIGNAL + signal)
}
