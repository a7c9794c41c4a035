//! From the tokens of one answer to text that is certain: whole characters, and no beginning of a stop text.

use super::job::{Chosen, Job};
use flint_engine::{StopTexts, TextStream, Tokenizer};

/// The text of a growing answer.
pub(super) struct AnswerText<'c> {
    stream: TextStream<'c>,
    stops: StopTexts,
    marks: Vec<(u32, &'static str)>,
    /// Tokens whose text is not certain yet.
    held: Vec<Chosen>,
}

/// What a token brought.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Piece {
    pub(super) text: String,
    pub(super) tokens: Vec<Chosen>,
    /// Whether a stop text came.
    pub(super) stopped: bool,
}

impl<'c> AnswerText<'c> {
    pub(super) fn new(codec: &'c Tokenizer, job: &Job) -> AnswerText<'c> {
        AnswerText {
            stream: codec.stream(&job.prompt),
            stops: StopTexts::new(job.stops.iter().cloned()),
            marks: job.marks.clone(),
            held: Vec::new(),
        }
    }

    /// Adds a token.
    pub(super) fn push(&mut self, token: u32, chosen: Option<Chosen>) -> Piece {
        self.held.extend(chosen);
        let mark = self.marks.iter().find(|(mark, _)| *mark == token).map(|&(_, text)| text);
        let mut new = match mark {
            Some(_) => self.stream.finish(),
            None => String::new(),
        };
        new += &self.stream.push(token);
        new += mark.unwrap_or_default();
        let (text, stopped) = self.stops.push(&new);
        let piece = self.piece(text, stopped);
        if stopped {
            // What is left is the stop text.
            self.held.clear();
        }
        piece
    }

    /// What was held back when no more tokens come.
    pub(super) fn finish(&mut self) -> Piece {
        let (mut text, stopped) = self.stops.push(&self.stream.finish());
        if !stopped {
            text += &self.stops.finish();
        }
        let mut piece = self.piece(text, stopped);
        piece.tokens.append(&mut self.held);
        piece
    }

    /// Tokens go with the text that they end in.
    fn piece(&mut self, text: String, stopped: bool) -> Piece {
        let tokens = if text.is_empty() { Vec::new() } else { std::mem::take(&mut self.held) };
        Piece { text, tokens, stopped }
    }
}
