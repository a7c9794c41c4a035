//! Calls written as a bare JSON object, as Llama 3 models write them.
//!
//! Nothing but the object itself shows that it is a call, so it counts as one only if it names a tool that was offered.

use super::Event;
use super::hold::{self, Begins, Found};
use super::json_call::{JsonCall, Progress};
use super::marked::{push_arguments, push_content};

const TAG: &str = "<|python_tag|>";

#[derive(Debug)]
enum Place {
    /// Where a call may begin. White space before it is dropped.
    Start,
    Call {
        call: JsonCall,
        raw: String,
        started: bool,
    },
    /// After a call, where another may follow a semicolon.
    After,
    Content,
}

#[derive(Debug)]
pub(super) struct Bare {
    names: Vec<String>,
    place: Place,
    calls: usize,
}

impl Bare {
    pub(super) fn new(names: Vec<String>) -> Self {
        Self { names, place: Place::Start, calls: 0 }
    }

    /// One step through `buffer`; whether there may be another.
    pub(super) fn step(&mut self, buffer: &mut String, end: bool, out: &mut Vec<Event>) -> bool {
        match &mut self.place {
            Place::Start => {
                let trimmed = buffer.trim_start();
                let space = buffer.len() - trimmed.len();
                match hold::begins(trimmed, &[TAG, "{"], end) {
                    Begins::Maybe => return false,
                    Begins::With(0) => {
                        buffer.drain(..space + TAG.len());
                    }
                    Begins::With(_) => self.open(buffer),
                    Begins::Not => self.place = Place::Content,
                }
                true
            }
            Place::Call { .. } => self.call(buffer, end, out),
            Place::After => {
                let between = |char: char| char == ';' || char.is_whitespace();
                *buffer = buffer.trim_start_matches(between).to_owned();
                if buffer.is_empty() {
                    return false;
                }
                self.place = Place::Start;
                true
            }
            Place::Content => match hold::find(buffer, &[TAG], end) {
                Found::Marker { at, .. } => {
                    push_content(hold::take(buffer, at).trim_end(), out);
                    buffer.drain(..TAG.len());
                    self.place = Place::Start;
                    true
                }
                Found::None { safe } => {
                    let length = if end { safe } else { buffer[..safe].trim_end().len() };
                    push_content(&hold::take(buffer, length), out);
                    false
                }
            },
        }
    }

    fn open(&mut self, buffer: &mut String) {
        let space = buffer.len() - buffer.trim_start().len();
        let raw = hold::take(buffer, space);
        self.place = Place::Call { call: JsonCall::new(true), raw, started: false };
    }

    fn call(&mut self, buffer: &mut String, end: bool, out: &mut Vec<Event>) -> bool {
        let Place::Call { call, raw, started } = &mut self.place else { return false };
        let mut progress = Progress::More;
        let mut read = 0;
        for char in buffer.chars() {
            progress = call.push(char);
            let unknown = |name: &str| !self.names.iter().any(|known| known == name);
            if !*started && call.name().is_some_and(unknown) {
                progress = Progress::Invalid;
            }
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
        let ended = progress != Progress::More || (end && buffer.is_empty());
        if ended && *started {
            self.calls += 1;
            self.place = Place::After;
        } else if ended {
            // Back into the buffer, so that what is held back does not depend on how the text was cut.
            buffer.insert_str(0, raw);
            self.place = Place::Content;
        }
        ended
    }
}
