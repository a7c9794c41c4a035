//! Chat templates, conversations and tool formats of language models.
#![doc = include_str!("../README.md")]

mod answer;
mod commands;
mod conversation;
mod error;
mod message;
mod prompt;
mod template;

pub use answer::{Answer, AnswerFormat, AnswerParser, Event, ToolFormat, call_id};
pub use commands::{Command, CommandError, FENCE, HELP, Lines};
pub use conversation::Conversation;
pub use error::ChatError;
pub use message::{Content, FunctionCall, Message, Part, Role, ToolCall};
pub use prompt::{ControlTokens, Guard, Piece, Rendered, Segment};
pub use template::{Candidates, Limits, Moment, RenderOptions, Source, Template};
