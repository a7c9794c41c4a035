//! `flint logits`: numbers for those who compare engines. Rows are printed as they come, so that their number
//! costs no memory.

use super::args::{RunArgs, check_context, load};
use super::output::{cost, note, say};
use clap::Args;
use flint_engine::{CancelToken, OpenModel};
use std::fmt::Write;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(super) struct LogitsArgs {
    /// The bundle
    #[arg(short, long, value_name = "DIR.flint")]
    model: PathBuf,
    /// Token ids
    #[arg(long, value_name = "1,2,3", value_delimiter = ',', required = true)]
    tokens: Vec<u32>,
    /// After every position, not only the last
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    run: RunArgs,
    /// Print one JSON object instead of a line per position
    #[arg(long)]
    json: bool,
}

pub(super) fn logits(args: LogitsArgs) -> anyhow::Result<()> {
    let files = OpenModel::open(&args.model)?;
    files.check_tokens(&args.tokens)?;
    let needed = args.tokens.len();
    check_context(&args.run, files.architecture(), needed)?;
    // A signal ends it as the system does: rows that were printed are whole lines.
    let prepared = args.run.without_drafts().prepare(files, Some(needed), args.json)?;
    let mut engine = load(prepared, args.json)?;
    // More fields than the numbers only where something was left out that was not zero.
    let more = engine.sparsity().map_or(String::new(), |chosen| {
        format!(",\"sparsity\":{},\"quality_cost\":{}", chosen.sparsity, chosen.cost())
    });
    if let Some(chosen) = engine.sparsity().filter(|_| !args.json) {
        note(&cost(chosen));
    }
    let (mut sequence, cancel) = (engine.begin(), CancelToken::default());
    if !args.all {
        let row = engine.feed(&mut sequence, &args.tokens, &cancel, &mut |_| {})?;
        return if args.json {
            say(&format!("{{\"logits\":[{}]{more}}}\n", numbers(&row, ",")))
        } else {
            say(&(numbers(&row, " ") + "\n"))
        };
    }
    let mut said = Ok(());
    let mut first = true;
    engine.feed_all(&mut sequence, &args.tokens, &cancel, &mut |row| {
        let text = match (args.json, first) {
            (true, true) => format!("{{\"logits\":[[{}]", numbers(row, ",")),
            (true, false) => format!(",[{}]", numbers(row, ",")),
            (false, _) => numbers(row, " ") + "\n",
        };
        first = false;
        if said.is_ok() {
            said = say(&text);
        }
    })?;
    said?;
    if args.json { say(&format!("]{more}}}\n")) } else { Ok(()) }
}

/// Shortest decimals that give the same f32 back; what is not a number is null, as JSON has it.
fn numbers(row: &[f32], separator: &str) -> String {
    let mut text = String::with_capacity(row.len() * 12);
    for (index, logit) in row.iter().enumerate() {
        let separator = if index > 0 { separator } else { "" };
        // Writing to a string cannot fail.
        let _ = match logit.is_finite() {
            true => write!(text, "{separator}{logit}"),
            false => write!(text, "{separator}null"),
        };
    }
    text
}
