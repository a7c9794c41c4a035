//! Other people's files: checkpoints in HuggingFace layout, their tensors and tokenizers.
//!
//! Everything is bounded before memory is asked for, and nothing in a file is executed.
#![doc = include_str!("../README.md")]

mod error;
mod finite;
pub mod gguf;
mod huggingface;
mod lookalike;
pub mod parsers;
mod picked;
mod tokenizer;

pub use error::CheckpointError;
pub use finite::numbers;
pub use huggingface::{Checkpoint, LARGEST_TOKENIZER};
pub use picked::{Picked, Rows};
pub use tokenizer::{guarded, panics_are_errors, read_tokenizer, tokenizer_json};
