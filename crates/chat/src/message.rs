//! A message of a conversation, in the shape that OpenAI-style clients send and expect.

use serde::{Deserialize, Serialize};

mod call;
mod content;

pub use call::{FunctionCall, ToolCall};
pub use content::{Content, Part};

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Instructions of whoever runs the conversation.
    System,
    /// The newer name of [`Role::System`]; templates that do not know it get a system message.
    Developer,
    /// The person asking.
    User,
    /// The model.
    Assistant,
    /// The result of a tool call.
    #[serde(alias = "function")]
    Tool,
}

impl Role {
    /// The name as it stands in requests.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Developer => "developer",
            Self::User => "user",
            Self::Assistant => "assistant",
            Self::Tool => "tool",
        }
    }

    /// Whether this message sets the frame of a conversation rather than being a turn of it.
    #[must_use]
    pub fn is_system(self) -> bool {
        matches!(self, Self::System | Self::Developer)
    }
}

/// One message. Optional fields may be absent or null; fields that are not known are ignored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "Received")]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// What is said. Nothing at all is legal beside tool calls.
    pub content: Option<Content>,
    /// What the model thought before it answered; templates decide whether it is shown to it again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning_content: Option<String>,
    /// Calls that the model asks for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<ToolCall>,
    /// Which call a tool's result belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_call_id: Option<String>,
    /// The speaker's or the tool's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// A message as clients send it. Some send thoughts under several names at once.
#[derive(Deserialize)]
struct Received {
    role: Role,
    content: Option<Content>,
    reasoning_content: Option<String>,
    reasoning: Option<String>,
    thinking: Option<String>,
    tool_calls: Option<Vec<ToolCall>>,
    tool_call_id: Option<String>,
    name: Option<String>,
}

impl From<Received> for Message {
    fn from(from: Received) -> Self {
        Self {
            role: from.role,
            content: from.content,
            reasoning_content: from.reasoning_content.or(from.reasoning).or(from.thinking),
            tool_calls: from.tool_calls.unwrap_or_default(),
            tool_call_id: from.tool_call_id,
            name: from.name,
        }
    }
}

impl Message {
    /// A message that is only a text.
    pub fn text(role: Role, text: impl Into<String>) -> Self {
        Self {
            role,
            content: Some(Content::Text(text.into())),
            reasoning_content: None,
            tool_calls: Vec::new(),
            tool_call_id: None,
            name: None,
        }
    }

    /// Instructions.
    pub fn system(text: impl Into<String>) -> Self {
        Self::text(Role::System, text)
    }

    /// A question.
    pub fn user(text: impl Into<String>) -> Self {
        Self::text(Role::User, text)
    }

    /// An answer.
    pub fn assistant(text: impl Into<String>) -> Self {
        Self::text(Role::Assistant, text)
    }

    /// The result of the tool call `id`.
    pub fn tool(id: impl Into<String>, text: impl Into<String>) -> Self {
        Self { tool_call_id: Some(id.into()), ..Self::text(Role::Tool, text) }
    }

    /// The text of the content: its parts joined, empty where there is none.
    #[must_use]
    pub fn joined(&self) -> String {
        self.content.as_ref().map(Content::joined).unwrap_or_default()
    }
}
