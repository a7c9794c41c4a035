//! Reads a call written as a JSON object, character by character, and passes its arguments on as they come.

/// What the object has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// It goes on.
    More,
    /// It is complete.
    Done,
    /// It is no call.
    Invalid,
}

/// Which value is being read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Slot {
    Name,
    Arguments,
    Other,
}

#[derive(Debug)]
enum State {
    Open,
    Key,
    KeyText { raw: String, escaped: bool },
    Colon(Slot),
    Value(Slot),
    Text { slot: Slot, raw: String, escaped: bool },
    Scalar { slot: Slot, raw: String },
    Container { slot: Slot, depth: usize, quoted: bool, escaped: bool },
    AfterValue,
}

/// A reader of one object with the keys `name` and `arguments` or `parameters`, in any order.
#[derive(Debug)]
pub(super) struct JsonCall {
    state: State,
    /// Whether an unknown key means that this is no call.
    strict: bool,
    name: Option<String>,
    /// Whether a comma or a bracket followed the name.
    confirmed: bool,
    arguments: String,
    has_arguments: bool,
}

impl JsonCall {
    pub(super) fn new(strict: bool) -> Self {
        Self {
            state: State::Open,
            strict,
            name: None,
            confirmed: false,
            arguments: String::new(),
            has_arguments: false,
        }
    }

    /// The tool's name, once it is known and what follows it shows that it is complete.
    pub(super) fn name(&self) -> Option<&str> {
        self.name.as_deref().filter(|_| self.confirmed)
    }

    /// What has come of the arguments since the last time.
    pub(super) fn take_arguments(&mut self) -> String {
        std::mem::take(&mut self.arguments)
    }

    /// Reads one character.
    pub(super) fn push(&mut self, char: char) -> Progress {
        match self.read(char) {
            None => Progress::Invalid,
            Some(false) => Progress::More,
            Some(true) if self.name.is_none() => Progress::Invalid,
            Some(true) => {
                if !self.has_arguments {
                    self.arguments += "{}";
                }
                Progress::Done
            }
        }
    }

    /// Reads one character: whether the object ends with it, or `None` if it cannot stand there.
    fn read(&mut self, char: char) -> Option<bool> {
        match &mut self.state {
            State::Open | State::Key | State::Colon(_) | State::Value(_) | State::AfterValue
                if char.is_whitespace() => {}
            State::Open => self.state = (char == '{').then_some(State::Key)?,
            State::Key => match char {
                '"' => self.state = State::KeyText { raw: String::new(), escaped: false },
                '}' => return Some(true),
                ',' => {}
                _ => return None,
            },
            State::KeyText { raw, escaped } => {
                if char == '"' && !*escaped {
                    let slot = slot(raw, self.strict, self.has_arguments)?;
                    self.state = State::Colon(slot);
                } else {
                    *escaped = char == '\\' && !*escaped;
                    raw.push(char);
                }
            }
            State::Colon(slot) => self.state = (char == ':').then_some(State::Value(*slot))?,
            State::Value(slot) => {
                let slot = *slot;
                self.begin(slot, char)?;
            }
            State::Text { slot, raw, escaped } => {
                raw.push(char);
                let ends = char == '"' && !*escaped;
                *escaped = char == '\\' && !*escaped;
                if ends {
                    let (slot, text) = (*slot, serde_json::from_str(raw).ok()?);
                    self.put(slot, text);
                }
            }
            State::Scalar { slot, raw } => match char {
                ',' | '}' => {
                    let (slot, raw) = (*slot, std::mem::take(raw));
                    self.put(slot, if raw.trim() == "null" { String::new() } else { raw });
                    return self.read(char);
                }
                char => raw.push(char),
            },
            State::Container { .. } => self.inside(char),
            State::AfterValue => {
                self.confirmed = self.name.is_some();
                match char {
                    ',' => self.state = State::Key,
                    '}' => return Some(true),
                    _ => return None,
                }
            }
        }
        Some(false)
    }

    /// The first character of a value.
    fn begin(&mut self, slot: Slot, char: char) -> Option<()> {
        self.state = match char {
            '"' => State::Text { slot, raw: "\"".into(), escaped: false },
            _ if slot == Slot::Name => return None,
            '{' | '[' => {
                if slot == Slot::Arguments {
                    self.has_arguments = true;
                    self.arguments.push(char);
                }
                State::Container { slot, depth: 1, quoted: false, escaped: false }
            }
            '-' | '0'..='9' | 't' | 'f' | 'n' => State::Scalar { slot, raw: char.into() },
            _ => return None,
        };
        Some(())
    }

    /// A character of an object or a list.
    fn inside(&mut self, char: char) {
        let State::Container { slot, depth, quoted, escaped } = &mut self.state else { return };
        if *slot == Slot::Arguments {
            self.arguments.push(char);
        }
        match char {
            '"' if !*escaped => *quoted = !*quoted,
            '{' | '[' if !*quoted => *depth += 1,
            '}' | ']' if !*quoted => *depth -= 1,
            _ => {}
        }
        *escaped = *quoted && char == '\\' && !*escaped;
        if *depth == 0 {
            self.state = State::AfterValue;
        }
    }

    /// A complete text or scalar.
    fn put(&mut self, slot: Slot, text: String) {
        match slot {
            Slot::Name => self.name = Some(text),
            Slot::Arguments if !text.is_empty() => {
                self.arguments += text.trim_end();
                self.has_arguments = true;
            }
            Slot::Arguments | Slot::Other => {}
        }
        self.state = State::AfterValue;
    }
}

/// What a key announces; `None` if a call has no such key.
fn slot(key: &str, strict: bool, has_arguments: bool) -> Option<Slot> {
    match key {
        "name" => Some(Slot::Name),
        "arguments" | "parameters" if !has_arguments => Some(Slot::Arguments),
        "type" | "id" | "arguments" | "parameters" => Some(Slot::Other),
        _ => (!strict).then_some(Slot::Other),
    }
}
