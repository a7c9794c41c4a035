//! The scheduler: requests become sequences of one engine, which has a thread of its own.
//!
//! A request waits in a bounded queue, first in, first out, until there are pages for its prompt and all tokens that it may
//! generate: a running answer never loses pages. New requests join at the next pass. A pass has one row for each answer,
//! and of prompts as many rows as leave the others' tokens no more than twice as long in coming. What an answer is depends
//! on none of this.

mod choose;
mod gone;
mod job;
mod pace;
mod prefixes;
mod queue;
mod running;
mod sessions;
mod step;
mod text;
mod work;

pub use job::{Chosen, Ended, Job, Likely, Penalties, Ticket, Update};
pub use queue::Refused;
pub use sessions::{SessionCounts, Sessions};

use crate::metrics::Metrics;
use crate::view::{View, Watcher};
use flint_engine::{Engine, Tokenizer};
use queue::Queue;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use work::Work;

/// Takes requests for one engine. Clones share it.
#[derive(Debug, Clone)]
pub struct Scheduler {
    queue: Arc<Queue>,
    metrics: Arc<Metrics>,
    stop: Arc<AtomicBool>,
    /// The model's name, and where what is done is shown.
    view: Option<(String, Arc<View>)>,
    sessions: Option<Arc<Sessions>>,
    /// How long a request may take, waiting included.
    longest: Option<Duration>,
}

impl Scheduler {
    /// A scheduler whose queue holds `most_waiting` requests; nothing is answered before [`Scheduler::run`].
    pub fn new(most_waiting: usize, metrics: Arc<Metrics>) -> Scheduler {
        let queue = Arc::new(Queue::new(most_waiting));
        Scheduler {
            queue,
            metrics,
            stop: Arc::default(),
            view: None,
            sessions: None,
            longest: None,
        }
    }

    /// The same, showing what it does.
    pub(crate) fn with_view(self, name: &str, view: Arc<View>) -> Scheduler {
        Scheduler { view: Some((name.to_owned(), view)), ..self }
    }

    /// The same, with conversations that outlive it.
    #[must_use]
    pub fn with_sessions(self, sessions: Sessions) -> Scheduler {
        Scheduler { sessions: Some(Arc::new(sessions)), ..self }
    }

    /// The same, with an end to requests that take longer, waiting included: an answer that was begun ends as one that
    /// has its most tokens, others fail.
    #[must_use]
    pub fn with_longest(self, longest: Option<Duration>) -> Scheduler {
        Scheduler { longest, ..self }
    }

    /// Answers requests on `engine` in this thread, until [`Scheduler::close`] was called and everybody is answered.
    pub fn run(&self, engine: Engine, codec: &Tokenizer) {
        let watch = self.view.as_ref().map(|(name, view)| (Watcher::new(name, &engine), &**view));
        let sessions = self.sessions.as_deref();
        Work::new(engine, codec, &self.queue, &self.metrics, &self.stop, watch)
            .run(sessions, self.longest);
    }

    /// Asks for something. Dropping the ticket takes the request back.
    ///
    /// # Errors
    /// When as many wait as may, or the scheduler was closed.
    pub fn ask(&self, job: Job) -> Result<Ticket, Refused> {
        let ticket = self.queue.push(job, &self.metrics);
        if ticket.is_err() {
            self.metrics.refused();
        }
        ticket
    }

    /// Requests that wait.
    pub fn waiting(&self) -> usize {
        self.queue.len()
    }

    /// Takes no more requests; those that were taken are answered.
    pub fn close(&self) {
        self.queue.close();
    }

    /// Takes no more requests, and ends those that were taken with an error.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Release);
        self.close();
    }
}
