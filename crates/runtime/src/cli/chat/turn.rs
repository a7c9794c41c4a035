//! One turn: the question is asked, the answer shown while it is written.

use super::Chat;
use super::date;
use super::show::Show;
use crate::cli::output::note;
use crate::cli::progress::{advance, count_bar};
use flint_chat::Message;
use flint_dialogue::{TalkEvent, TurnOptions};
use flint_engine::{Controls, Finish, ProgressHandle};
use std::io::{IsTerminal, stdout};
use std::ops::ControlFlow;

impl Chat {
    /// Asks, and shows the answer.
    pub(super) fn say(&mut self, question: &str) -> anyhow::Result<()> {
        let options = self.turn_options();
        let quiet = self.args.quiet || self.args.prompt.is_some();
        let controls = Controls { cancel: self.signals.begin(), live: ProgressHandle::default() };
        let mut show = Show::new(self.thoughts, stdout().is_terminal());
        let bar = count_bar("reading", quiet);
        let (mut new, mut failed) = (0, None);
        let reply = self.talk.ask(
            &mut self.engine,
            &self.codec,
            &self.prompter,
            Message::user(question),
            &options,
            &controls,
            &mut |event| {
                let shown = match event {
                    TalkEvent::Prompt { tokens, kept, dropped } => {
                        new = (tokens - kept) as u64;
                        if dropped > 0 {
                            note(&format!(
                                "flint: the context is full: forgot the oldest {dropped} turns"
                            ));
                        }
                        Ok(())
                    }
                    TalkEvent::Fed(fed) => {
                        advance(&bar, fed as u64, new);
                        if fed as u64 == new {
                            bar.finish_and_clear();
                        }
                        Ok(())
                    }
                    TalkEvent::Answer(event) => show.event(&event),
                };
                match shown {
                    Ok(()) => ControlFlow::Continue(()),
                    Err(error) => {
                        failed = Some(error);
                        ControlFlow::Break(())
                    }
                }
            },
        );
        self.signals.end();
        bar.finish_and_clear();
        if let Some(error) = failed {
            return Err(error);
        }
        let reply = reply?;
        show.end()?;
        let stopped = controls.cancel.is_cancelled();
        if stopped && reply.generated.tokens.is_empty() {
            note("flint: stopped before the answer: the question is taken back");
        } else if stopped {
            note("flint: stopped");
        }
        match reply.generated.finish {
            Finish::Context => {
                note("flint: the context is full, so the answer ends here (-c, /clear, /undo)")
            }
            Finish::Length if !quiet => note("flint: the answer was cut after -n tokens"),
            Finish::Length | Finish::Stop => {}
        }
        self.last = Some((reply.generated.stats, reply.generated.tokens.len()));
        Ok(())
    }

    fn turn_options(&self) -> TurnOptions {
        let now = self.args.date.unwrap_or_else(date::now);
        TurnOptions {
            sampling: self.args.sampling.sampling(),
            max_tokens: self.args.number,
            stop: self.args.sampling.stop.clone(),
            overflow: self.args.overflow.into(),
            ..TurnOptions::at(now)
        }
    }
}
