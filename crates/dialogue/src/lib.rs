//! Conversations with a model on an engine.
#![doc = include_str!("../README.md")]

mod error;
mod prompter;
mod talk;

pub use error::DialogueError;
pub use prompter::{Answering, Prompt, Prompter};
pub use talk::{Overflow, Reply, Talk, TalkEvent, TurnOptions};
