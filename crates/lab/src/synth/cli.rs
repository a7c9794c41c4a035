//! The command lines of synthetic bundles: what they print, and their exit statuses.
#![expect(clippy::print_stderr, reason = "progress goes to whoever runs the task")]
#![expect(clippy::print_stdout, reason = "results do too")]

use super::{LessonArgs, ReportArgs, SynthArgs, SynthEvent, TokensArgs};
use indicatif::{BinaryBytes, ProgressBar, ProgressStyle};
use std::process::ExitCode;

const BAR: &str = "{msg:<9} [{bar:30}] {binary_bytes} of {binary_total_bytes}, {binary_bytes_per_sec}, {eta} left";

/// Makes a bundle and says what happens.
///
/// # Errors
/// As for [`super::synth()`].
pub fn synth(args: &SynthArgs) -> anyhow::Result<ExitCode> {
    let (writing, verifying) = (bar("writing"), bar("verifying"));
    let made = super::synth(args, &mut |event| {
        match event {
        SynthEvent::Planned { layers, hidden, neurons, vocabulary, disk_bytes, free_bytes } => {
            let free = free_bytes.map_or("unknown".to_owned(), |free| BinaryBytes(free).to_string());
            let (name, scale, disk) = (args.shape.name(), args.scale, BinaryBytes(disk_bytes));
            eprintln!(
                "{name} at scale {scale}: {layers} layers of {neurons} neurons, width {hidden}, \
                 {vocabulary} tokens; needs {disk} of disk, {free} free"
            );
        }
        SynthEvent::Written { done, total } => advance(&writing, done, total),
        SynthEvent::Tuned { layer, activity, over_prediction, recall, refined } => writing.suspend(|| {
            let (layer, activity) = (layer + 1, 100.0 * activity);
            eprintln!(
                "layer {layer}: {activity:.2} % active, recall {recall:.3}, {over_prediction:.2} predicted per active, \
                 {refined:.2} by all stages"
            );
        }),
        SynthEvent::Replaying => {
            writing.finish_and_clear();
            eprintln!("written; measuring loads for every size of cache");
        }
        SynthEvent::Verified { done, total } => advance(&verifying, done, total),
    }
    });
    writing.finish_and_clear();
    verifying.finish_and_clear();
    let (size, out) = (BinaryBytes(made?.file_bytes()), args.out.display());
    eprintln!(
        "{out} is written and verified: {size}; check it with `cargo xtask synth-report {out}`"
    );
    Ok(ExitCode::SUCCESS)
}

/// Prints the report; a failure when it is void.
///
/// # Errors
/// As for [`super::report()`].
pub fn report(args: &ReportArgs) -> anyhow::Result<ExitCode> {
    let report = super::report(args)?;
    println!("{report}");
    Ok(if report.passes() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Prints what a run on the text of the bundle did.
///
/// # Errors
/// As for [`super::teach`].
pub fn run(args: &LessonArgs) -> anyhow::Result<ExitCode> {
    let taught = super::teach(args)?;
    match args.json {
        true => println!("{}", serde_json::to_string(&taught)?),
        false => println!("{taught}"),
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints tokens, separated by commas.
///
/// # Errors
/// As for [`super::teacher_forced_tokens`].
pub fn tokens(args: &TokensArgs) -> anyhow::Result<ExitCode> {
    let tokens = super::teacher_forced_tokens(&args.bundle, args.number)?;
    let words: Vec<String> = tokens.iter().map(u32::to_string).collect();
    println!("{}", words.join(","));
    Ok(ExitCode::SUCCESS)
}

fn bar(what: &'static str) -> ProgressBar {
    let style = ProgressStyle::with_template(BAR).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(0).with_style(style.progress_chars("=> ")).with_message(what)
}

fn advance(bar: &ProgressBar, done: u64, total: u64) {
    if bar.length() != Some(total) {
        bar.set_length(total);
    }
    bar.set_position(done);
}
