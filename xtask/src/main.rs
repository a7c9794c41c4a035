//! The chores of the workspace: `cargo xtask TASK`.
#![expect(clippy::print_stderr, reason = "findings go to whoever runs the task")]
#![expect(clippy::print_stdout, reason = "results do too")]

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// The chores of the workspace.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Run all checks; `deep` those that take long, too: fuzzing, miri, sanitizer, dependencies.
    Ci(xtask::ci::CiArgs),
    /// Turn a HuggingFace checkpoint into a bundle.
    Convert(runtime::cli::ConvertArgs),
    /// Measure decoding at several memory budgets: the table of the README.
    Measure(xtask::measure::MeasureArgs),
    /// Check layering, sizes, headers, file names and the list of unsafe files.
    Tidy,
    /// Time and memory of training the predictor of one layer of a given size.
    TrainLayer(xtask::train_layer::TrainLayerArgs),
    /// Replay the predicted neurons of a run through every cache policy, beside the optimum.
    Trace(xtask::trace::TraceArgs),
}

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return runtime::cli::usage(&error),
    };
    let result = match arguments.task {
        Task::Convert(args) => return runtime::cli::status(runtime::cli::convert(args)),
        Task::Ci(args) => {
            xtask::ci::ci(&args, &mut |line| eprintln!("{line}")).map(|()| ExitCode::SUCCESS)
        }
        Task::Measure(args) => xtask::measure::measure(&args).map(|table| {
            println!("{table}");
            ExitCode::SUCCESS
        }),
        Task::TrainLayer(args) => xtask::train_layer::train_layer(&args).map(|lines| {
            println!("{lines}");
            ExitCode::SUCCESS
        }),
        Task::Tidy => tidy(),
        Task::Trace(args) => return runtime::cli::status(trace(&args)),
    };
    result.unwrap_or_else(|error| {
        eprintln!("xtask: {error:#}");
        ExitCode::FAILURE
    })
}

/// One line per finding.
fn tidy() -> anyhow::Result<ExitCode> {
    let findings = xtask::tidy::tidy(xtask::workspace_root())?;
    for finding in &findings {
        eprintln!("{finding}");
    }
    Ok(if findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Names the files that were written.
fn trace(args: &xtask::trace::TraceArgs) -> anyhow::Result<()> {
    for path in xtask::trace::trace(args)? {
        println!("{}", path.display());
    }
    Ok(())
}
