//! Ctrl-C stops an answer, not the program; where nothing is being answered, or it was pressed before, it leaves.

use flint_engine::CancelToken;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals as Watched;
use std::process;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// A shell reports a program that a signal ended as this much plus the number of the signal.
const BY_SIGNAL: i32 = 128;

/// Knows what an interrupt is to stop.
#[derive(Debug, Default)]
pub(super) struct Signals {
    answer: Arc<Mutex<Option<CancelToken>>>,
}

impl Signals {
    /// From now on signals are heard. Where no thread is left to listen with, they end the program.
    pub(super) fn watch() -> Signals {
        let signals = Signals::default();
        let answer = Arc::clone(&signals.answer);
        let started = Watched::new([SIGINT, SIGTERM]).and_then(|watched| {
            let watch = move || watch(watched, &answer);
            thread::Builder::new().name("flint-signals".to_owned()).spawn(watch)
        });
        if let Err(error) = started {
            tracing::info!(%error, "signals are not watched");
        }
        signals
    }

    /// An answer begins; an interrupt cancels the token.
    pub(super) fn begin(&self) -> CancelToken {
        let token = CancelToken::default();
        *self.answer.lock().unwrap_or_else(PoisonError::into_inner) = Some(token.clone());
        token
    }

    /// The answer is over.
    pub(super) fn end(&self) {
        *self.answer.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

fn watch(mut watched: Watched, answer: &Mutex<Option<CancelToken>>) {
    for signal in watched.forever() {
        let answer = answer.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match answer {
            Some(token) if signal == SIGINT && !token.is_cancelled() => token.cancel(),
            _ => process::exit(BY_SIGNAL + signal),
        }
    }
}
