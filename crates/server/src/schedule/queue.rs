//! Requests that wait: first in, first out, a bounded number of them.

use super::job::{Job, Queued, Ticket};
use crate::metrics::Metrics;
use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Why a request cannot wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// As many wait as may.
    #[error("{waiting} requests wait already: try again later")]
    Full {
        /// How many.
        waiting: usize,
    },
    /// No more are taken.
    #[error("the server is shutting down")]
    Closing,
}

/// The queue between those who ask and the engine.
#[derive(Debug)]
pub(super) struct Queue {
    state: Mutex<State>,
    /// Something came, or the queue was closed.
    changed: Condvar,
    most: usize,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Queued>,
    closed: bool,
}

impl Queue {
    pub(super) fn new(most: usize) -> Queue {
        Queue { state: Mutex::default(), changed: Condvar::new(), most }
    }

    /// Puts a request at the end.
    pub(super) fn push(&self, job: Job, metrics: &Metrics) -> Result<Ticket, Refused> {
        let mut state = self.lock();
        if state.closed {
            return Err(Refused::Closing);
        }
        // Whoever left does not take a place from others.
        let before = state.waiting.len();
        state.waiting.retain(|queued| !queued.gone.is_gone());
        let waiting = state.waiting.len();
        metrics.cancelled(before - waiting);
        if waiting >= self.most {
            return Err(Refused::Full { waiting });
        }
        let (queued, ticket) = Ticket::issue(job);
        state.waiting.push_back(queued);
        metrics.taken();
        self.changed.notify_all();
        Ok(ticket)
    }

    /// Takes the first request if `fits` says that there is room for it. Those behind it wait with it.
    pub(super) fn pop_if(
        &self,
        metrics: &Metrics,
        fits: &mut dyn FnMut(&Job) -> bool,
    ) -> Option<Queued> {
        let mut state = self.lock();
        while state.waiting.front().is_some_and(|queued| queued.gone.is_gone()) {
            state.waiting.pop_front();
            metrics.cancelled(1);
        }
        let first = state.waiting.front()?;
        if fits(&first.job) { state.waiting.pop_front() } else { None }
    }

    /// Waits until something is there; false when nothing will come any more.
    pub(super) fn wait(&self) -> bool {
        let mut state = self.lock();
        loop {
            if !state.waiting.is_empty() {
                return true;
            }
            if state.closed {
                return false;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// No more requests are taken; those that wait are answered.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.lock().waiting.iter().filter(|queued| !queued.gone.is_gone()).count()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
