//! A server over one engine.
#![doc = include_str!("../README.md")]

mod answer;
mod app;
mod ask;
mod chat;
mod error;
mod form;
mod held;
mod hosted;
mod http;
mod listen;
mod metrics;
mod ollama;
mod openai;
mod page;
mod patience;
mod routes;
mod schedule;
mod stream;
mod usage;
mod view;

pub use app::Defaults;
pub use error::ServeError;
pub use form::Form;
pub use hosted::{Facts, Hosted};
pub use listen::{Handle, ServeOptions, Server};
pub use metrics::Metrics;
pub use schedule::{
    Chosen, Ended, Job, Likely, Penalties, Refused, Scheduler, SessionCounts, Sessions, Ticket,
    Update,
};
pub use usage::Usage;
