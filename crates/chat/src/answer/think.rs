//! Separates the thoughts at the beginning of an answer, `<think>..</think>`, from what follows.

use super::Event;
use super::hold::{self, Begins, Found};

/// Where in the answer the text is.
#[derive(Debug)]
enum Place {
    Start,
    /// Inside of the thoughts; white space at their beginning and end is dropped.
    Thoughts {
        begun: bool,
    },
    /// White space after the thoughts is dropped.
    After,
    Body,
}

/// The separator. Only a block at the very beginning counts: later, an answer may speak of the marks themselves.
#[derive(Debug)]
pub(super) struct Think {
    open: String,
    close: String,
    place: Place,
    buffer: String,
}

impl Think {
    pub(super) fn new(open: String, close: String, inside: bool) -> Self {
        let place = if inside { Place::Thoughts { begun: false } } else { Place::Start };
        Self { open, close, place, buffer: String::new() }
    }

    /// Takes more text, emits thoughts, and appends what is no thought to `body`.
    pub(super) fn feed(&mut self, text: &str, end: bool, body: &mut String, out: &mut Vec<Event>) {
        self.buffer += text;
        while self.step(end, body, out) {}
    }

    /// One step; whether there may be another.
    fn step(&mut self, end: bool, body: &mut String, out: &mut Vec<Event>) -> bool {
        match self.place {
            Place::Start => {
                let trimmed = self.buffer.trim_start();
                match hold::begins(trimmed, &[&self.open], end) {
                    Begins::With(_) => {
                        let length = self.buffer.len() - trimmed.len() + self.open.len();
                        self.buffer.drain(..length);
                        self.place = Place::Thoughts { begun: false };
                    }
                    Begins::Maybe => return false,
                    Begins::Not => self.place = Place::Body,
                }
                true
            }
            Place::Thoughts { begun } => self.think(begun, end, out),
            Place::After => {
                hold::skip_space(&mut self.buffer);
                if self.buffer.is_empty() {
                    return false;
                }
                self.place = Place::Body;
                true
            }
            Place::Body => {
                body.push_str(&std::mem::take(&mut self.buffer));
                false
            }
        }
    }

    fn think(&mut self, begun: bool, end: bool, out: &mut Vec<Event>) -> bool {
        if !begun {
            hold::skip_space(&mut self.buffer);
        }
        let (safe, closed) = match hold::find(&self.buffer, &[&self.close], end) {
            Found::Marker { at, .. } => (at, true),
            Found::None { safe } => (safe, false),
        };
        let length = self.buffer[..safe].trim_end().len();
        if length > 0 {
            out.push(Event::Reasoning(hold::take(&mut self.buffer, length)));
            self.place = Place::Thoughts { begun: true };
        }
        if closed {
            self.buffer.drain(..safe - length + self.close.len());
            self.place = Place::After;
        }
        closed
    }
}
