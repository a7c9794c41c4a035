//! What a pool promises to threads that share it, seen from outside.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod interleavings;
mod threads;
