//! What leaving neurons out costs: the same text read with and without them, token by token beside each other.

use super::{CalibrateEvent, CalibrateOptions, Stage};
use crate::CalibrateError;
use flint_engine::{
    MemoryBudget, Mode, OpenModel, PlannedEngine, RunOptions, RunningMean, Sampler, Sampling,
    Sparsity, each_foreseen, negative_log_likelihood,
};
use flint_predictor::{Precision, Predictor};

/// Longest windows that are measured: the keys and values of a model's whole context may not fit.
const LONGEST_CONTEXT: usize = 2048;

/// How often progress is told, in tokens.
const TOLD: usize = 16;

/// A text that the bundle of these options is measured on, in some passes.
pub(super) struct Measuring<'a> {
    options: &'a CalibrateOptions,
    text: &'a [u32],
    passes: usize,
    done: usize,
}

/// What one pass found of each token.
#[derive(Debug, Default)]
pub(super) struct Reading {
    losses: Vec<f64>,
    likeliest: Vec<u32>,
    loss: RunningMean,
}

impl Reading {
    /// The perplexity.
    pub(super) fn perplexity(&self) -> f64 {
        self.loss.mean().exp()
    }

    /// How far the logarithm of the perplexity may be off.
    fn margin(&self) -> f64 {
        self.loss.margin().unwrap_or(f64::INFINITY)
    }

    /// The event that tells it.
    pub(super) fn event(&self, mode: &'static str) -> CalibrateEvent {
        let (perplexity, margin) = (self.perplexity(), self.margin());
        CalibrateEvent::Measured { mode, perplexity, margin, tokens: self.losses.len() }
    }

    /// What it costs over `exact`, a pass over the same text.
    pub(super) fn cost(&self, exact: &Reading, sparsity: f32) -> Sparsity {
        let (mut cost, mut same) = (RunningMean::default(), RunningMean::default());
        let losses = self.losses.iter().zip(&exact.losses);
        losses.for_each(|(own, exact)| cost.add(own - exact));
        let likeliest = self.likeliest.iter().zip(&exact.likeliest);
        likeliest.for_each(|(own, exact)| same.add(f64::from(u8::from(own == exact))));
        let margin = |mean: RunningMean| mean.margin().unwrap_or(f64::INFINITY);
        let precision = Precision {
            tokens: self.loss.count(),
            margin: self.margin(),
            margin_exact: exact.margin(),
            margin_cost: margin(cost),
            agreement: same.mean(),
            margin_agreement: margin(same),
        };
        Sparsity {
            sparsity,
            perplexity: self.perplexity(),
            perplexity_exact: exact.perplexity(),
            precision: Some(precision),
        }
    }
}

/// How the whole model is run to be measured: all in memory.
pub(super) fn run_options(options: &CalibrateOptions, mode: Mode) -> RunOptions {
    RunOptions {
        memory: MemoryBudget::Auto,
        mode: Some(mode),
        threads: options.threads,
        ..RunOptions::default()
    }
}

impl<'a> Measuring<'a> {
    /// A text that will be read `times` times.
    pub(super) fn new(options: &'a CalibrateOptions, text: &'a [u32], passes: usize) -> Self {
        Measuring { options, text, passes, done: 0 }
    }

    /// Reads the text by the path of a run, all in memory, with the bundle's own predictor or another.
    pub(super) fn read(
        &mut self,
        mode: Mode,
        predictor: Option<Box<dyn Predictor>>,
        listen: &mut dyn FnMut(CalibrateEvent),
    ) -> Result<Reading, CalibrateError> {
        let run = run_options(self.options, mode);
        let files = OpenModel::open(&self.options.bundle)?;
        let needed = Some(LONGEST_CONTEXT);
        let prepared = match predictor {
            None => PlannedEngine::new(files, run, needed)?,
            some => PlannedEngine::with_predictor(files, run, needed, some)?,
        };
        let mut engine = prepared.load(&mut |_, _| {})?;
        let mut found = Reading::default();
        let mut sampler = Sampler::new(Sampling::greedy());
        let (before, total) = (self.done * self.text.len(), self.passes * self.text.len());
        each_foreseen(&mut engine, self.text, &self.options.cancel, &mut |target, logits| {
            let loss = negative_log_likelihood(logits, target);
            found.loss.add(loss);
            found.losses.push(loss);
            found.likeliest.push(sampler.choose(logits, 0));
            let read = found.losses.len();
            if read.is_multiple_of(TOLD) {
                let done = (before + read) as u64;
                let total = total as u64;
                listen(CalibrateEvent::Progress { stage: Stage::Measure, done, total });
            }
        })?;
        self.done += 1;
        Ok(found)
    }
}
