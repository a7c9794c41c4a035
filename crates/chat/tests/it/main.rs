//! Tests of the crate as its users see it.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod answers;
mod commands;
mod conversations;
mod fixtures;
mod golden;
mod hostile;
mod origins;
mod sources;
mod tools;
