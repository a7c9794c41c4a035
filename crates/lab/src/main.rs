//! The binary `lab`: the tasks that `cargo xtask` hands on to it.
#![expect(clippy::print_stderr, reason = "findings go to whoever runs the task")]
#![expect(clippy::print_stdout, reason = "results do too")]

use clap::{Parser, Subcommand};
use flint_lab::synth::cli;
use std::path::PathBuf;
use std::process::ExitCode;

/// Synthetic models, tables and comparisons.
#[derive(Debug, Parser)]
// As users call it: xtask/src/handed_on.rs hands the command line on to this program.
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Measure what each arithmetic of quantised weights costs in quality and time.
    Arithmetic(flint_lab::arithmetic::ArithmeticArgs),
    /// Run Flint and a peer in equal memory, interleaved, and compare speed, reads and memory.
    Compare(Box<flint_lab::compare::CompareArgs>),
    /// Measure what drafts are worth: the same texts with and without them, in turn.
    Drafts(flint_lab::drafts::DraftsArgs),
    /// One run of `drafts`, as JSON.
    #[command(hide = true)]
    DraftRun(flint_lab::drafts::DraftRunArgs),
    /// Compare reading with fio's io_uring engine, in paired slices.
    Fio(flint_lab::fio::FioArgs),
    /// Write first inputs of a fuzz target, made of the fixtures: for `cargo xtask ci deep`.
    #[command(hide = true)]
    FuzzSeeds {
        /// The target
        target: String,
        /// Directory to write them to
        corpus: PathBuf,
    },
    /// Write a GGUF file of random weights in the shape of a model, for peers.
    Gguf(flint_lab::gguf::GgufArgs),
    /// Measure decoding at several memory budgets: a table of medians.
    Measure(flint_lab::measure::MeasureArgs),
    /// Measure what each part of the method is worth on models of the paper's sizes: its tables, on this machine.
    Paper(flint_lab::paper::PaperArgs),
    /// Write a bundle of a published shape with made-up weights that behave as published.
    ///
    /// The weights are random, but shaped: a power law of hot neurons, rows that are low rank plus noise, a text
    /// whose neighbouring tokens are alike. Each layer is tuned on the states that the layers before it give, so
    /// that activity, recall and over-prediction of the predictor and loads per token are those of the model that
    /// the shape is named after. There is no tokenizer: run it with `cargo xtask synth-run`, and check it with
    /// `cargo xtask synth-report`.
    /// docs/synthetic-models.md says how and why.
    Synth(flint_lab::synth::SynthArgs),
    /// Run a synthetic bundle and hold its statistics against the published ones; fails when they are off.
    SynthReport(flint_lab::synth::ReportArgs),
    /// Run a synthetic bundle on its text, every token given, and say what it did beside what it had to do.
    SynthRun(flint_lab::synth::LessonArgs),
    /// Print the tokens that a synthetic bundle is run on.
    SynthTokens(flint_lab::synth::TokensArgs),
    /// Time and memory of training the predictor of one layer of a given size.
    TrainLayer(flint_lab::train_layer::TrainLayerArgs),
    /// Replay the predicted neurons of a run through every cache policy, beside the optimum.
    Trace(flint_lab::trace::TraceArgs),
}

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return runtime::cli::usage(&error),
    };
    exit(run(arguments.task))
}

/// Says so where times would be those of a build for development.
fn warn_unless_optimised(task: &Task) {
    let timed = matches!(
        task,
        Task::Arithmetic(_)
            | Task::Compare(_)
            | Task::Drafts(_)
            | Task::Fio(_)
            | Task::Paper(_)
            | Task::SynthRun(_)
            | Task::TrainLayer(_)
    );
    if timed && cfg!(debug_assertions) {
        eprintln!("xtask: this build is slow: for times use cargo run --release -p xtask -- TASK");
    }
}

fn run(task: Task) -> anyhow::Result<ExitCode> {
    warn_unless_optimised(&task);
    let done = match task {
        Task::Arithmetic(args) => {
            flint_lab::arithmetic::arithmetic(&args).map(|table| print!("{table}"))
        }
        Task::Compare(args) => compare(&args),
        Task::Drafts(args) => flint_lab::drafts::drafts(&args, &mut |line| eprintln!("{line}"))
            .map(|table| println!("{table}")),
        Task::DraftRun(args) => draft_run(&args),
        Task::Fio(args) => flint_lab::fio::fio(&args).map(|lines| println!("{lines}")),
        Task::FuzzSeeds { target, corpus } => flint_lab::fuzz_seeds::write(&target, &corpus),
        Task::Gguf(args) => gguf(&args),
        Task::Measure(args) => flint_lab::measure::measure(&args).map(|table| println!("{table}")),
        Task::TrainLayer(args) => {
            flint_lab::train_layer::train_layer(&args).map(|lines| println!("{lines}"))
        }
        Task::Paper(args) => flint_lab::paper::paper(&args).map(say_files),
        Task::Synth(args) => return cli::synth(&args),
        Task::SynthReport(args) => return cli::report(&args),
        Task::SynthRun(args) => return cli::run(&args),
        Task::SynthTokens(args) => return cli::tokens(&args),
        Task::Trace(args) => flint_lab::trace::trace(&args).map(say_files),
    };
    done.map(|()| ExitCode::SUCCESS)
}

/// A request that is wrong has exit status 2, in one line; the runtime knows its own.
fn exit(result: anyhow::Result<ExitCode>) -> ExitCode {
    match result {
        Ok(status) => status,
        Err(error) if error.is::<flint_lab::Refused>() => {
            eprintln!("xtask: {error:#}");
            ExitCode::from(2)
        }
        Err(error) if is_of_the_runtime(&error) => runtime::cli::status(Err(error)),
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn is_of_the_runtime(error: &anyhow::Error) -> bool {
    error.is::<flint_engine::EngineError>() || error.is::<flint_bundle::BundleError>()
}

/// Names the files that were written.
fn say_files(files: impl IntoIterator<Item = std::path::PathBuf>) {
    files.into_iter().for_each(|file| println!("{}", file.display()));
}

/// The tables go to stdout, progress to stderr.
fn compare(args: &flint_lab::compare::CompareArgs) -> anyhow::Result<()> {
    let text = flint_lab::compare::compare(args, &mut |line| eprintln!("{line}"))?;
    println!("{text}");
    Ok(())
}

fn draft_run(args: &flint_lab::drafts::DraftRunArgs) -> anyhow::Result<()> {
    println!("{}", serde_json::to_string(&flint_lab::drafts::draft_run(args)?)?);
    Ok(())
}

/// Says what it takes, then how far it is.
fn gguf(args: &flint_lab::gguf::GgufArgs) -> anyhow::Result<()> {
    use flint_lab::gguf::GgufEvent;
    let bar = indicatif::ProgressBar::new(0).with_style(indicatif::ProgressStyle::with_template(
        "writing [{bar:30}] {binary_bytes} of {binary_total_bytes}, {binary_bytes_per_sec}, {eta} left",
    )?);
    let length = flint_lab::gguf::gguf(args, &mut |event| match event {
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
