//! Full-size bundles with made-up weights that behave as published: `cargo xtask synth` and its report.
//!
//! docs/synthetic-models.md says how and why.

mod attention;
pub mod cli;
mod dense;
mod language;
mod lesson;
mod mixing;
mod neurons;
mod normal;
mod predicting;
mod random;
mod recipe;
mod report;
mod scale;
mod shapes;
mod sizes;
mod states;
mod tuning;
mod write;

pub use lesson::{ForcedDecodeReport, LessonArgs, lesson, prepare, run_prepared, teach};
pub use recipe::{is_synthetic, teacher_forced_tokens};
pub use report::{Check, ReportArgs, SynthReport, report};
pub use scale::Scale;
pub use shapes::{SHAPES, Shape};
pub use write::{SynthEvent, synth};

use flint_convert::PredictorKind;
use std::path::PathBuf;

/// What to make.
#[derive(Debug, Clone, clap::Args)]
pub struct SynthArgs {
    /// opt-6.7b, falcon-7b, persimmon-8b, phi-2 or llama-2-7b (as ProSparse left it)
    pub shape: Shape,
    /// Directory of the bundle
    #[arg(long, value_name = "DIR.flint")]
    pub out: PathBuf,
    /// Share of the full size, as 0.1 or 1/8: fewer layers of the full width, and once two are left a narrower
    /// width; the vocabulary shrinks too
    #[arg(long, default_value = "1")]
    pub scale: Scale,
    /// Start of every random number: the same seed gives the same bytes
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Predictors: low-rank, as the paper's, or cascade, which has the same as its first stage and a copy of the
    /// deciding rows in four bits as its second
    #[arg(long, value_name = "KIND", default_value = "cascade", value_parser = kind)]
    pub predictor: PredictorKind,
    /// Replace a bundle that is there
    #[arg(long)]
    pub force: bool,
}

fn kind(text: &str) -> Result<PredictorKind, String> {
    let made = [PredictorKind::LowRank, PredictorKind::Cascade];
    let found = made.into_iter().find(|kind| kind.name() == text);
    found.ok_or_else(|| "expected low-rank or cascade".to_owned())
}

/// The tokens of the text that a synthetic bundle is run on.
#[derive(Debug, Clone, clap::Args)]
pub struct TokensArgs {
    /// The bundle
    #[arg(value_name = "DIR.flint")]
    pub bundle: PathBuf,
    /// How many
    #[arg(short, long, default_value_t = 64)]
    pub number: usize,
}
