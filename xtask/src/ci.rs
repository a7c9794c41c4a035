//! `cargo xtask ci`: what must hold before a change lands, and with `deep` what takes too long for every change.
//!
//! A deep step is a name and a function in `STEPS`; a tool that is not there makes it skipped, aloud, with the
//! command that installs it.

mod clients;
mod deny;
mod fuzz;
mod large_bundle;
mod miri;
mod sanitize;
mod schedules;
mod serving;
mod tool;
mod untested;

use anyhow::bail;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

/// What to check.
#[derive(Debug, clap::Args)]
pub struct CiArgs {
    #[command(subcommand)]
    depth: Option<Depth>,
}

#[derive(Debug, clap::Subcommand)]
enum Depth {
    /// Run 10,000 schedules of faults and a gigabyte in a memory group, fuzz every parser, run miri and the address
    /// sanitizer, check dependencies
    Deep(DeepArgs),
}

/// How deep.
#[derive(Debug, clap::Args)]
struct DeepArgs {
    /// Seconds for each fuzz target
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Run this step alone
    #[arg(long)]
    only: Option<String>,
    /// Of the fuzz targets run this one alone
    #[arg(long)]
    target: Option<String>,
    /// A model with a chat template of its own, for clients to talk to and servers to be measured with
    #[arg(long)]
    model: Option<PathBuf>,
}

/// How a step ended that did not fail.
enum Outcome {
    Passed,
    /// A tool is missing, or a network; with what would help.
    Skipped(String),
}

/// A step of the deep check, given the root of the workspace.
type Step = fn(&Path, &DeepArgs) -> anyhow::Result<Outcome>;

/// The steps, in order. Another one is a line here.
const STEPS: &[(&str, Step)] = &[
    ("fault-schedules", schedules::run),
    ("large-bundle", large_bundle::run),
    ("clients", clients::run),
    ("serving", serving::run),
    ("fuzz", fuzz::run),
    ("miri", miri::run),
    ("address-sanitizer", sanitize::run),
    ("dependencies", deny::run),
];

/// Runs the checks; `say` hears what is being done.
///
/// # Errors
/// When a check fails; all of them are run first.
pub fn ci(args: &CiArgs, say: &mut dyn FnMut(&str)) -> anyhow::Result<()> {
    let root = crate::workspace_root();
    match &args.depth {
        None => {
            let mut command = Command::new("bash");
            command.arg(root.join(".ci/run"));
            untested::run(root, command, say)
        }
        Some(Depth::Deep(deep)) => run_deep(root, deep, say),
    }
}

fn run_deep(root: &Path, deep: &DeepArgs, say: &mut dyn FnMut(&str)) -> anyhow::Result<()> {
    let wanted = |name: &str| deep.only.as_deref().is_none_or(|only| only == name);
    let steps: Vec<_> = STEPS.iter().filter(|(name, _)| wanted(name)).collect();
    if steps.is_empty() {
        let names: Vec<&str> = STEPS.iter().map(|(name, _)| *name).collect();
        bail!("there is no such step: the steps are {}", names.join(", "));
    }
    let (mut lines, mut failed) = (Vec::new(), 0);
    for (name, step) in steps {
        say(&format!("== {name}"));
        let start = Instant::now();
        let line = match step(root, deep) {
            Ok(Outcome::Passed) => "passed".to_owned(),
            Ok(Outcome::Skipped(why)) => format!("skipped: {why}"),
            Err(error) => {
                failed += 1;
                format!("FAILED: {error:#}")
            }
        };
        lines.push(format!("{name}: {line} ({} s)", start.elapsed().as_secs()));
    }
    say("== summary");
    lines.iter().for_each(|line| say(line));
    if failed > 0 { Err(anyhow::anyhow!("{failed} steps failed")) } else { Ok(()) }
}
