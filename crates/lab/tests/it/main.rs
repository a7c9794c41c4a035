//! The lab at a tiny scale, over small files and commands.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::print_stderr, reason = "a test that cannot run says so")]

mod command_line;
mod compare;
mod gguf;
mod paper;
mod synth;
