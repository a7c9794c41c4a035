//! The paper's tables on this machine: what each part of the method is worth, and where a token's time goes.
//!
//! Every variant is Flint itself with parts left out, run in turn, round after round, over the same teacher-forced
//! tokens of a synthetic model of full size; the ceilings of disk and memory are measured between them.

#![expect(clippy::print_stderr, reason = "progress goes to whoever runs the task")]

mod ceilings;
mod chart;
mod halves;
mod report;
mod run;
mod variants;

use crate::machine::Circumstances;
use crate::synth::{ReportArgs, SHAPES, Scale, Shape, SynthArgs};
use anyhow::Context;
use flint_bundle::Bundle;
use flint_convert::PredictorKind;
use report::ShapeReport;
use std::fs;
use std::path::{Path, PathBuf};

/// What to measure.
#[derive(Debug, clap::Args)]
pub struct PaperArgs {
    /// Shapes to measure, one after the other [default: all]
    #[arg(long, value_delimiter = ',')]
    shapes: Vec<Shape>,
    /// Share of the full size, as 0.1 or 1/8, for small disks
    #[arg(long, default_value = "1")]
    scale: Scale,
    /// Where bundles are made and deleted again
    #[arg(long, default_value = "target/paper", value_name = "DIR")]
    dir: PathBuf,
    /// Memory of every variant
    #[arg(long, default_value = "50%")]
    memory: flint_engine::MemoryBudget,
    /// Tokens that sparse variants are measured on; dense ones take an eighth of it, those without reuse a quarter
    #[arg(short, long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..))]
    number: u32,
    /// Rounds over all variants
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Start of the random numbers of the models
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Keep the bundles, and use those that are there
    #[arg(long)]
    keep: bool,
    /// Where the tables go
    #[arg(long, default_value = "docs/results", value_name = "DIR")]
    out: PathBuf,
}

/// Measures every shape and writes the tables; returns the files that were written.
///
/// # Errors
/// When there is too little disk, a run fails, or a model is not what it was made for: then its results are there, and void.
pub fn paper(args: &PaperArgs) -> anyhow::Result<Vec<PathBuf>> {
    let (mut files, mut void) = (Vec::new(), Vec::new());
    let wanted = if args.shapes.is_empty() { SHAPES.to_vec() } else { args.shapes.clone() };
    for shape in wanted {
        let bundle = make(args, shape)?;
        let measured = measure(args, shape, &bundle);
        if !args.keep {
            fs::remove_dir_all(&bundle).with_context(|| bundle.display().to_string())?;
        }
        let measured = measured?;
        // After every shape, so that an interrupted run keeps what it has.
        let [page, numbers, chart] = report::write(&args.out, &measured)?;
        if measured.is_void() {
            void.push(page.display().to_string());
        }
        files.extend([page, numbers, chart]);
    }
    let pages = void.join(", ");
    anyhow::ensure!(void.is_empty(), "void, for the statistics of the models are off: {pages}");
    Ok(files)
}

/// The bundle of a shape, made unless it is kept from an earlier run.
fn make(args: &PaperArgs, shape: Shape) -> anyhow::Result<PathBuf> {
    let out = args.dir.join(format!("{}-{}-{}.flint", shape.name(), args.scale, args.seed));
    if args.keep && has_stages(&out) {
        return Ok(out);
    }
    fs::create_dir_all(&args.dir).with_context(|| args.dir.display().to_string())?;
    let order = SynthArgs {
        shape,
        out: out.clone(),
        scale: args.scale,
        seed: args.seed,
        predictor: PredictorKind::Cascade,
        force: true,
    };
    crate::synth::cli::synth(&order)?;
    Ok(out)
}

/// Whether there is a bundle whose predictors have the stages that the last row wants.
fn has_stages(dir: &Path) -> bool {
    let kind = Bundle::open(dir).ok().and_then(|bundle| Some(bundle.predictors()?.kind.clone()));
    kind.is_some_and(|kind| kind == PredictorKind::Cascade.name())
}

fn measure(args: &PaperArgs, shape: Shape, bundle: &Path) -> anyhow::Result<ShapeReport> {
    eprintln!("  what the model does beside what it was made for");
    let circumstances = Circumstances::now(bundle);
    let statistics = crate::synth::report(&ReportArgs::of(bundle.to_owned()))?;
    let mut measured = ShapeReport::new(args, shape, circumstances, statistics);
    for round in 0..args.rounds.max(1) {
        // Turned round every time, so that no variant always follows the same one.
        let mut order: Vec<usize> = (0..variants::VARIANTS.len()).collect();
        if round % 2 == 1 {
            order.reverse();
        }
        measured.ceilings.push(ceilings::measure(bundle)?);
        for index in order {
            let variant = &variants::VARIANTS[index];
            let result = run::run(args, bundle, variant)?;
            eprintln!(
                "  round {}: {:<18} {:>9.1} ms per token, {:>8.1} MB read",
                round + 1,
                variant.name,
                result.stats.per_token.total_ms,
                result.stats.per_token.bytes_read / 1e6
            );
            measured.add(index, result);
        }
    }
    Ok(measured)
}
