//! Tests of the readers of other people's files.
#![expect(clippy::unwrap_used, reason = "helpers of tests unwrap as tests do")]

mod hostile;
mod lookalikes;
mod metadata;
mod reading;
mod splits;
mod tokenizers;
mod truth;
mod writer;
