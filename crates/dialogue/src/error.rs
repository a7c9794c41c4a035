//! Why a turn of a conversation cannot be had.

use flint_chat::ChatError;
use flint_engine::EngineError;

/// Errors of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DialogueError {
    /// The template or the conversation.
    #[error(transparent)]
    Chat(#[from] ChatError),
    /// The engine or the tokenizer.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The conversation does not fit.
    #[error(
        "the conversation has {needed} tokens and the context {limit}: nothing of it was left out; \
         begin anew, take turns back, or choose a longer context or that the oldest turns are dropped"
    )]
    ContextFull {
        /// Tokens of the conversation.
        needed: usize,
        /// Tokens of context.
        limit: usize,
    },
}
