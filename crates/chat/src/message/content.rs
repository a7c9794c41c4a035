//! The content of a message: a text, or parts of which all are text.

use serde::{Deserialize, Serialize};

/// A text, or a list of parts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "content must be a string or a list of text parts")]
pub enum Content {
    /// A plain text.
    Text(String),
    /// Parts, to be read one after another.
    Parts(Vec<Part>),
}

/// One part of a message. Images and sound are not known here, so they do not deserialize.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Part {
    /// A piece of text.
    Text {
        /// The text.
        text: String,
    },
    /// What an assistant said instead of an answer.
    Refusal {
        /// The text.
        refusal: String,
    },
}

impl Content {
    /// All text, in order, with nothing between the parts.
    #[must_use]
    pub fn joined(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Parts(parts) => parts.iter().map(Part::as_str).collect(),
        }
    }
}

impl Part {
    /// The text of the part.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Text { text } => text,
            Self::Refusal { refusal } => refusal,
        }
    }
}

impl From<&str> for Content {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for Content {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}
