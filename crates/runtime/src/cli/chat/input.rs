//! Where lines come from: an editor with history on a terminal, else standard input.

use super::not_a_command;
use crate::cli::refuse;
use flint_chat::{Command, Lines};
use rustyline::error::ReadlineError;
use rustyline::{Config, DefaultEditor};
use std::io::{self, BufRead, IsTerminal, Read};

/// Longest line that is read, in bytes: no context holds as much.
const LONGEST: u64 = 16 << 20;

/// What came of a line.
#[derive(Debug)]
pub(super) enum Heard {
    Command(Command),
    /// An empty line, or one of a text that is still open.
    Nothing,
    /// Ctrl-C while a line was typed.
    Interrupted,
}

/// The source of lines, and what they have said so far.
pub(super) struct Input {
    /// `None` where nobody types.
    editor: Option<DefaultEditor>,
    lines: Lines,
}

impl Input {
    pub(super) fn new() -> anyhow::Result<Input> {
        let typed = io::stdin().is_terminal() && io::stdout().is_terminal();
        let config = Config::builder().auto_add_history(true).history_ignore_space(true).build();
        let editor = typed.then(|| DefaultEditor::with_config(config)).transpose();
        let editor =
            editor.map_err(|error| refuse(format!("cannot read the terminal: {error}")))?;
        Ok(Input { editor, lines: Lines::new() })
    }

    /// Whether somebody types.
    pub(super) fn is_terminal(&self) -> bool {
        self.editor.is_some()
    }

    /// The next line.
    pub(super) fn next(&mut self) -> anyhow::Result<Heard> {
        let Some(line) = self.line()? else {
            return Ok(Heard::Interrupted);
        };
        let said = match line {
            Some(line) => self.lines.push(&line),
            None => self.lines.end().map(Some),
        };
        let said = said.map_err(|error| not_a_command(&error))?;
        Ok(said.map_or(Heard::Nothing, Heard::Command))
    }

    /// `Some(None)` at the end of the input, `None` after an interrupt.
    #[expect(clippy::option_option, reason = "a line, the end, or neither")]
    fn line(&mut self) -> anyhow::Result<Option<Option<String>>> {
        let Some(editor) = &mut self.editor else { return Ok(Some(piped_line()?)) };
        let prompt = if self.lines.inside_text() { ". " } else { "> " };
        match editor.readline(prompt) {
            Ok(line) => Ok(Some(Some(line))),
            Err(ReadlineError::Interrupted) => {
                self.lines.abandon();
                Ok(None)
            }
            Err(ReadlineError::Eof) => Ok(Some(None)),
            Err(error) => {
                // The terminal is gone: there is nobody to ask again.
                self.editor = None;
                Err(refuse(format!("cannot read the terminal: {error}")))
            }
        }
    }
}

fn piped_line() -> anyhow::Result<Option<String>> {
    let mut line = Vec::new();
    let stdin = io::stdin().lock();
    let read = stdin.take(LONGEST).read_until(b'\n', &mut line);
    let read = read.map_err(|error| refuse(format!("cannot read stdin: {error}")))?;
    if read == 0 {
        return Ok(None);
    }
    if read as u64 == LONGEST {
        return Err(refuse(format!("a line of stdin has more than {LONGEST} bytes")));
    }
    String::from_utf8(line).map(Some).map_err(|_| refuse("stdin is not UTF-8 text"))
}
