//! Behaviour of the model crate: configurations become descriptions, or errors that name what is wrong.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod describe;
mod published;
mod refuse;
mod sources;
mod stored;
