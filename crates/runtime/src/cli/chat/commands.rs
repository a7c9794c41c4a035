//! What the commands of a conversation do.

use super::Chat;
use crate::cli::args::read_text;
use crate::cli::generate::summary;
use crate::cli::output::{note, say};
use crate::cli::refuse;
use flint_chat::{Command, Conversation, HELP};
use std::fs;
use std::path::Path;

impl Chat {
    /// Does what was asked; whether to go on.
    pub(super) fn obey(&mut self, command: Command) -> anyhow::Result<bool> {
        match command {
            Command::Say(text) => self.say(&text)?,
            Command::Help => say(HELP)?,
            Command::Clear => self.talk.conversation_mut().clear(),
            Command::Undo => self.talk.conversation_mut().undo().map(drop)?,
            Command::System(Some(text)) => self.talk.conversation_mut().set_system(&text),
            Command::System(None) => {
                let system = self.talk.conversation().system();
                say(&(system.unwrap_or_else(|| "no instructions".to_owned()) + "\n"))?;
            }
            Command::Save(file) => self.save(Path::new(&file))?,
            Command::Load(file) => {
                let text = read_text(Path::new(&file))?;
                *self.talk.conversation_mut() = Conversation::from_json(&text)?;
                let count = self.talk.conversation().messages().len();
                note(&format!("{count} messages from {file}"));
            }
            Command::Stats => match &self.last {
                Some((stats, tokens)) => note(&summary(stats, *tokens)),
                None => note("nothing was answered yet"),
            },
            Command::Quit => return Ok(false),
        }
        Ok(true)
    }

    fn save(&self, path: &Path) -> anyhow::Result<()> {
        let text = self.talk.conversation().to_json()?;
        fs::write(path, text + "\n")
            .map_err(|cause| refuse(format!("cannot write {}: {cause}", path.display())))?;
        note(&format!("saved to {}", path.display()));
        Ok(())
    }
}
