//! The only writers to stdout and stderr. A closed pipe ends a run quietly.

use serde::Serialize;
use std::io::{self, Write};
use std::panic::PanicHookInfo;

/// The output cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write to stdout: {cause}")]
struct Unwritable {
    #[source]
    cause: io::Error,
}

/// Writes text as it comes.
pub(super) fn say(text: &str) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    let written = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
    Ok(written.map_err(|cause| Unwritable { cause })?)
}

/// Writes one JSON object and nothing else.
pub(super) fn say_json(value: &impl Serialize) -> anyhow::Result<()> {
    say(&(serde_json::to_string(value)? + "\n"))
}

/// A line for people, beside the output.
pub(super) fn note(line: &str) {
    // Where stderr is closed nobody listens.
    let _ = writeln!(io::stderr(), "{line}");
}

/// One line for an error.
pub(super) fn complain(error: &anyhow::Error) {
    // Names from files may hold line ends, and codes that a terminal obeys.
    let line = format!("{error}").replace(char::is_control, " ");
    note(&format!("flint: {line}"));
}

/// One line for a bug of ours, instead of a panic message.
pub(super) fn complain_of_bug(panic: &PanicHookInfo<'_>) {
    if flint_checkpoint::panics_are_errors() {
        return;
    }
    let payload = panic.payload();
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    let place = panic.location().map_or_else(String::new, |place| format!(" at {place}"));
    let line = text.unwrap_or("no message").replace(['\n', '\r'], " ");
    note(&format!("flint: this is a bug in flint, please report it: {line}{place}"));
}

/// Whether an error is that nobody reads the output any more.
pub(super) fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let io = error.chain().find_map(|cause| cause.downcast_ref::<io::Error>());
    io.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// Bytes for people: three digits and a binary unit.
pub(super) fn bytes(count: u64) -> String {
    indicatif::BinaryBytes(count).to_string()
}

/// What a share of neurons left out costs, for people.
pub(super) fn cost(found: &flint_engine::Sparsity) -> String {
    format!(
        "sparsity {}: perplexity {:.3}, exact {:.3} ({:+.2} %)",
        found.sparsity,
        found.perplexity,
        found.perplexity_exact,
        (found.cost() - 1.0) * 100.0
    )
}
