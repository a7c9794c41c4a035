//! What somebody types at `flint chat`: a line to the model, or a command to the program.
//!
//! Reading lines, running the model and touching files is left to the caller; this is only the language.

use thiserror::Error;

/// One thing that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Say this to the model.
    Say(String),
    /// Show [`HELP`].
    Help,
    /// Forget the conversation, but not the instructions.
    Clear,
    /// Take back the last question with its answer.
    Undo,
    /// Set the instructions; without a text show them.
    System(Option<String>),
    /// Write the conversation to a file.
    Save(String),
    /// Go on with a conversation from a file.
    Load(String),
    /// Show what the last answer cost.
    Stats,
    /// Leave.
    Quit,
}

/// Why a line is no command.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CommandError {
    /// No command has this name.
    #[error("there is no command /{name}{}; /help lists them", meant(.nearest.as_deref()))]
    Unknown {
        /// What was typed.
        name: String,
        /// A command whose name is one letter away or begins alike.
        nearest: Option<String>,
    },
    /// The command needs a file.
    #[error("/{command} needs the name of a file")]
    NoFile {
        /// Which command.
        command: String,
    },
    /// The command takes nothing behind it.
    #[error("/{command} takes nothing behind it, but there is {extra:?}")]
    Extra {
        /// Which command.
        command: String,
        /// What stands there.
        extra: String,
    },
    /// A line that opened a text of several lines was not closed.
    #[error("the text is not closed; end it with a line that is only {FENCE}")]
    Unclosed,
}

/// What stands alone on the lines before and after a text of several lines.
pub const FENCE: &str = "\"\"\"";

/// What `/help` shows.
pub const HELP: &str = "\
/help          show this
/clear         forget the conversation, keep the instructions
/undo          take back the last question and its answer
/system TEXT   set the instructions; without a text show them
/save FILE     write the conversation to a file
/load FILE     go on with a conversation from a file
/stats         show what the last answer cost
/quit          leave (or end of input)
//TEXT         say /TEXT to the model
\"\"\"            begin or end a text of several lines
";

/// The names of all commands.
const NAMES: [&str; 8] = ["help", "clear", "undo", "system", "save", "load", "stats", "quit"];

/// Collects lines until they say something.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lines {
    /// The lines of an open text.
    open: Option<Vec<String>>,
}

impl Lines {
    /// Nothing typed yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether a text of several lines is open, so that a prompt can show it.
    #[must_use]
    pub fn inside_text(&self) -> bool {
        self.open.is_some()
    }

    /// Drops an open text, as after Ctrl-C.
    pub fn abandon(&mut self) {
        self.open = None;
    }

    /// Takes one line, with or without its end. `None` where nothing was said yet: an empty line, or a text that is open.
    ///
    /// # Errors
    /// [`CommandError`] for a line that begins with `/` and is no command.
    pub fn push(&mut self, line: &str) -> Result<Option<Command>, CommandError> {
        let line = line.strip_suffix('\n').unwrap_or(line);
        let line = line.strip_suffix('\r').unwrap_or(line);
        let fence = line.trim() == FENCE;
        match &mut self.open {
            Some(lines) if fence => {
                let text = lines.join("\n");
                self.open = None;
                Ok((!text.trim().is_empty()).then_some(Command::Say(text)))
            }
            Some(lines) => {
                lines.push(line.into());
                Ok(None)
            }
            None if fence => {
                self.open = Some(Vec::new());
                Ok(None)
            }
            None => parse(line),
        }
    }

    /// Says that the input ended: that is [`Command::Quit`].
    ///
    /// # Errors
    /// [`CommandError::Unclosed`] if a text was open; it is dropped.
    pub fn end(&mut self) -> Result<Command, CommandError> {
        self.open.take().map_or(Ok(Command::Quit), |_| Err(CommandError::Unclosed))
    }
}

/// Reads one line outside of a longer text.
fn parse(line: &str) -> Result<Option<Command>, CommandError> {
    let trimmed = line.trim();
    let Some(command) = trimmed.strip_prefix('/') else {
        return Ok((!trimmed.is_empty()).then(|| Command::Say(line.into())));
    };
    if command.starts_with('/') {
        return Ok(Some(Command::Say(command.into())));
    }
    let (name, rest) = command.split_once(char::is_whitespace).unwrap_or((command, ""));
    let rest = rest.trim();
    let file = || match rest {
        "" => Err(CommandError::NoFile { command: name.into() }),
        file => Ok(file.to_owned()),
    };
    let command = match name {
        "system" => Command::System((!rest.is_empty()).then(|| rest.into())),
        "save" => Command::Save(file()?),
        "load" => Command::Load(file()?),
        "help" | "?" => Command::Help,
        "clear" => Command::Clear,
        "undo" => Command::Undo,
        "stats" => Command::Stats,
        "quit" | "exit" | "bye" => Command::Quit,
        _ => {
            return Err(CommandError::Unknown { name: name.into(), nearest: nearest(name) });
        }
    };
    let takes_rest = matches!(command, Command::System(_) | Command::Save(_) | Command::Load(_));
    if !takes_rest && !rest.is_empty() {
        return Err(CommandError::Extra { command: name.into(), extra: rest.into() });
    }
    Ok(Some(command))
}

/// The command that was probably meant: one that begins with what was typed, or differs in one letter.
fn nearest(name: &str) -> Option<String> {
    let name = name.to_lowercase();
    let begins = |known: &&&str| !name.is_empty() && known.starts_with(&name);
    let similar = |known: &&&str| one_edit_apart(&name, known);
    let found = NAMES.iter().find(begins).or_else(|| NAMES.iter().find(similar));
    found.map(|&known| known.into())
}

/// Whether one letter put in, taken out, exchanged or swapped with the next makes `a` to `b`; or nothing does.
fn one_edit_apart(a: &str, b: &str) -> bool {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let same = a.iter().zip(&b).take_while(|(a, b)| a == b).count();
    let (a, b) = (&a[same..], &b[same..]);
    match (a, b) {
        ([], []) => true,
        ([a0, a1, rest @ ..], [b0, b1, other @ ..]) if a0 == b1 && a1 == b0 && rest == other => {
            true
        }
        ([_, rest @ ..], [_, other @ ..]) if rest == other => true,
        _ => a.get(1..) == Some(b) || b.get(1..) == Some(a),
    }
}

fn meant(nearest: Option<&str>) -> String {
    nearest.map(|name| format!(" (did you mean /{name}?)")).unwrap_or_default()
}
