//! The command line `flint`: parses, runs, prints, and turns errors into one line and an exit status.

mod args;
mod chat;
mod convert;
mod forecast;
mod generate;
mod inspect;
mod interrupt;
mod logits;
mod output;
mod perplexity;
mod plan;
mod probe;
mod progress;
mod sampling;
mod serve;
mod verify;

pub use convert::{ConvertArgs, convert};

use clap::error::ErrorKind;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use output::{complain, is_closed_pipe};
use std::ffi::OsString;
use std::panic::AssertUnwindSafe;
use std::process::ExitCode;

/// Runs language models larger than memory: the weights stay on flash, and each token reads only the
/// neurons it needs.
#[derive(Debug, Parser)]
#[command(name = "flint", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Generate text
    Generate(generate::GenerateArgs),
    /// Talk to a model
    Chat(chat::ChatArgs),
    /// Answer many clients at once, over OpenAI's and Ollama's interfaces, with a web page
    Serve(serve::ServeArgs),
    /// Print the logits that follow a list of tokens
    Logits(logits::LogitsArgs),
    /// Measure how well a text is foreseen
    Perplexity(perplexity::PerplexityArgs),
    /// Say where memory would go and how fast a run would be, and why, before weights are loaded
    Plan(plan::PlanArgs),
    /// Show what a bundle holds
    Inspect(inspect::InspectArgs),
    /// Check every byte of a bundle
    Verify(verify::VerifyArgs),
    /// Measure the device behind a path
    Probe(probe::ProbeArgs),
    /// Turn a HuggingFace checkpoint into a bundle
    Convert(ConvertArgs),
}

/// What the request or its input did wrong, in one line: exit status 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Refused(String);

/// Refuses the request.
fn refuse(reason: impl Into<String>) -> anyhow::Error {
    Refused(reason.into()).into()
}

/// Runs one command line, the name of the program first.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    start_logging();
    std::panic::set_hook(Box::new(output::complain_of_bug));
    let ran = std::panic::catch_unwind(AssertUnwindSafe(|| run_command(arguments)));
    tracing::debug!(peak_rss_bytes = flint_engine::process_memory().peak, "ends");
    ran.unwrap_or(ExitCode::FAILURE)
}

fn run_command(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let matches = with_dashes(Cli::command()).try_get_matches_from(arguments);
    let cli = match matches.and_then(|matches| Cli::from_arg_matches(&matches)) {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    status(match cli.command {
        None => generate::demo(),
        Some(Command::Generate(args)) => generate::generate(args),
        Some(Command::Chat(args)) => chat::chat(args),
        Some(Command::Serve(args)) => serve::serve(args),
        Some(Command::Logits(args)) => logits::logits(args),
        Some(Command::Perplexity(args)) => perplexity::perplexity(args),
        Some(Command::Plan(args)) => plan::plan(args),
        Some(Command::Inspect(args)) => inspect::inspect(args),
        Some(Command::Verify(args)) => verify::verify(args),
        Some(Command::Probe(args)) => probe::probe(args),
        Some(Command::Convert(args)) => convert::convert(args),
    })
}

/// Lets the value of every option begin with a dash: texts, paths and numbers do. A value of no use is then refused as what
/// it was meant for.
fn with_dashes(command: clap::Command) -> clap::Command {
    command.mut_subcommands(|sub| {
        sub.mut_args(|arg| match arg.is_positional() || !arg.get_action().takes_values() {
            true => arg,
            false => arg.allow_hyphen_values(true),
        })
    })
}

/// Prints the error, if there is one, and says what to exit with.
pub fn status(result: anyhow::Result<()>) -> ExitCode {
    let Err(error) = result else { return ExitCode::SUCCESS };
    if is_closed_pipe(&error) {
        return ExitCode::SUCCESS;
    }
    complain(&error);
    ExitCode::from(exit_status(&error))
}

fn exit_status(error: &anyhow::Error) -> u8 {
    if let Some(error) = error.downcast_ref::<flint_engine::EngineError>() {
        return error.exit_status();
    }
    if let Some(error) = error.downcast_ref::<flint_convert::ConvertError>() {
        return error.exit_status();
    }
    if let Some(error) = error.downcast_ref::<flint_convert::CalibrateError>() {
        return error.exit_status();
    }
    if let Some(error) = error.downcast_ref::<flint_dialogue::DialogueError>() {
        return match error {
            flint_dialogue::DialogueError::Engine(error) => error.exit_status(),
            _ => 2,
        };
    }
    let input = error.is::<Refused>()
        || error.is::<flint_server::ServeError>()
        || error.is::<flint_chat::ChatError>()
        || error.is::<flint_bundle::BundleError>()
        || error.is::<flint_checkpoint::gguf::GgufError>()
        || error.is::<flint_checkpoint::CheckpointError>();
    if input { 2 } else { 1 }
}

/// Help goes to stdout; a mistake becomes one line.
pub fn usage(error: &clap::Error) -> ExitCode {
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        return status(output::say(&error.render().to_string()));
    }
    let text = error.to_string();
    let said = text.lines().map(str::trim).take_while(|line| !line.is_empty());
    let line = said.collect::<Vec<_>>().join(" ");
    let line = line.strip_prefix("error: ").unwrap_or(&line).to_owned();
    complain(&refuse(format!("{line} (see --help)")));
    ExitCode::from(2)
}

/// Logs go to stderr as `RUST_LOG` says; silent without it.
fn start_logging() {
    use tracing_subscriber::{EnvFilter, fmt};
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("off"));
    // Fails only when a caller of this library has set one up already: theirs stays.
    let _ = fmt().with_env_filter(filter).with_writer(std::io::stderr).try_init();
}
