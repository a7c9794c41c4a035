//! Shows an answer as it comes: thoughts faint, and nothing that a terminal would obey.

use super::thoughts::Thoughts;
use crate::cli::output::say;
use flint_chat::Event;

/// Begins and ends a faint type.
const FAINT: &str = "\u{1b}[2m";
const NORMAL: &str = "\u{1b}[22m";

/// What was shown last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Nothing,
    Thoughts,
    Text,
    Call,
}

/// Writes the parts of one answer.
#[derive(Debug)]
pub(super) struct Show {
    thoughts: Thoughts,
    /// Whether a terminal reads it.
    terminal: bool,
    part: Part,
}

impl Show {
    pub(super) fn new(thoughts: Thoughts, terminal: bool) -> Show {
        Show { thoughts, terminal, part: Part::Nothing }
    }

    /// Shows what became known.
    pub(super) fn event(&mut self, event: &Event) -> anyhow::Result<()> {
        match event {
            Event::Reasoning(_) if self.thoughts == Thoughts::Hide => Ok(()),
            Event::Reasoning(text) => self.text(Part::Thoughts, text),
            Event::Content(text) => self.text(Part::Text, text),
            Event::CallStart { name, .. } => self.text(Part::Call, &format!("\n[calls {name}] ")),
            Event::CallArguments { delta, .. } => self.text(Part::Call, delta),
        }
    }

    /// Ends the last line.
    pub(super) fn end(&mut self) -> anyhow::Result<()> {
        self.turn_to(Part::Nothing)?;
        say("\n")
    }

    fn text(&mut self, part: Part, text: &str) -> anyhow::Result<()> {
        self.turn_to(part)?;
        if self.terminal { say(&harmless(text)) } else { say(text) }
    }

    fn turn_to(&mut self, part: Part) -> anyhow::Result<()> {
        if part == self.part {
            return Ok(());
        }
        let (before, dim) = (self.part, self.thoughts == Thoughts::Dim && self.terminal);
        self.part = part;
        let end = if before == Part::Thoughts && dim { NORMAL } else { "" };
        let gap = if before == Part::Thoughts && part == Part::Text { "\n\n" } else { "" };
        let start = if part == Part::Thoughts && dim { FAINT } else { "" };
        say(&[end, gap, start].concat())
    }
}

/// A text without the characters that a terminal obeys, ends of lines and tabs aside.
fn harmless(text: &str) -> String {
    let obeyed = |c: &char| c.is_control() && !matches!(c, '\n' | '\t');
    text.chars().filter(|c| !obeyed(c)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_is_told_nothing_but_text() {
        assert_eq!(harmless("a\u{1b}[2Jb\tc\u{9b}1m\r\n\u{7}é"), "a[2Jb\tc1m\né");
    }
}
