//! Behaviour of flash-io, seen from outside: one suite over all backends, then each part alone.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod bed;
mod conformance;
mod device;
mod files;
mod merge;
mod merge_twin;
mod probe;
mod simulated;
