//! What every route works with.

use crate::form::{Form, Forms};
use crate::hosted::Hosted;
use crate::http::{Bodies, Guard, Problem};
use crate::metrics::Metrics;
use crate::schedule::{Job, Refused, Scheduler, Ticket};
use crate::view::View;
use axum::http::StatusCode;
use flint_chat::Moment;
use flint_engine::Sampling;
use serde_json::Value;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};
use tokio::sync::Notify;

/// What is taken where a request says nothing.
#[derive(Debug, Clone, Copy)]
pub struct Defaults {
    /// How tokens are chosen; its seed is not taken.
    pub sampling: Sampling,
    /// What templates take for now; the clock of the machine when `None`.
    pub now: Option<Moment>,
}

const LOADING: u8 = 0;
const READY: u8 = 1;
const CLOSING: u8 = 2;

/// The server as its routes see it.
pub(crate) struct App {
    pub(crate) hosted: Arc<Hosted>,
    pub(crate) scheduler: Scheduler,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) guard: Guard,
    pub(crate) bodies: Bodies,
    pub(crate) defaults: Defaults,
    pub(crate) view: Arc<View>,
    /// Tells whoever only looks on that the server ends.
    pub(crate) closed: Arc<Notify>,
    /// Made when the first answer wants a form.
    forms: OnceLock<Result<Forms, String>>,
    stage: AtomicU8,
}

impl App {
    pub(crate) fn new(
        hosted: Hosted,
        scheduler: Scheduler,
        metrics: Arc<Metrics>,
        view: Arc<View>,
        guard: Guard,
        defaults: Defaults,
    ) -> App {
        App {
            hosted: Arc::new(hosted),
            scheduler,
            metrics,
            guard,
            bodies: Bodies::default(),
            defaults,
            view,
            closed: Arc::default(),
            forms: OnceLock::new(),
            stage: AtomicU8::new(LOADING),
        }
    }

    /// The model is loaded. A server that is closing stays so.
    pub(crate) fn set_ready(&self) {
        let _ = self.stage.compare_exchange(LOADING, READY, Ordering::AcqRel, Ordering::Acquire);
    }

    pub(crate) fn set_closing(&self) {
        self.stage.store(CLOSING, Ordering::Release);
        self.closed.notify_waiters();
    }

    /// Whether the server is ending.
    pub(crate) fn is_closing(&self) -> bool {
        self.stage.load(Ordering::Acquire) == CLOSING
    }

    /// Refuses what cannot be answered yet, or any more.
    pub(crate) fn ready(&self) -> Result<(), Problem> {
        let later = |message| Problem::later(StatusCode::SERVICE_UNAVAILABLE, message, 5);
        match self.stage.load(Ordering::Acquire) {
            LOADING => Err(later("Loading model")),
            READY => Ok(()),
            _ => Err(later("the server is shutting down")),
        }
    }

    /// Gives a job to the engine.
    pub(crate) fn ask(&self, job: Job) -> Result<Ticket, Problem> {
        self.scheduler.ask(job).map_err(|refused| {
            let status = match refused {
                Refused::Full { .. } => StatusCode::TOO_MANY_REQUESTS,
                Refused::Closing => StatusCode::SERVICE_UNAVAILABLE,
            };
            Problem::later(status, refused.to_string(), 2)
        })
    }

    /// The form of answers that are JSON of `schema`, which stands in the field `name` of a request. Making one is work, so
    /// a thread of its own does it.
    pub(crate) async fn form(self: &Arc<App>, schema: Value, name: &str) -> Result<Form, Problem> {
        let app = Arc::clone(self);
        let made = tokio::task::spawn_blocking(move || {
            let hosted = &app.hosted;
            let forms = app.forms.get_or_init(|| {
                let answers = hosted.prompter.as_ref().map(|it| it.ends()).unwrap_or_default();
                let ends = [answers, &hosted.ends].concat();
                Forms::new(&hosted.codec, hosted.facts.vocabulary, &ends)
            });
            forms.as_ref().map_err(String::clone)?.json(&schema)
        });
        let made = made.await.unwrap_or_else(|_| Err("the schema cannot be read".to_owned()));
        made.map_err(|why| Problem::field(name, why))
    }

    /// What templates take for now.
    pub(crate) fn now(&self) -> Moment {
        self.defaults.now.unwrap_or_else(crate::chat::now)
    }
}
