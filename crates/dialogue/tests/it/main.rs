//! Conversations on an engine: what is fed, what is kept, and what the model is told.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod begins;
mod prompts;
mod setup;
mod talks;
