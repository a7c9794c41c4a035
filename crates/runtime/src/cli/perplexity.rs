//! `flint perplexity`: what a mode costs in quality.

use super::args::{RunArgs, read_text};
use super::output::{cost, note, say, say_json};
use super::progress::{advance, count_bar};
use crate::RuntimeError;
use clap::Args;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(super) struct PerplexityArgs {
    /// The bundle
    #[arg(short, long, value_name = "DIR.flint")]
    model: PathBuf,
    /// File with the text
    #[arg(short, long, value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    run: RunArgs,
    /// Print one JSON object instead of a line
    #[arg(long)]
    json: bool,
}

pub(super) fn perplexity(args: PerplexityArgs) -> anyhow::Result<()> {
    let (files, codec) = RunArgs::open(&args.model)?;
    let text = read_text(&args.file)?;
    let tokens = codec.ok_or(RuntimeError::NoTokenizer)?.encode(&text, false)?;
    let mut engine = args.run.load(files, None, args.json)?;
    let bar = count_bar("tokens", args.json);
    let found = crate::perplexity(&mut engine, &tokens, &mut |done| {
        advance(&bar, done as u64, tokens.len() as u64);
    });
    bar.finish_and_clear();
    let found = found?;
    if args.json {
        return say_json(&found);
    }
    if let Some(chosen) = engine.sparsity() {
        note(&format!("measured when the bundle was made: {}", cost(chosen)));
    }
    let (perplexity, tokens, mode) = (found.perplexity, found.tokens, found.mode);
    say(&format!("perplexity {perplexity:.4} over {tokens} tokens, {mode} mode\n"))
}
