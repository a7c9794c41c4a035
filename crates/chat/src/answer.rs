//! Takes apart what a model writes: thoughts, text for the reader, and calls of tools.

use crate::message::{Content, Message, Role, ToolCall};

mod bare;
mod harmony;
mod hold;
mod json_call;
mod marked;
mod parser;
mod think;

pub use parser::{AnswerFormat, AnswerParser};

/// How a model writes calls of tools.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ToolFormat {
    /// It writes none, or none are asked for: all is text.
    None,
    /// `<tool_call>{"name": .., "arguments": ..}</tool_call>`: Hermes, Qwen and others.
    Hermes,
    /// A bare `{"name": .., "parameters": ..}`, after `<|python_tag|>` or not: Llama 3.
    Llama3,
    /// Channels with a recipient: gpt-oss.
    Harmony,
}

impl ToolFormat {
    /// The format that a template teaches, as far as its text shows.
    #[must_use]
    pub fn detect(template: &str) -> Self {
        let has = |text: &str| template.contains(text);
        if has("<|channel|>") && has("<|message|>") {
            Self::Harmony
        } else if has("<tool_call>") && !has("<arg_key>") && !has("<function=") {
            Self::Hermes
        } else if has("<|start_header_id|>") && has("\"parameters\"") {
            Self::Llama3
        } else {
            Self::None
        }
    }
}

/// Something that became known of an answer while it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// More text for the reader.
    Content(String),
    /// More of the thoughts.
    Reasoning(String),
    /// A call begins; indices count from 0 without gaps.
    CallStart {
        /// Which call.
        index: usize,
        /// The tool's name.
        name: String,
    },
    /// More of the JSON text of a call's arguments. They are passed on as written: whether they are JSON is only
    /// known when the answer is complete.
    CallArguments {
        /// Which call.
        index: usize,
        /// The next piece of text.
        delta: String,
    },
}

/// An answer put together from events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// Text for the reader.
    pub content: String,
    /// Thoughts.
    pub reasoning: String,
    /// Name and arguments of each call.
    pub calls: Vec<(String, String)>,
}

impl Answer {
    /// Takes a whole text apart.
    pub fn parse(format: AnswerFormat, text: &str) -> Self {
        let mut parser = AnswerParser::new(format);
        let mut events = Vec::new();
        parser.feed(text, &mut events);
        parser.finish(&mut events);
        let mut answer = Self::default();
        events.into_iter().for_each(|event| answer.apply(event));
        answer
    }

    /// Adds what an event says.
    pub fn apply(&mut self, event: Event) {
        match event {
            Event::Content(delta) => self.content += &delta,
            Event::Reasoning(delta) => self.reasoning += &delta,
            Event::CallStart { name, .. } => self.calls.push((name, String::new())),
            Event::CallArguments { index, delta } => {
                if let Some((_, arguments)) = self.calls.get_mut(index) {
                    *arguments += &delta;
                }
            }
        }
    }

    /// The answer as a message of a conversation; `id` names each call by its index.
    #[must_use]
    pub fn into_message(self, mut id: impl FnMut(usize) -> String) -> Message {
        let calls = self.calls.into_iter().enumerate();
        let tool_calls: Vec<_> =
            calls.map(|(at, (name, arguments))| ToolCall::new(id(at), name, arguments)).collect();
        let silent = self.content.is_empty() && !tool_calls.is_empty();
        Message {
            role: Role::Assistant,
            content: (!silent).then_some(Content::Text(self.content)),
            reasoning_content: Some(self.reasoning).filter(|thoughts| !thoughts.is_empty()),
            tool_calls,
            tool_call_id: None,
            name: None,
        }
    }
}

/// A name for a call: nine letters and digits, which every template accepts. Distinct pairs of a request's number
/// and a call's index give distinct names but for chance (1 in 10^14).
#[must_use]
pub fn call_id(request: u64, index: usize) -> String {
    let index = u64::try_from(index).unwrap_or(u64::MAX);
    // The finalizer of SplitMix64 (Steele, Lea, Flood 2014), over both numbers.
    let mut mixed = request;
    for number in [0x9E37_79B9_7F4A_7C15, index] {
        mixed = mixed.wrapping_add(number);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^= mixed >> 31;
    }
    let digits = b"0123456789abcdefghijklmnopqrstuvwxyz";
    (0..9)
        .map(|_| {
            let digit = usize::try_from(mixed % 36).unwrap_or(0);
            mixed /= 36;
            char::from(digits[digit])
        })
        .collect()
}
