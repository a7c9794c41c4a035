//! The lab at a tiny scale, over small files and commands.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod command_line;
mod compare;
mod drafts;
mod gguf;
mod paper;
mod synth;
