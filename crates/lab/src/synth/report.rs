//! What a synthetic bundle really does, run on its text by the path that generation takes, against what it was
//! tuned to. A statistic that is more than 15 % off makes results of that bundle void.

mod recorder;
mod truth;

use super::lesson;
use super::predicting::score;
use super::recipe::{Recipe, teacher_forced_tokens};
use super::shapes::Model;
use anyhow::Context;
use flint_dram_cache::PolicyKind;
use flint_engine::{
    MemoryBudget, Mode, OpenModel, PlannedEngine, Prefetching, RunOptions, Stats,
    bundled_first_stage, bundled_predictor, teacher_force,
};
use flint_kernels::{Compute, Isa};
use flint_predictor::Score;
use recorder::{Heard, Recorder, Sampled};
use serde::Serialize;
use std::fmt;
use std::num::NonZeroU32;
use std::path::PathBuf;

/// What to run.
#[derive(Debug, Clone, clap::Args)]
pub struct ReportArgs {
    /// The bundle
    #[arg(value_name = "DIR.flint")]
    pub bundle: PathBuf,
    /// Tokens that are counted
    #[arg(long, default_value_t = TOKENS, value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub tokens: u32,
    /// Memory budget of the run
    #[arg(long, default_value = "auto")]
    pub memory: MemoryBudget,
}

impl ReportArgs {
    /// The report of a bundle as the command line gives it.
    pub fn of(bundle: PathBuf) -> ReportArgs {
        ReportArgs { bundle, tokens: TOKENS, memory: MemoryBudget::Auto }
    }
}

/// Tokens that are counted unless told otherwise.
const TOKENS: u32 = 96;
/// Tokens of the prompt.
const PROMPT: usize = 8;
/// Tokens that fill the window before others are counted.
const WARM_UP: usize = 24;
/// One in this number of counted tokens is also computed exactly, with every neuron.
const EXACT_EVERY: usize = 4;
/// The share that a statistic may be off.
const TOLERANCE: f64 = 0.15;

/// One statistic against its target.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Check {
    /// What it is.
    pub name: String,
    /// The layer that it is of, counted from one; none where it is of the whole model.
    pub layer: Option<usize>,
    /// What the weights were made for.
    pub target: f64,
    /// What the run gave.
    pub measured: f64,
    /// Whether both are shares, shown in percent.
    share: bool,
}

impl Check {
    /// A share of the whole model.
    pub fn share(name: &str, target: f64, measured: f64) -> Check {
        Check { name: name.to_owned(), layer: None, target, measured, share: true }
    }

    /// How far off, as a share of the target.
    pub fn off(&self) -> f64 {
        self.measured / self.target - 1.0
    }

    /// Whether it is near enough.
    pub fn passes(&self) -> bool {
        self.off().abs() <= TOLERANCE
    }
}

/// The result.
#[derive(Debug, Clone)]
pub struct SynthReport {
    /// What was run.
    pub header: String,
    /// Every statistic.
    pub checks: Vec<Check>,
    /// What the run cost.
    pub stats: Stats,
}

impl SynthReport {
    /// Whether every statistic is near enough.
    pub fn passes(&self) -> bool {
        self.checks.iter().all(Check::passes)
    }
}

/// Runs a synthetic bundle and measures it.
///
/// # Errors
/// When it is not a synthetic bundle, or the run fails.
pub fn report(args: &ReportArgs) -> anyhow::Result<SynthReport> {
    let files = OpenModel::open(&args.bundle)?;
    let recipe = Recipe::of(files.bundle()?)?;
    let model = Model::new(recipe.shape, recipe.scale)?;
    let published = recipe.shape.published();
    // What was published is the paper's predictor: of a cascade the first stage.
    let first_stage = bundled_first_stage(&files)?;
    let staged = first_stage.is_some();
    let predictor = match first_stage {
        Some(first) => first,
        None => bundled_predictor(&files, None)?.context("the bundle has no predictors")?,
    };
    let skipped = PROMPT + WARM_UP;
    let heard = Heard::new(model.layers.len(), skipped, EXACT_EVERY);
    let recorder = Box::new(Recorder::new(predictor, heard.clone()));
    let counted = args.tokens as usize;
    let text = teacher_forced_tokens(&args.bundle, skipped + counted)?;
    let options = RunOptions {
        memory: args.memory,
        mode: Some(Mode::Sparse),
        policy: PolicyKind::Window { tokens: NonZeroU32::new(published.window) },
        // The recorder would take guesses for predictions.
        guesses: Prefetching::Never,
        ..RunOptions::default()
    };
    let prepared = PlannedEngine::with_predictor(files, options, Some(text.len()), Some(recorder))?;
    let mut engine = prepared.load(&mut |_, _| {})?;
    let lesson = lesson(&args.bundle, PROMPT, WARM_UP, args.tokens as usize)?;
    let stats = teacher_force(&mut engine, &lesson, &mut |_| {})?;
    drop(engine);

    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let compute = Compute::new(Isa::best(), threads)?;
    let files = OpenModel::open(&args.bundle)?;
    let scores = Scores::of(&files, staged, &heard.take(), &compute)?;
    let sampled = counted.div_ceil(EXACT_EVERY);
    Ok(SynthReport {
        header: header(&recipe, &model, &stats, sampled),
        checks: checks(&model, &scores, &stats, sampled),
        stats,
    })
}

/// Predictions against the truth, layer by layer.
struct Scores {
    /// The predictor of the run.
    first: Vec<Score>,
    /// All stages of a cascade; of other predictors none.
    whole: Vec<Score>,
}

impl Scores {
    /// Asks all stages, too, where the predictor is `staged`.
    fn of(
        files: &OpenModel,
        staged: bool,
        layers: &[Sampled],
        compute: &Compute,
    ) -> anyhow::Result<Scores> {
        let mut cascade = if staged { bundled_predictor(files, None)? } else { None };
        let (mut first, mut whole) = (Vec::new(), Vec::new());
        for (layer, sampled) in layers.iter().enumerate() {
            let active = truth::active(files, layer, &sampled.states, compute)?;
            first.push(score(&sampled.predicted, &active));
            if let Some(cascade) = &mut cascade {
                whole.push(score(&sampled.ask(&mut **cascade, layer, compute)?, &active));
            }
        }
        Ok(Scores { first, whole })
    }
}

/// The scores of layers that predict, together: those that are read whole predict nothing.
fn together(model: &Model, scores: &[Score]) -> Score {
    let predicting = model.layers.iter().zip(scores).filter(|(layer, _)| layer.rank.is_some());
    predicting.fold(Score::default(), |sum, (_, score)| Score {
        predicted: sum.predicted + score.predicted,
        active: sum.active + score.active,
        hit: sum.hit + score.hit,
    })
}

fn header(recipe: &Recipe, model: &Model, stats: &Stats, sampled: usize) -> String {
    let (architecture, seed) = (&model.architecture, recipe.seed);
    format!(
        "{} at scale {}, seed {seed}: {} layers of {} neurons, width {}; {} tokens decoded one by one in {} mode \
         with a window of {} tokens, {sampled} of them also computed exactly",
        recipe.shape.name(),
        recipe.scale,
        architecture.layers,
        architecture.most_neurons(),
        architecture.hidden,
        stats.decode_tokens,
        stats.mode,
        stats.window,
    )
}

fn checks(model: &Model, scores: &Scores, stats: &Stats, sampled: usize) -> Vec<Check> {
    let Scores { first, whole } = scores;
    let published = model.shape.published();
    let neurons = model.architecture.most_neurons() as f64 * sampled as f64;
    let activity = |score: &Score| score.active as f64 / neurons;
    let share = Check::share;
    let sum = together(model, first);
    let mean = first.iter().map(activity).sum::<f64>() / first.len() as f64;
    let loaded = stats.per_token.neurons_loaded / stats.per_token.neurons_total;
    let mut checks = vec![
        share("activity, mean", model.activity(), mean),
        share("recall", published.recall, sum.recall()),
        Check {
            name: "predicted per active".to_owned(),
            layer: None,
            target: published.over_prediction,
            measured: sum.predicted_per_active(),
            share: false,
        },
        share(&format!("load at window {}", published.window), model.load(), loaded),
    ];
    if !whole.is_empty() {
        let recall = together(model, whole).recall();
        checks.push(share("recall of all stages", published.recall, recall));
    }
    let layers = (1..).zip(model.layers.iter().zip(first));
    checks.extend(layers.map(|(layer, (target, score))| Check {
        layer: Some(layer),
        ..share(&format!("activity, layer {layer}"), target.activity, activity(score))
    }));
    checks
}

/// A row of a table: name, target, measured, how far off.
impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = |number: f64| match self.share {
            true => format!("{:.2} %", 100.0 * number),
            false => format!("{number:.2}"),
        };
        let (target, measured) = (number(self.target), number(self.measured));
        write!(f, "| {} | {target} | {measured} | {:+.1} % |", self.name, 100.0 * self.off())
    }
}

impl fmt::Display for SynthReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n", self.header)?;
        writeln!(f, "| statistic | target | measured | off | |\n|---|---|---|---|---|")?;
        for check in &self.checks {
            writeln!(f, "{check} {} |", if check.passes() { "pass" } else { "void" })?;
        }
        let verdict = match self.passes() {
            true => "pass: every statistic is within 15 % of its target",
            false => {
                "void: a statistic is more than 15 % off, so results of this bundle say nothing"
            }
        };
        write!(f, "\n{verdict}")
    }
}
