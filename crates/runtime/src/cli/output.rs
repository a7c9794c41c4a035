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

/// What a share of neurons that are not read costs, for people.
pub(super) fn cost(found: &flint_engine::Sparsity) -> String {
    let change = (found.cost() - 1.0) * 100.0;
    let line = |perplexity: &str, exact: &str, change: &str| {
        format!("sparsity {}: perplexity {perplexity}, exact {exact} ({change} %)", found.sparsity)
    };
    let Some(known) = found.precision else {
        let [perplexity, exact] = [found.perplexity, found.perplexity_exact].map(three_digits);
        return line(&perplexity, &exact, &format!("{change:+.2}"));
    };
    line(
        &margin(found.perplexity, known.margin),
        &margin(found.perplexity_exact, known.margin_exact),
        &format!("{change:+.2} \u{b1} {:.2}", found.cost() * known.margin_cost * 100.0),
    ) + &format!(
        ", same next token {:.1} \u{b1} {:.1} %, {} tokens",
        known.agreement * 100.0,
        known.margin_agreement * 100.0,
        known.tokens
    )
}

/// A perplexity with its interval, from half of that of its logarithm.
pub(super) fn margin(perplexity: f64, margin: f64) -> String {
    if !margin.is_finite() {
        return three_digits(perplexity);
    }
    let [low, high] = [-margin, margin].map(|off| three_digits(perplexity * off.exp()));
    format!("{} ({low} to {high})", three_digits(perplexity))
}

fn three_digits(perplexity: f64) -> String {
    format!("{perplexity:.3}")
}
