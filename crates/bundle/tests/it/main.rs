//! Behaviour of the bundle: what is written is read, what is damaged is found, what is hostile is
//! refused.
#![expect(clippy::unwrap_used, reason = "helpers of tests unwrap as tests do")]

mod commit;
mod damage;
mod fixture;
mod format;
mod hostile;
mod raw;
mod round_trip;
mod sample;
