//! What is asked of the engine, what it tells while it works, and the ticket of whoever waits for it.

use super::gone::Gone;
use crate::form::Form;
use crate::usage::Usage;
use flint_engine::Sampling;
use std::sync::Arc;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// How logits are changed before a token is chosen. The default changes nothing.
#[derive(Debug, Clone, PartialEq)]
pub struct Penalties {
    /// Taken off for each time that a token was generated.
    pub frequency: f32,
    /// Taken off once if a token was generated.
    pub presence: f32,
    /// What the logits of tokens among the last ones are divided by, or multiplied with where they are negative.
    pub repeat: f32,
    /// How many tokens back `repeat` looks, prompt included.
    pub repeat_last: usize,
    /// Added to the logits of tokens.
    pub bias: Vec<(u32, f32)>,
}

impl Default for Penalties {
    fn default() -> Penalties {
        Penalties { frequency: 0.0, presence: 0.0, repeat: 1.0, repeat_last: 64, bias: Vec::new() }
    }
}

/// One request.
#[derive(Debug, Clone)]
pub struct Job {
    /// Tokens to start from; at least one.
    pub prompt: Vec<u32>,
    /// Most tokens to generate; with the prompt at most the context.
    pub max_tokens: usize,
    /// How tokens are chosen.
    pub sampling: Sampling,
    /// How logits are changed before.
    pub penalties: Penalties,
    /// Texts that end the answer and are no part of it.
    pub stops: Vec<String>,
    /// Tokens that end the answer.
    pub ends: Vec<u32>,
    /// Special tokens that are part of the text, with what they are shown as.
    pub marks: Vec<(u32, &'static str)>,
    /// How many of the likeliest tokens are named for each that is chosen; `None` for no probabilities at all.
    pub logprobs: Option<usize>,
    /// What the answer is held to.
    pub form: Option<Form>,
}

/// The probability of a token.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Likely {
    /// The token.
    pub token: u32,
    /// Natural logarithm of its probability, before anything was filtered; finite.
    pub logprob: f32,
}

/// A token that was chosen, with those that were likeliest at its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Chosen {
    /// The one that was taken.
    pub taken: Likely,
    /// The likeliest, in order.
    pub top: Vec<Likely>,
}

/// Why an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The model ended it, or a stop text came.
    Stop,
    /// As many tokens as were asked for, or as there was room for.
    Length,
}

/// What whoever waits is told.
#[derive(Debug, Clone, PartialEq)]
pub enum Update {
    /// The prompt is being read: tokens that are done, of all, and how many of them were there before.
    Progress {
        /// Tokens done.
        done: usize,
        /// Tokens of the prompt.
        total: usize,
        /// Tokens that were there.
        cached: usize,
    },
    /// Text that is certain, with the tokens that it came with where probabilities were asked for.
    Text {
        /// The text.
        text: String,
        /// The tokens.
        tokens: Vec<Chosen>,
    },
    /// The end.
    Done(Ended, Usage),
    /// The engine could not go on with this request; a line for people.
    Failed(String),
}

/// A job on its way to the engine.
#[derive(Debug)]
pub(super) struct Queued {
    pub(super) job: Job,
    pub(super) updates: UnboundedSender<Update>,
    pub(super) gone: Arc<Gone>,
    pub(super) since: std::time::Instant,
}

/// Whoever waits for an answer holds it; dropping it takes the request back, wherever it is.
#[derive(Debug)]
pub struct Ticket {
    updates: UnboundedReceiver<Update>,
    gone: Arc<Gone>,
}

impl Ticket {
    /// A job and the ticket for it.
    pub(super) fn issue(job: Job) -> (Queued, Ticket) {
        let (sender, updates) = unbounded_channel();
        let gone = Arc::new(Gone::default());
        let since = std::time::Instant::now();
        (Queued { job, updates: sender, gone: Arc::clone(&gone), since }, Ticket { updates, gone })
    }

    /// The next update; `None` when the engine has ended.
    pub async fn next(&mut self) -> Option<Update> {
        self.updates.recv().await
    }

    /// The next update, for those who wait with a thread.
    pub fn next_blocking(&mut self) -> Option<Update> {
        self.updates.blocking_recv()
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.gone.leave();
    }
}
