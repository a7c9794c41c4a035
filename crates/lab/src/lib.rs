//! What Flint is measured with, apart from the command line, so that tests can run it: synthetic models, tables and
//! comparisons.

pub mod arithmetic;
pub mod compare;
pub mod drafts;
pub mod fio;
pub mod fuzz_seeds;
pub mod gguf;
mod machine;
pub mod measure;
pub mod paper;
pub mod synth;
pub mod trace;
pub mod train_layer;

/// What the request or its input did wrong, in one line: exit status 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Refused(pub String);
