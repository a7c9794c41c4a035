//! The channels of gpt-oss: headers with a channel and perhaps a recipient, then a body.
//!
//! OpenAI, "Harmony response format": `<|start|>ROLE to=TOOL<|channel|>NAME<|message|>BODY<|end|>`; the prompt ends
//! with `<|start|>assistant`, so an answer begins in the middle of its first header.

use super::Event;
use super::hold::{self, Begins, Found};
use super::marked::{push_arguments, push_content};

const MESSAGE: &str = "<|message|>";
/// What a header begins with.
const HEADER: &[&str] = &["<|start|>", "<|channel|>", "<|constrain|>", MESSAGE, "to="];
/// What a body ends with; the last two begin the next header.
const BODY_ENDS: &[&str] = &["<|end|>", "<|return|>", "<|call|>", "<|start|>", "<|channel|>"];
/// A longer header is none.
const LONGEST_HEADER: usize = 4096;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Body {
    Content,
    Reasoning,
    Call { empty: bool },
}

#[derive(Debug)]
enum Place {
    Outside,
    Header,
    Body(Body),
}

#[derive(Debug)]
pub(super) struct Harmony {
    place: Place,
    calls: usize,
    /// Whether a body of text or of thoughts came before: the next begins on a new line.
    spoken: bool,
    thought: bool,
}

impl Harmony {
    pub(super) fn new() -> Self {
        Self { place: Place::Outside, calls: 0, spoken: false, thought: false }
    }

    /// One step through `buffer`; whether there may be another.
    pub(super) fn step(&mut self, buffer: &mut String, end: bool, out: &mut Vec<Event>) -> bool {
        match self.place {
            Place::Outside => {
                let trimmed = buffer.trim_start();
                match hold::begins(trimmed, HEADER, end) {
                    Begins::Maybe => return false,
                    Begins::Not if trimmed.is_empty() => return false,
                    Begins::With(_) => self.place = Place::Header,
                    // A model that does without channels.
                    Begins::Not => self.begin(Body::Content, out),
                }
                true
            }
            Place::Header => self.header(buffer, out),
            Place::Body(body) => self.body(body, buffer, end, out),
        }
    }

    fn header(&mut self, buffer: &mut String, out: &mut Vec<Event>) -> bool {
        let Some(length) = buffer.find(MESSAGE) else {
            let endless = buffer.len() > LONGEST_HEADER + MESSAGE.len();
            if endless {
                self.begin(Body::Content, out);
            }
            return endless;
        };
        if length > LONGEST_HEADER {
            self.begin(Body::Content, out);
            return true;
        }
        let header = hold::take(buffer, length);
        buffer.drain(..MESSAGE.len());
        let body = match (recipient(&header), channel(&header)) {
            (Some(name), _) => {
                let name = name.strip_prefix("functions.").unwrap_or(name).to_owned();
                out.push(Event::CallStart { index: self.calls, name });
                Body::Call { empty: true }
            }
            (None, "analysis") => Body::Reasoning,
            (None, _) => Body::Content,
        };
        self.begin(body, out);
        true
    }

    /// Begins a body, on a new line if one of its kind came before.
    fn begin(&mut self, body: Body, out: &mut Vec<Event>) {
        match body {
            Body::Content if std::mem::replace(&mut self.spoken, true) => push_content("\n", out),
            Body::Reasoning if std::mem::replace(&mut self.thought, true) => {
                out.push(Event::Reasoning("\n".into()));
            }
            _ => {}
        }
        self.place = Place::Body(body);
    }

    fn body(&mut self, body: Body, buffer: &mut String, end: bool, out: &mut Vec<Event>) -> bool {
        let (length, marker) = match hold::find(buffer, BODY_ENDS, end) {
            Found::Marker { at, which } => (at, Some(which)),
            Found::None { safe } => (safe, None),
        };
        let text = hold::take(buffer, length);
        let mut empty = true;
        match body {
            Body::Content => push_content(&text, out),
            Body::Reasoning if text.is_empty() => {}
            Body::Reasoning => out.push(Event::Reasoning(text)),
            Body::Call { empty: before } => {
                empty = before && text.is_empty();
                push_arguments(self.calls, text, out);
                self.place = Place::Body(Body::Call { empty });
            }
        }
        let Some(which) = marker else { return false };
        if let Body::Call { .. } = body {
            if empty {
                push_arguments(self.calls, "{}".into(), out);
            }
            self.calls += 1;
        }
        if which < 3 {
            buffer.drain(..BODY_ENDS[which].len());
        }
        self.place = Place::Outside;
        true
    }
}

/// The tool after `to=`, unless it is the assistant or the user.
fn recipient(header: &str) -> Option<&str> {
    let (_, after) = header.split_once("to=")?;
    let name = after.split(|char: char| char.is_whitespace() || char == '<').next()?;
    (!name.is_empty() && name != "assistant" && name != "user").then_some(name)
}

/// The word after `<|channel|>`.
fn channel(header: &str) -> &str {
    let after = header.split_once("<|channel|>").map_or("", |(_, after)| after);
    after.split(|char: char| char.is_whitespace() || char == '<').next().unwrap_or("")
}
