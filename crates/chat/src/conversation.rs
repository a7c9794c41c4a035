//! The history of a conversation and what can be done with it.

use serde::{Deserialize, Serialize};

use crate::answer::Answer;
use crate::error::ChatError;
use crate::message::{Message, Role};

/// The form of a stored conversation.
const VERSION: u32 = 1;

/// Messages in the order they were said. Instructions, if any, come first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Conversation {
    messages: Vec<Message>,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    version: u32,
    messages: Vec<Message>,
}

impl Conversation {
    /// A conversation in which nothing has been said.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// All messages, in order.
    #[must_use]
    pub fn messages(&self) -> &[Message] {
        &self.messages
    }

    /// Adds a message at the end.
    pub fn push(&mut self, message: Message) {
        self.messages.push(message);
    }

    /// Adds what a model answered. Its thoughts stay apart from the text, so that a template can leave
    /// them out of later prompts. `id` names each call by its index.
    pub fn push_answer(&mut self, answer: Answer, id: impl FnMut(usize) -> String) {
        self.messages.push(answer.into_message(id));
    }

    /// The instructions at the start, or `None`.
    #[must_use]
    pub fn system(&self) -> Option<String> {
        self.messages.first().filter(|first| first.role.is_system()).map(Message::joined)
    }

    /// Sets the instructions, or removes them where `text` is empty.
    pub fn set_system(&mut self, text: &str) {
        let frame = self.frame();
        self.messages.drain(..frame);
        if !text.is_empty() {
            self.messages.insert(0, Message::system(text));
        }
    }

    /// Takes back the last question with everything after it, and returns the messages taken.
    ///
    /// # Errors
    /// [`ChatError::NothingToUndo`] if no question was asked.
    pub fn undo(&mut self) -> Result<Vec<Message>, ChatError> {
        let last = self.messages.iter().rposition(|message| message.role == Role::User);
        let last = last.ok_or(ChatError::NothingToUndo)?;
        Ok(self.messages.split_off(last))
    }

    /// Forgets everything but the instructions.
    pub fn clear(&mut self) {
        self.messages.truncate(self.frame());
    }

    /// Drops the oldest turn, a question with all that answers it, and keeps the instructions. The last turn is
    /// never dropped, and a call is never parted from its result. Returns whether there was a turn to drop.
    pub fn drop_oldest(&mut self) -> bool {
        let frame = self.frame();
        let turns = self.messages.iter().enumerate().skip(frame + 1);
        let mut starts = turns.filter(|(_, message)| message.role == Role::User).map(|(at, _)| at);
        let Some(second) = starts.next() else { return false };
        self.messages.drain(frame..second);
        true
    }

    /// The conversation as JSON text.
    ///
    /// # Errors
    /// [`ChatError::Conversation`]; messages always can be written, so only if memory fails to hold it.
    pub fn to_json(&self) -> Result<String, ChatError> {
        let stored = Stored { version: VERSION, messages: self.messages.clone() };
        serde_json::to_string_pretty(&stored).map_err(unreadable)
    }

    /// Reads what [`Conversation::to_json`] wrote, or a bare list of messages.
    ///
    /// # Errors
    /// [`ChatError::Conversation`] with the place and the reason.
    pub fn from_json(text: &str) -> Result<Self, ChatError> {
        if text.trim_start().starts_with('[') {
            let messages = serde_json::from_str(text).map_err(unreadable)?;
            return Ok(Self { messages });
        }
        let stored: Stored = serde_json::from_str(text).map_err(unreadable)?;
        if stored.version != VERSION {
            let reason = format!("version {} where {VERSION} is known", stored.version);
            return Err(ChatError::Conversation(reason));
        }
        Ok(Self { messages: stored.messages })
    }

    /// How many messages at the start are instructions.
    fn frame(&self) -> usize {
        self.messages.iter().take_while(|message| message.role.is_system()).count()
    }
}

impl From<Vec<Message>> for Conversation {
    fn from(messages: Vec<Message>) -> Self {
        Self { messages }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that map_err wants")]
fn unreadable(error: serde_json::Error) -> ChatError {
    ChatError::Conversation(error.to_string())
}
