//! Behaviour of the engine as a library: batches of any sequences, work that is cancelled, memory for keys and values.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod batch;
mod cancel;
mod draft_model;
mod drafts;
mod leaving;
mod model;
mod overflow;
mod refuse;
mod stored_copies;
