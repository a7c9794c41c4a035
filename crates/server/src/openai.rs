//! OpenAI's interface.

mod chat;
mod chat_frames;
mod choices;
mod completion_frames;
mod completions;
mod delivery;
mod forms;
mod inspection;
mod logprobs;
mod models;
mod tools;

pub(crate) use chat::chat_completions;
pub(crate) use completions::completions;
pub(crate) use inspection::{apply_template, detokenize, props, tokenize};
pub(crate) use models::{model, models};
