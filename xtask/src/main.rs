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
    /// Run Flint and a peer in equal memory, interleaved, and compare speed, reads and memory.
    Compare(Box<xtask::compare::CompareArgs>),
    /// Turn a HuggingFace checkpoint into a bundle.
    Convert(runtime::cli::ConvertArgs),
    /// Write a GGUF file of random weights in the shape of a model, for peers.
    Gguf(xtask::gguf::GgufArgs),
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
        Task::Compare(args) => return status(compare(&args)),
        Task::Convert(args) => return runtime::cli::status(runtime::cli::convert(args)),
        Task::Gguf(args) => return status(gguf(&args)),
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

/// A request that is wrong has exit status 2, in one line; the runtime knows its own.
fn status(result: anyhow::Result<()>) -> ExitCode {
    match result {
        Err(error) if error.is::<xtask::Refused>() => {
            eprintln!("xtask: {error}");
            ExitCode::from(2)
        }
        Err(error) if error.is::<runtime::RuntimeError>() => runtime::cli::status(Err(error)),
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
        Ok(()) => ExitCode::SUCCESS,
    }
}

/// The tables go to stdout, progress to stderr.
fn compare(args: &xtask::compare::CompareArgs) -> anyhow::Result<()> {
    let text = xtask::compare::compare(args, &mut |line| eprintln!("{line}"))?;
    println!("{text}");
    Ok(())
}

/// Says what it takes, then how far it is.
fn gguf(args: &xtask::gguf::GgufArgs) -> anyhow::Result<()> {
    use xtask::gguf::GgufEvent;
    let bar = indicatif::ProgressBar::new(0).with_style(indicatif::ProgressStyle::with_template(
        "writing [{bar:30}] {binary_bytes} of {binary_total_bytes}, {binary_bytes_per_sec}, {eta} left",
    )?);
    let length = xtask::gguf::gguf(args, &mut |event| match event {
        GgufEvent::Need { what, bytes, free } => {
            let free =
                free.map_or_else(String::new, |free| format!("; {:.2} GB free", free as f64 / 1e9));
            bar.set_length(bytes);
            eprintln!("{what}: {:.2} GB{free}", bytes as f64 / 1e9);
        }
        GgufEvent::Written { done, .. } => bar.set_position(done),
    })?;
    bar.finish_and_clear();
    eprintln!("wrote {length} bytes");
    Ok(())
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
