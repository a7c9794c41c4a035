//! What can go wrong with a conversation or a template.

use thiserror::Error;

/// Errors of this crate.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ChatError {
    /// The model brings no template and none was named.
    #[error(
        "this model has no chat template (looked in {looked_in}); name one with --chat-template \
         or use it without a chat"
    )]
    NoTemplate {
        /// Where a template could have been.
        looked_in: String,
    },
    /// A tokenizer configuration that is not what it must be.
    #[error("{origin}: {reason}")]
    Source {
        /// Which text.
        origin: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A template that is longer than a template may be.
    #[error("the chat template has {bytes} bytes; at most {limit} are accepted")]
    TemplateTooLong {
        /// Its length.
        bytes: usize,
        /// The longest accepted.
        limit: usize,
    },
    /// The template is not valid, or failed on this conversation.
    #[error("chat template, line {line}: {reason}")]
    Template {
        /// The line of the template, from 1; 0 where it is not known.
        line: usize,
        /// What happened there.
        reason: String,
    },
    /// The template itself refuses this conversation (`raise_exception`); the text is its own.
    #[error("{0}")]
    Refused(String),
    /// The template did more work than a template may.
    #[error("the chat template took more than {fuel} steps")]
    TooMuchWork {
        /// Steps that were allowed.
        fuel: u64,
    },
    /// The rendered text is longer than allowed.
    #[error("the chat template wrote more than {limit} bytes")]
    TooMuchText {
        /// Bytes that were allowed.
        limit: usize,
    },
    /// A stored conversation that cannot be read.
    #[error("not a conversation: {0}")]
    Conversation(String),
    /// There is nothing to take back.
    #[error("there is no turn to take back")]
    NothingToUndo,
}
