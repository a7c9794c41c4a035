//! How much the whole model suffers when one layer has neurons computed by their copies alone: what a layer's scores weigh beside
//! those of others.
//!
//! A layer's contributions cannot be compared with another's as they are: what follows may drown or amplify them. So each layer
//! in turn does without the weights of the weaker half, the others without none, and what the model foresees is compared with what
//! it foresees unharmed (Kullback-Leibler divergence, which unlike perplexity is never better by chance). The error of copies
//! in 4 bits is a share of what they stand in for, so the divergence grows with the square of that; the weight of a layer is the
//! root of their ratio.

use super::CalibrateOptions;
use super::amounts::harm_tokens;
use super::quality::run_options;
use crate::CalibrateError;
use flint_engine::{EngineError, Mode, OpenModel, PlannedEngine, each_foreseen};
use flint_geometry::UnitSet;
use flint_kernels::Compute;
use flint_predictor::{
    Contribution, ContributionGroup, Predictor, PredictorError, Strengths, ThresholdLayer,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What copies stand in for in each layer when its turn comes.
const SHARE: f32 = 0.5;

/// Tokens that are foreseen together: the logits of all of them are kept.
const WINDOW: usize = 64;

/// No layer: all neurons are computed.
const NOBODY: usize = usize::MAX;

/// The least divergence, per token, that is told from rounding.
const LEAST: f64 = 1e-9;

/// Has copies stand in for neurons in one layer.
struct OneLayer {
    inner: Contribution,
    neurons: u32,
    layer: Arc<AtomicUsize>,
}

impl Predictor for OneLayer {
    fn predict(
        &mut self,
        compute: &Compute,
        group: usize,
        input: &[f32],
        sets: &mut [UnitSet],
    ) -> Result<(), PredictorError> {
        if self.layer.load(Ordering::Relaxed) == group {
            return self.inner.predict(compute, group, input, sets);
        }
        sets.fill(UnitSet::full(self.neurons));
        Ok(())
    }

    fn add_others(
        &mut self,
        compute: &Compute,
        group: usize,
        sets: &[UnitSet],
        sum: &mut [f32],
    ) -> Result<(), PredictorError> {
        // Of the other layers all neurons are computed.
        match self.layer.load(Ordering::Relaxed) == group {
            true => self.inner.add_others(compute, group, sets, sum),
            false => Ok(()),
        }
    }

    fn bytes(&self) -> u64 {
        self.inner.bytes()
    }

    fn kind(&self) -> &'static str {
        self.inner.kind()
    }
}

/// The weight of each layer, by the first of `tokens`; `listen` hears how many of how many were read.
pub(super) fn weights(
    options: &CalibrateOptions,
    mut groups: Vec<ContributionGroup>,
    strengths: &[Strengths],
    tokens: &[u32],
    listen: &mut dyn FnMut(u64, u64),
) -> Result<Vec<f64>, CalibrateError> {
    let mut left_out = Vec::new();
    for (group, strengths) in groups.iter_mut().zip(strengths) {
        let threshold = strengths.threshold(SHARE);
        group.set_threshold(threshold);
        left_out.push(strengths.square_below(threshold));
    }
    let files = OpenModel::open(&options.bundle)?;
    let (layers, neurons) = (groups.len(), files.architecture().most_neurons());
    let layer = Arc::new(AtomicUsize::new(NOBODY));
    let inner = Contribution::new(
        files.architecture().hidden,
        neurons,
        groups.into_iter().map(Some).collect(),
    );
    let predictor = OneLayer { inner, neurons: neurons as u32, layer: Arc::clone(&layer) };
    let tokens = &tokens[..tokens.len().min(harm_tokens(&files))];
    let prepared = PlannedEngine::with_predictor(
        files,
        run_options(options, Mode::Sparse),
        Some(WINDOW),
        Some(Box::new(predictor)),
    )?;
    let mut engine = prepared.load(&mut |_, _| {})?;
    let mut sums = vec![0.0; layers];
    let (mut foreseen, mut done) = (0, 0);
    for window in tokens.chunks(WINDOW) {
        let mut read = |who: usize, each: &mut dyn FnMut(&[f32])| -> Result<(), EngineError> {
            layer.store(who, Ordering::Relaxed);
            each_foreseen(&mut engine, window, &options.cancel, &mut |_, logits| each(logits))
        };
        let mut whole: Vec<Vec<f32>> = Vec::new();
        read(NOBODY, &mut |logits| whole.push(logits.to_vec()))?;
        foreseen += whole.len();
        for (who, sum) in sums.iter_mut().enumerate() {
            let mut whole = whole.iter();
            read(who, &mut |logits| {
                *sum += whole.next().map_or(0.0, |whole| divergence(whole, logits))
            })?;
            done += window.len();
            listen(done as u64, (layers * tokens.len()) as u64);
        }
    }
    let weight = |(sum, left_out): (f64, f64)| {
        let harm = (sum / foreseen.max(1) as f64).max(LEAST);
        (harm / left_out.max(f64::MIN_POSITIVE)).sqrt()
    };
    Ok(sums.into_iter().zip(left_out).map(weight).collect())
}

/// What is lost where `other` is believed instead of `whole`, in nats.
fn divergence(whole: &[f32], other: &[f32]) -> f64 {
    let (whole, other) = (Odds::of(whole), Odds::of(other));
    let part = |(&a, &b): (&f32, &f32)| {
        let own = f64::from(a - whole.top) - whole.log_sum;
        own.exp() * (own - (f64::from(b - other.top) - other.log_sum))
    };
    whole.logits.iter().zip(other.logits).map(part).sum::<f64>().max(0.0)
}

/// Logits with what makes probabilities of them.
struct Odds<'a> {
    logits: &'a [f32],
    top: f32,
    log_sum: f64,
}

impl Odds<'_> {
    fn of(logits: &[f32]) -> Odds<'_> {
        let top = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let sum: f64 = logits.iter().map(|&logit| f64::from(logit - top).exp()).sum();
        Odds { logits, top, log_sum: sum.ln() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn divergence_is_that_of_the_definition_and_nothing_for_the_same() {
        assert_eq!(divergence(&[1.0, 2.0, 3.0], &[5.0, 6.0, 7.0]), 0.0);
        // One half each against three quarters and one: ln 2 / 2 - ln 1.5 / 2.
        let found = divergence(&[0.0, 0.0], &[3.0f32.ln(), 0.0]);
        let expected = 0.5 * (0.5f64 / 0.75).ln() + 0.5 * (0.5f64 / 0.25).ln();
        assert!((found - expected).abs() < 1e-7, "{found} {expected}");
    }
}
