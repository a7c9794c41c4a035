//! A synthetic bundle run on its own text, every token given: what `cargo xtask synth-run` does, and `compare`.

use super::teacher_forced_tokens;
use crate::Refused;
use flint_dram_cache::PolicyKind;
use flint_engine::{
    ForcedDecode, MemoryBudget, Mode, OpenModel, PlannedEngine, Prefetching, RunOptions, Stats,
    Work, bundled_first_stage, teacher_force,
};
use flint_kernels::{Compute, Isa, multiply_add_peak};
use serde::Serialize;
use std::fmt;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

/// What to run, and how.
#[derive(Debug, Clone, clap::Args)]
pub struct LessonArgs {
    /// The bundle
    #[arg(value_name = "DIR.flint")]
    pub bundle: PathBuf,
    /// Memory: bytes for the whole process (4GiB), a share of the weights (50%), or auto
    #[arg(long, default_value = "auto")]
    pub memory: MemoryBudget,
    /// sparse computes predicted neurons, exact all of them
    #[arg(long, default_value = "sparse")]
    pub mode: Mode,
    /// Tokens that are counted
    #[arg(short, long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..))]
    pub number: u32,
    /// Tokens of the prompt
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..))]
    pub prompt: u32,
    /// Tokens between prompt and counted ones, which fill the cache
    #[arg(long, value_name = "N", default_value_t = 12)]
    pub warm_up: u32,
    /// Compute threads [default: one per core]
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=256))]
    pub threads: Option<u32>,
    /// Do not check what is read against checksums
    #[arg(long)]
    pub no_verify_reads: bool,
    /// Never guess the neurons of a layer before its attention
    #[arg(long)]
    pub no_guesses: bool,
    /// Predict by the first stage of the predictors alone: the low-rank predictor of the paper
    #[arg(long)]
    pub first_stage: bool,
    /// Keep the neurons of the last K tokens, as the paper, instead of those that are used most
    #[arg(long, value_name = "TOKENS", value_parser = clap::value_parser!(u32).range(1..))]
    pub window: Option<u32>,
    /// Print JSON like that of `flint generate --json`
    #[arg(long)]
    pub json: bool,
}

/// What a run did, beside what it had to do.
#[derive(Debug, Clone, Serialize)]
pub struct ForcedDecodeReport {
    /// The statistics of the run.
    pub stats: Stats,
    /// Bytes that every token must read in order, as planned: dense weights and neurons that are not held.
    pub streamed_bytes: f64,
    /// Bytes that a chunk of the prompt must read: what is not resident when it begins.
    pub prompt_bytes: f64,
    /// Weights that a token of the prompt multiplies.
    pub prompt_weights: f64,
    /// Multiply-adds on registers, operations per second, measured after the run.
    pub peak_operations: f64,
}

/// Prepares a run of `context` tokens; `first_stage` leaves the other stages of the predictors away, in sparse mode.
///
/// # Errors
/// When the bundle cannot be run so, or has no stages.
pub fn prepare(
    files: OpenModel,
    options: RunOptions,
    context: usize,
    first_stage: bool,
) -> anyhow::Result<PlannedEngine> {
    if !first_stage || options.mode == Some(Mode::Exact) {
        return Ok(PlannedEngine::new(files, options, Some(context))?);
    }
    let Some(first) = bundled_first_stage(&files)? else {
        let text = "the predictors of this bundle have no stages: leave --first-stage away";
        return Err(Refused(text.to_owned()).into());
    };
    Ok(PlannedEngine::with_predictor(files, options, Some(context), Some(first))?)
}

/// Runs what [`prepare`] gave. Of a first stage alone there is no forecast: it was said of all stages, which predict and load less.
///
/// # Errors
/// When the run fails.
pub fn run_prepared(
    prepared: PlannedEngine,
    lesson: &ForcedDecode,
    first_stage: bool,
) -> anyhow::Result<Stats> {
    let mut engine = prepared.load(&mut |_, _| {})?;
    let mut stats = teacher_force(&mut engine, lesson, &mut |_| {})?;
    if first_stage && stats.mode == Mode::Sparse.name() {
        stats.forecast = None;
    }
    Ok(stats)
}

/// The text of a bundle, cut into a lesson.
///
/// # Errors
/// When there is no bundle at `bundle`, or it is not synthetic.
pub fn lesson(
    bundle: &Path,
    prompt: usize,
    warm_up: usize,
    counted: usize,
) -> anyhow::Result<ForcedDecode> {
    let mut tokens = teacher_forced_tokens(bundle, prompt + warm_up + counted)?;
    let mut rest = tokens.split_off(prompt);
    let counted = rest.split_off(warm_up);
    Ok(ForcedDecode { prompt: tokens, warm_up: rest, tokens: counted, drafts: None })
}

/// Runs the bundle on its text.
///
/// # Errors
/// When it is not synthetic, or the run is refused or fails.
pub fn teach(args: &LessonArgs) -> anyhow::Result<ForcedDecodeReport> {
    if args.first_stage && args.mode == Mode::Exact {
        let text = "exact mode predicts nothing: leave --first-stage away, or take --mode sparse";
        return Err(Refused(text.to_owned()).into());
    }
    let [prompt, warm_up, counted] = [args.prompt, args.warm_up, args.number].map(|n| n as usize);
    let lesson = lesson(&args.bundle, prompt, warm_up, counted)?;
    let options = RunOptions {
        memory: args.memory,
        mode: Some(args.mode),
        threads: args.threads.map(|threads| threads as usize),
        verify_reads: !args.no_verify_reads,
        guesses: if args.no_guesses { Prefetching::Never } else { Prefetching::Tried },
        policy: args.window.map_or_else(PolicyKind::default, |tokens| PolicyKind::Window {
            tokens: NonZeroU32::new(tokens),
        }),
        measure: true,
        ..RunOptions::default()
    };
    let needed = prompt + warm_up + counted;
    let files = OpenModel::open(&args.bundle)?;
    let prepared = prepare(files, options, needed, args.first_stage)?;
    let work: Work = prepared.work().clone();
    let stats = run_prepared(prepared, &lesson, args.first_stage)?;
    let compute = Compute::new(Isa::best(), stats.threads)?;
    Ok(ForcedDecodeReport {
        stats,
        streamed_bytes: work.streamed_bytes,
        prompt_bytes: work.prompt.read_bytes,
        prompt_weights: work.prompt.dense_weights + work.prompt.neuron_weights,
        peak_operations: multiply_add_peak(&compute),
    })
}

impl ForcedDecodeReport {
    /// Bytes that the prompt read over those that it had to.
    pub fn prompt_bytes_ratio(&self) -> f64 {
        let chunks = self.stats.prefill_tokens.div_ceil(self.stats.chunk.max(1) as u64);
        self.stats.prefill_bytes_read as f64 / (chunks as f64 * self.prompt_bytes)
    }

    /// Operations of the prompt per second, over the measured peak. In sparse mode what is not predicted is not
    /// counted, so this says something of exact mode only.
    pub fn prompt_operations_ratio(&self) -> f64 {
        let operations = 2.0 * self.prompt_weights * self.stats.prefill_tokens as f64;
        operations / (self.stats.prefill_ms / 1e3) / self.peak_operations
    }

    /// Bytes that a token read over those that it had to.
    pub fn token_bytes_ratio(&self) -> f64 {
        self.stats.per_token.bytes_read / self.streamed_bytes
    }
}

impl fmt::Display for ForcedDecodeReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (stats, per) = (&self.stats, &self.stats.per_token);
        writeln!(
            f,
            "prompt: {} tokens in chunks of {}, {:.1} s, {:.2} GB read",
            stats.prefill_tokens,
            stats.chunk,
            stats.prefill_ms / 1e3,
            stats.prefill_bytes_read as f64 / 1e9
        )?;
        if stats.mode == Mode::Exact.name() {
            let (ratio, peak) = (self.prompt_operations_ratio(), self.peak_operations / 1e9);
            let bytes = self.prompt_bytes_ratio();
            writeln!(f, "        {bytes:.3} x the bytes that were not resident")?;
            writeln!(f, "        {:.1} GFLOP/s of {peak:.1}: {ratio:.2}", ratio * peak)?;
        }
        write!(
            f,
            "decode: {} tokens, {:.3} tok/s, {:.1} ms and {:.1} MB read per token",
            stats.decode_tokens,
            stats.tokens_per_second,
            per.total_ms,
            per.bytes_read / 1e6
        )?;
        if stats.mode == Mode::Exact.name() && self.streamed_bytes > 0.0 {
            write!(f, ": {:.4} x the bytes that are not held", self.token_bytes_ratio())?;
        }
        writeln!(f)?;
        let (peak, budget) =
            (stats.peak_rss_bytes as f64 / 1e6, stats.memory_budget_bytes as f64 / 1e6);
        let process = stats.process_bytes as f64 / 1e6;
        write!(
            f,
            "memory: peak {peak:.0} MB, budget {budget:.0} MB, of the process itself {process:.0} MB"
        )?;
        let Some(forecast) = &stats.forecast else { return Ok(()) };
        write!(
            f,
            "\nforecast: actual over forecast {:.2}, over the forecast with the rates of the run {:.2}; first token forecast \
             after {:.2} s, came after {:.2} s",
            forecast.actual_over_forecast,
            forecast.actual_over_recomputed,
            forecast.first_token_ms / 1e3,
            forecast.actual_first_token_ms / 1e3
        )
    }
}
