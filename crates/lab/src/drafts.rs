//! What drafts are worth: the same texts with and without them, in turn, as ratios with their spread.

mod forced;
mod report;
mod run;
mod text;

pub use forced::Forced;
pub use run::{DraftRun, DraftRunArgs, draft_run};
pub use text::TextRun;

use crate::Refused;
use crate::compare::order;
use anyhow::{Context, bail};
use report::Pair;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What to measure.
#[derive(Debug, clap::Args)]
pub struct DraftsArgs {
    /// The model: a bundle, a GGUF file or a checkpoint directory
    #[arg(short, long, value_name = "MODEL")]
    model: PathBuf,
    /// Memory budgets, separated by commas
    #[arg(long, default_value = "50%,35%", value_delimiter = ',')]
    budgets: Vec<String>,
    /// Flags of the runs with drafts: --draft, --draft-tokens, as of `flint generate`
    #[arg(long, value_name = "FLAGS", default_value = "--draft auto", allow_hyphen_values = true)]
    with: String,
    /// Flags of all runs: --mode, --threads, --temp, as of `flint generate`
    #[arg(long, value_name = "FLAGS", default_value = "", allow_hyphen_values = true)]
    flags: String,
    /// Texts to go on with: one a line, or one a file where there are several
    #[arg(long, value_name = "FILE", num_args = 1)]
    prompts: Vec<PathBuf>,
    /// Tokens of each text
    #[arg(short, long, default_value_t = 96, value_parser = clap::value_parser!(u32).range(2..))]
    number: u32,
    /// Rounds; every second one runs backwards
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: u32,
    /// Take this share of drafted tokens, whatever the model says: all work is done, the text means nothing
    #[arg(long, value_name = "SHARE", value_parser = share)]
    accept: Option<f64>,
}

/// Runs every budget without and with drafts and returns a Markdown table.
///
/// # Errors
/// When a run fails, or a text is another with drafts than without.
pub fn drafts(args: &DraftsArgs, tell: &mut dyn FnMut(&str)) -> anyhow::Result<String> {
    let mut pairs: Vec<Vec<Pair>> = vec![Vec::new(); args.budgets.len()];
    for round in 0..args.rounds {
        for (budget, pairs) in args.budgets.iter().zip(&mut pairs) {
            let mut runs = [None, None];
            for index in order(2, round) {
                let with = if index == 1 { args.with.as_str() } else { "--draft off" };
                let run = child(args, budget, with)?;
                let speed = run.tokens_per_second();
                tell(&format!("round {}, {budget}, {with}: {speed:.2} tok/s", round + 1));
                runs[index] = Some(run);
            }
            let [Some(without), Some(with)] = runs else { unreachable!("both ran") };
            if args.accept.is_none() && !without.same_texts(&with) {
                bail!("at {budget} a text is another with {}", args.with);
            }
            pairs.push(Pair { without, with });
        }
    }
    Ok(report::table(args, &pairs))
}

impl DraftsArgs {
    /// The command line that gives the same table, for the table.
    fn command(&self) -> String {
        let forced = self.accept.map_or_else(String::new, |share| format!(" --accept {share}"));
        let name = |path: &Path| path.file_name().unwrap_or_default().display().to_string();
        let prompts = self.prompts.iter().map(|path| format!(" --prompts {}", name(path)));
        let prompts: String = prompts.collect();
        format!(
            "cargo xtask drafts --model {} --budgets {} --with \"{}\" --flags \"{}\" --number {} --rounds {}{forced}{prompts}",
            name(&self.model),
            self.budgets.join(","),
            self.with,
            self.flags,
            self.number,
            self.rounds,
        )
    }
}

/// A share from 0 to 1.
fn share(text: &str) -> Result<f64, String> {
    let share = text.parse().ok().filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| format!("'{text}' is not a share from 0 to 1"))
}

/// A run in a process of its own: memory of one run is not memory of the next.
fn child(args: &DraftsArgs, budget: &str, with: &str) -> anyhow::Result<DraftRun> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["draft-run", "--memory", budget, "--number", &args.number.to_string()]);
    command.args(with.split_whitespace()).args(args.flags.split_whitespace());
    if let Some(share) = args.accept {
        command.args(["--accept", &share.to_string()]);
    }
    for prompts in &args.prompts {
        command.arg("--prompts").arg(prompts);
    }
    let output =
        command.arg("--model").arg(&args.model).output().context("cannot run this program")?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        let last = text.lines().last().unwrap_or("it failed").to_owned();
        return match output.status.code() {
            Some(2) => Err(Refused(last).into()),
            _ => Err(anyhow::anyhow!(last)),
        };
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}
