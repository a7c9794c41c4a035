//! `flint logits`: numbers for those who compare engines.

use super::args::RunArgs;
use super::output::{say, say_json};
use crate::Session;
use clap::Args;
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
    let (files, _) = RunArgs::open(&args.model)?;
    files.check_tokens(&args.tokens)?;
    let needed = args.tokens.len();
    let limit = files.architecture().context;
    if needed > limit {
        let what = "the prompt";
        return Err(crate::RuntimeError::ContextTooLong { what, needed, limit }.into());
    }
    let mut engine = args.run.load(files, Some(needed), args.json)?;
    let mut session = Session::new(&mut engine)?;
    let mut rows: Vec<Vec<f32>> = Vec::new();
    if args.all {
        session.feed_all(&args.tokens, &mut |row| rows.push(row.to_vec()))?;
    } else {
        rows.push(session.feed(&args.tokens, &mut |_| {})?);
    }
    if !args.json {
        let line =
            |row: &Vec<f32>| row.iter().map(|logit| format!("{logit} ")).collect::<String>() + "\n";
        return say(&rows.iter().map(line).collect::<String>());
    }
    match (args.all, rows.pop()) {
        (false, Some(last)) => say_json(&serde_json::json!({ "logits": last })),
        (_, last) => {
            rows.extend(last);
            say_json(&serde_json::json!({ "logits": rows }))
        }
    }
}
