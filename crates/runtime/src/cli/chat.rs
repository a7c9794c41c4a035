//! `flint chat`: a conversation in the terminal, through a pipe, or of one turn.

mod commands;
pub(super) mod date;
mod input;
mod show;
mod signals;
mod thoughts;
mod turn;

use super::args::{RunArgs, load, read_text};
use super::output::note;
use super::refuse;
use super::sampling::SamplingArgs;
use clap::Args;
use flint_chat::{CommandError, Moment};
use flint_dialogue::{Overflow, Prompter, Talk};
use flint_engine::{Engine, EngineError, Stats, Tokenizer};
use input::{Heard, Input};
use signals::Signals;
use std::io::{IsTerminal, stdout};
use std::path::{Path, PathBuf};
use thoughts::Thoughts;

/// Tokens of context unless something else is asked for: long enough for a conversation, and keys and values of it fit
/// beside the weights of most models.
pub(super) const DEFAULT_CONTEXT: usize = 4096;

/// What happens when the conversation outgrows the context.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum OnOverflow {
    /// The turn is refused, with what can be done
    Stop,
    /// The oldest turns are forgotten, which is said
    Drop,
}

#[derive(Debug, Args)]
pub(super) struct ChatArgs {
    /// The model
    #[arg(short, long, value_name = "MODEL")]
    model: PathBuf,
    /// Instructions to the model
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    system: Option<String>,
    /// The template that conversations are written in: a file, or chatml [default: the model's own]
    #[arg(long, value_name = "FILE|chatml")]
    chat_template: Option<String>,
    /// What the template takes for today [default: today, in UTC]
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = date::parse)]
    date: Option<Moment>,
    /// Ask this and leave
    #[arg(short, long, value_name = "TEXT", allow_hyphen_values = true)]
    prompt: Option<String>,
    /// Most tokens of an answer [default: as many as the context has room for]
    #[arg(short, long, value_name = "N", value_parser = super::args::at_least_one)]
    number: Option<usize>,
    /// When the conversation outgrows the context
    #[arg(long, value_name = "WHAT", default_value = "stop")]
    overflow: OnOverflow,
    /// How the model's thoughts are shown [default: dim on a terminal, else hide]
    #[arg(long, value_name = "WHAT")]
    thoughts: Option<Thoughts>,
    #[command(flatten)]
    sampling: SamplingArgs,
    #[command(flatten)]
    run: RunArgs,
    /// Print only answers
    #[arg(short, long)]
    quiet: bool,
}

/// A running conversation.
struct Chat {
    args: ChatArgs,
    engine: Engine,
    codec: Tokenizer,
    prompter: Prompter,
    talk: Talk,
    signals: Signals,
    thoughts: Thoughts,
    /// What the last answer cost.
    last: Option<(Stats, usize)>,
}

pub(super) fn chat(args: ChatArgs) -> anyhow::Result<()> {
    let signals = Signals::watch();
    let quiet = args.quiet || args.prompt.is_some();
    let (files, codec) = RunArgs::open(&args.model)?;
    let codec = codec.ok_or(EngineError::NoTokenizer)?;
    let asked = args.chat_template.as_deref().map(template_text).transpose()?;
    let prompter = Prompter::new(&files, &codec, asked.as_deref())?;
    let prepared = args.run.prepare(files, Some(DEFAULT_CONTEXT), quiet)?;
    let engine = load(prepared, quiet)?;
    let mut talk = Talk::new();
    talk.conversation_mut().set_system(args.system.as_deref().unwrap_or_default());
    let in_terminal = stdout().is_terminal();
    let thoughts = args.thoughts.unwrap_or(Thoughts::usual(in_terminal));
    let mut chat = Chat { args, engine, codec, prompter, talk, signals, thoughts, last: None };
    let done = match chat.args.prompt.clone() {
        Some(question) => chat.say(&question),
        None => chat.converse(quiet),
    };
    // The system takes the memory back at once; dropping would wait for reads in flight.
    std::mem::forget(chat.engine);
    done
}

impl Chat {
    /// Turn after turn, until the input ends or somebody leaves.
    fn converse(&mut self, quiet: bool) -> anyhow::Result<()> {
        let mut input = Input::new()?;
        if input.is_terminal() && !quiet {
            let context = self.engine.plan().context;
            note(&format!("a conversation of up to {context} tokens (-c); /help shows commands"));
        }
        loop {
            let heard = match input.next() {
                Ok(heard) => heard,
                Err(error) if input.is_terminal() => {
                    note(&format!("flint: {error}"));
                    continue;
                }
                Err(error) => return Err(error),
            };
            let command = match heard {
                Heard::Command(command) => command,
                Heard::Nothing => continue,
                Heard::Interrupted => {
                    note("/quit leaves, and so does Ctrl-D");
                    continue;
                }
            };
            match self.obey(command) {
                Ok(true) => {}
                Ok(false) => return Ok(()),
                // A person can do something else; a script cannot.
                Err(error) if input.is_terminal() && !super::output::is_closed_pipe(&error) => {
                    super::output::complain(&error);
                }
                Err(error) => return Err(error),
            }
        }
    }
}

impl From<OnOverflow> for Overflow {
    fn from(asked: OnOverflow) -> Overflow {
        match asked {
            OnOverflow::Stop => Overflow::Stop,
            OnOverflow::Drop => Overflow::DropOldest,
        }
    }
}

/// The text of the template that was asked for, or the name of a built-in one.
pub(super) fn template_text(asked: &str) -> anyhow::Result<String> {
    if asked == "chatml" { Ok(asked.to_owned()) } else { read_text(Path::new(asked)) }
}

/// A line that is not a command.
fn not_a_command(error: &CommandError) -> anyhow::Error {
    refuse(error.to_string())
}
