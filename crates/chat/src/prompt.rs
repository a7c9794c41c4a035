//! A rendered prompt that knows which of its text the template wrote and which came with the request.
//!
//! What somebody typed must never become a token that steers the model, even if it reads `<|im_start|>`. A rendered
//! text alone does not tell who wrote what, and templates trim, slice, join and escape what they are given. So the
//! conversation is rendered a second time in disguise: each character of it is exchanged for another from a private
//! plane of Unicode that occurs nowhere else, and found again in the result. See [`Disguise`].

use std::ops::Range;

mod control;
mod disguise;
mod literals;
mod named;
mod visit;

pub use control::{ControlTokens, Segment};
pub(crate) use disguise::Disguise;
pub(crate) use literals::without_generation_marks;
pub(crate) use visit::{Kind, Visit};

/// A run of text with one origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// The text.
    pub text: String,
    /// Whether it came with the request rather than with the template.
    pub from_user: bool,
}

/// How surely a prompt tells apart who wrote what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guard {
    /// Every character was traced.
    Exact,
    /// The template decides by what a text says, so that characters could not be traced. Only control tokens that
    /// the conversation does not contain count as the template's, see [`Rendered`].
    ByName,
}

/// A prompt in pieces; joined they are exactly what the template renders.
///
/// What is guaranteed of the pieces that are not `from_user`:
///
/// - With [`Guard::Exact`] they hold nothing of the messages' texts, thoughts, names and call arguments but white
///   space, quotes, backslashes, control characters and the escapes that `tojson` makes of these. Of tool
///   definitions, documents and variables they can also hold strings that are plain identifiers (letters, digits, `_`,
///   `-`, `.`, `$`) and do not contain a token that the template's source names, because templates compare these; where
///   a template compares names in messages, the same goes for these.
/// - With [`Guard::ByName`] each is one control token of the template's source, of which no string of the request holds
///   half or more in one run, upper and lower case being the same. Everything else counts as `from_user`.
///
/// So a control token that somebody typed is never in such a piece, unless it consists only of the characters named
/// first, or, for strings that are no messages, is an identifier that the source does not name as a token. Nor
/// does one arise where a text and the template meet, as [`Rendered::segments`] never looks across a border.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    pieces: Vec<Piece>,
    guard: Guard,
}

impl Rendered {
    /// Joins neighbours of one origin and drops empty pieces.
    fn new(pieces: impl IntoIterator<Item = (String, bool)>, guard: Guard) -> Self {
        let mut joined: Vec<Piece> = Vec::new();
        for (text, from_user) in pieces {
            match joined.last_mut() {
                _ if text.is_empty() => {}
                Some(last) if last.from_user == from_user => last.text += &text,
                _ => joined.push(Piece { text, from_user }),
            }
        }
        Self { pieces: joined, guard }
    }

    /// The pieces, in order; neighbours differ in origin and none is empty.
    #[must_use]
    pub fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    /// How surely the pieces tell who wrote what.
    #[must_use]
    pub fn guard(&self) -> Guard {
        self.guard
    }

    /// The whole prompt.
    #[must_use]
    pub fn text(&self) -> String {
        self.pieces.iter().map(|piece| piece.text.as_str()).collect()
    }

    /// Whether the template itself wrote `token` at the very beginning. A prompt that begins with the
    /// begin-of-text token gets no second one from the tokenizer, and one that does not gets one exactly if the
    /// tokenizer is set to add it.
    #[must_use]
    pub fn begins_with(&self, token: &str) -> bool {
        let first = self.pieces.first().filter(|piece| !piece.from_user);
        !token.is_empty() && first.is_some_and(|piece| piece.text.starts_with(token))
    }

    /// Whether the template left a block open at the end, as those of some models open `<think>` for the answer. With
    /// [`Guard::ByName`] that is only seen of marks that are control tokens.
    #[must_use]
    pub fn ends_inside(&self, open: &str, close: &str) -> bool {
        let Some(last) = self.pieces.last().filter(|piece| !piece.from_user) else { return false };
        match (last.text.rfind(open), last.text.rfind(close)) {
            (Some(open), Some(close)) => close < open,
            (open, _) => open.is_some(),
        }
    }

    /// What a tokenizer is to do: control tokens, each to become one token, and texts between them, in which no
    /// control token is to be recognised. Texts of the template and of the request are joined, so that ordinary
    /// tokens across their border come out as in training.
    #[must_use]
    pub fn segments(&self, control: &ControlTokens) -> Vec<Segment> {
        let mut segments = Vec::new();
        let mut text = String::new();
        for piece in &self.pieces {
            if piece.from_user {
                text += &piece.text;
                continue;
            }
            let mut done = 0;
            for Range { start, end } in control.find(&piece.text) {
                text += &piece.text[done..start];
                if !text.is_empty() {
                    segments.push(Segment::Text(std::mem::take(&mut text)));
                }
                segments.push(Segment::Control(piece.text[start..end].into()));
                done = end;
            }
            text += &piece.text[done..];
        }
        if !text.is_empty() {
            segments.push(Segment::Text(text));
        }
        segments
    }
}
