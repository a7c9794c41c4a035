//! Calls between `<tool_call>` and `</tool_call>`, as Hermes and Qwen models write them.

use super::Event;
use super::hold::{self, Begins, Found};
use super::json_call::{JsonCall, Progress};

const OPEN: &str = "<tool_call>";
const CLOSE: &str = "</tool_call>";

#[derive(Debug)]
enum Place {
    Content,
    /// In a call; `raw` is what was read of it as long as it may turn out to be none.
    Call {
        call: JsonCall,
        raw: String,
        started: bool,
    },
    /// After a call; white space and superfluous brackets are dropped.
    After {
        closed: bool,
    },
}

#[derive(Debug)]
pub(super) struct Marked {
    place: Place,
    calls: usize,
}

impl Marked {
    pub(super) fn new() -> Self {
        Self { place: Place::Content, calls: 0 }
    }

    /// One step through `buffer`; whether there may be another.
    pub(super) fn step(&mut self, buffer: &mut String, end: bool, out: &mut Vec<Event>) -> bool {
        match &mut self.place {
            Place::Content => self.content(buffer, end, out),
            Place::Call { .. } => self.call(buffer, end, out),
            Place::After { closed } => {
                let closed = *closed;
                hold::skip_space(buffer);
                if !closed {
                    let extra = |char: char| char == '}' || char.is_whitespace();
                    *buffer = buffer.trim_start_matches(extra).to_owned();
                }
                match hold::begins(buffer, &[OPEN, CLOSE], end) {
                    Begins::Maybe => return false,
                    Begins::With(1) => {
                        buffer.drain(..CLOSE.len());
                        self.place = Place::After { closed: true };
                    }
                    Begins::With(_) | Begins::Not if buffer.is_empty() => return false,
                    Begins::With(_) | Begins::Not => self.place = Place::Content,
                }
                true
            }
        }
    }

    fn content(&mut self, buffer: &mut String, end: bool, out: &mut Vec<Event>) -> bool {
        match hold::find(buffer, &[OPEN], end) {
            Found::Marker { at, .. } => {
                let text = hold::take(buffer, at);
                buffer.drain(..OPEN.len());
                push_content(text.trim_end(), out);
                let call = JsonCall::new(false);
                self.place = Place::Call { call, raw: String::new(), started: false };
                true
            }
            Found::None { safe } => {
                // White space before a call belongs to neither.
                let length = if end { safe } else { buffer[..safe].trim_end().len() };
                push_content(&hold::take(buffer, length), out);
                false
            }
        }
    }

    fn call(&mut self, buffer: &mut String, end: bool, out: &mut Vec<Event>) -> bool {
        let Place::Call { call, raw, started } = &mut self.place else { return false };
        let mut progress = Progress::More;
        let mut read = 0;
        for char in buffer.chars() {
            progress = call.push(char);
            if progress == Progress::Invalid {
                break;
            }
            read += char.len_utf8();
            if let (false, Some(name)) = (*started, call.name()) {
                out.push(Event::CallStart { index: self.calls, name: name.into() });
                *started = true;
            }
            if progress == Progress::Done {
                break;
            }
        }
        let text = hold::take(buffer, read);
        if *started {
            push_arguments(self.calls, call.take_arguments(), out);
        } else {
            *raw += &text;
        }
        let started = *started;
        let ended = progress != Progress::More || (end && buffer.is_empty());
        if ended && started {
            self.calls += 1;
            self.place = Place::After { closed: false };
        } else if ended {
            push_content(&(OPEN.to_owned() + raw), out);
            self.place = Place::Content;
        }
        ended
    }
}

/// Emits text unless there is none.
pub(super) fn push_content(text: &str, out: &mut Vec<Event>) {
    if !text.is_empty() {
        out.push(Event::Content(text.into()));
    }
}

/// Emits a piece of arguments unless it is empty.
pub(super) fn push_arguments(index: usize, delta: String, out: &mut Vec<Event>) {
    if !delta.is_empty() {
        out.push(Event::CallArguments { index, delta });
    }
}
