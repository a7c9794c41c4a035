//! `flint perplexity`: what a mode costs in quality.

use super::args::{RunArgs, load, read_text};
use super::interrupt::Interrupt;
use super::output::{cost, note, say, say_json};
use super::progress::{advance, count_bar};
use clap::Args;
use flint_engine::{EngineError, Perplexity};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

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
    let interrupt = Interrupt::watch();
    let (files, codec) = RunArgs::open(&args.model)?;
    let text = read_text(&args.file)?;
    let tokens = codec.ok_or(EngineError::NoTokenizer)?.encode(&text, false)?;
    let prepared = args.run.without_drafts().prepare(files, Some(tokens.len()), args.json)?;
    let mode = prepared.plan().mode.name();
    let found = Arc::new(Mutex::new(Perplexity {
        perplexity: f64::NAN,
        interval: None,
        tokens: 0,
        mode,
        sparsity: None,
        quality_cost: None,
    }));
    let (so_far, json) = (Arc::clone(&found), args.json);
    interrupt.set_final_report(move || {
        // Whether anybody reads does not matter any more.
        let _ = report(&so_far.lock().unwrap_or_else(PoisonError::into_inner), json);
    });
    let mut engine = load(prepared, args.json)?;
    let bar = count_bar("tokens", args.json);
    let cancel = interrupt.cancel();
    let measured = flint_engine::perplexity(&mut engine, &tokens, &cancel, &mut |so_far| {
        *found.lock().unwrap_or_else(PoisonError::into_inner) = so_far;
        advance(&bar, so_far.tokens as u64, tokens.len() as u64);
    });
    bar.finish_and_clear();
    let measured = measured?;
    interrupt.claim_output();
    if let Some(chosen) = engine.sparsity().filter(|_| !args.json) {
        note(&format!("measured when the bundle was made: {}", cost(chosen)));
    }
    report(&measured, args.json)?;
    interrupt.leave_if_asked();
    Ok(())
}

fn report(found: &Perplexity, json: bool) -> anyhow::Result<()> {
    if json {
        return say_json(&found);
    }
    let Perplexity { perplexity, interval, tokens, mode, .. } = found;
    let between =
        interval.map_or(String::new(), |[low, high]| format!(" (95 %: {low:.4} to {high:.4})"));
    match tokens {
        0 => say("perplexity of nothing: stopped before the first token\n"),
        _ => {
            say(&format!("perplexity {perplexity:.4}{between} over {tokens} tokens, {mode} mode\n"))
        }
    }
}
