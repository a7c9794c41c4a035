//! The threshold of a group, chosen on text that it was not trained on, with the predictor as stored and as
//! it runs.

use crate::states::for_each_batch;
use crate::{Activity, PredictorError, Score, States, ThresholdLayer};
use flint_kernels::Compute;
use std::ops::Range;

/// Bits of a score that a bin leaves out: a bin is 2^-11 of a score wide.
const SHIFT: u32 = 12;

/// How many neurons have which score, truly active ones and all: every trade of recall against
/// over-prediction at once.
#[derive(Debug)]
pub struct Curve {
    active: Vec<u64>,
    all: Vec<u64>,
    tokens: u64,
}

impl Curve {
    /// Scores every neuron at every token of `tokens`. Memory: 16 MiB, however many there are.
    ///
    /// # Errors
    /// When the states cannot be read.
    ///
    /// # Panics
    /// When group, states and activity are not of one shape.
    pub fn measure<G: ThresholdLayer>(
        compute: &Compute,
        group: &G,
        states: &mut dyn States,
        activity: &Activity,
        tokens: Range<usize>,
    ) -> Result<Curve, PredictorError> {
        assert_eq!(activity.neurons(), group.neurons(), "one group");
        assert_eq!(states.width(), group.width(), "one group");
        let bins = 1 << (u32::BITS - SHIFT);
        let count = tokens.len() as u64;
        let mut curve = Curve { active: vec![0; bins], all: vec![0; bins], tokens: count };
        let mut scores = Vec::new();
        for_each_batch(states, tokens, |first, batch| {
            let positions = batch.len() / group.width();
            scores.resize(positions * group.neurons(), 0.0);
            group.scores(compute, batch, &mut scores);
            for (neuron, scores) in scores.chunks_exact(positions).enumerate() {
                for (token, &score) in (first..).zip(scores) {
                    let bin = bin(score);
                    curve.all[bin] += 1;
                    curve.active[bin] += u64::from(activity.is_active(token, neuron));
                }
            }
        })?;
        Ok(curve)
    }

    /// Tokens measured.
    pub fn tokens(&self) -> u64 {
        self.tokens
    }

    /// The highest threshold (of those between bins) that finds at least this share of the active
    /// neurons; one that nothing reaches where none was active.
    pub fn threshold(&self, recall: f64) -> f32 {
        let total: u64 = self.active.iter().sum();
        let mut hit = 0;
        for (bin, &count) in self.active.iter().enumerate().rev() {
            hit += count;
            if total > 0 && hit as f64 >= recall * total as f64 {
                return lower_edge(bin);
            }
        }
        f32::MAX
    }

    /// What a threshold from [`Curve::threshold`] predicts.
    pub fn at(&self, threshold: f32) -> Score {
        let first = bin(threshold);
        let sum = |counts: &[u64]| counts.iter().sum();
        Score {
            predicted: sum(&self.all[first..]),
            active: sum(&self.active),
            hit: sum(&self.active[first..]),
        }
    }

    /// Neurons predicted per active one at a recall.
    pub fn predicted_per_active(&self, recall: f64) -> f64 {
        self.at(self.threshold(recall)).predicted_per_active()
    }
}

/// What calibrating a group found, on the tokens that its threshold was chosen on or on any others.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Calibrated {
    /// Counts over all tokens.
    pub score: Score,
    /// How many tokens.
    pub tokens: u64,
    /// Neurons of the group.
    pub neurons: usize,
}

impl Calibrated {
    /// Share of the neurons that is predicted, 0 to 1: where it is large, the whole group is better read.
    pub fn predicted_share(&self) -> f64 {
        self.score.predicted as f64 / (self.tokens.max(1) * self.neurons.max(1) as u64) as f64
    }

    /// Neurons predicted per token.
    pub fn predicted_mean(&self) -> f64 {
        self.score.predicted as f64 / self.tokens.max(1) as f64
    }

    /// Neurons truly active per token.
    pub fn active_mean(&self) -> f64 {
        self.score.active as f64 / self.tokens.max(1) as f64
    }
}

/// Sets the threshold of `group` to find this share of the active neurons of `tokens`, which it should
/// not have been trained on.
///
/// # Errors
/// When the states cannot be read.
///
/// # Panics
/// When group, states and activity are not of one shape.
pub fn calibrate<G: ThresholdLayer>(
    compute: &Compute,
    group: &mut G,
    states: &mut dyn States,
    activity: &Activity,
    tokens: Range<usize>,
    recall: f64,
) -> Result<Calibrated, PredictorError> {
    let curve = Curve::measure(compute, group, states, activity, tokens)?;
    group.set_threshold(curve.threshold(recall));
    Ok(Calibrated {
        score: curve.at(group.threshold()),
        tokens: curve.tokens(),
        neurons: group.neurons(),
    })
}

/// Counts what `group` predicts, with the threshold it has, over any text.
///
/// # Errors
/// When the states cannot be read.
///
/// # Panics
/// When group, states and activity are not of one shape.
pub fn evaluate<G: ThresholdLayer>(
    compute: &Compute,
    group: &G,
    states: &mut dyn States,
    activity: &Activity,
    tokens: Range<usize>,
) -> Result<Calibrated, PredictorError> {
    let count = tokens.len() as u64;
    let mut score = Score::default();
    let mut scores = Vec::new();
    for_each_batch(states, tokens, |first, batch| {
        let positions = batch.len() / group.width();
        scores.resize(positions * group.neurons(), 0.0);
        group.scores(compute, batch, &mut scores);
        for (neuron, scores) in scores.chunks_exact(positions).enumerate() {
            for (token, &found) in (first..).zip(scores) {
                let (predicted, active) =
                    (found >= group.threshold(), activity.is_active(token, neuron));
                score.predicted += u64::from(predicted);
                score.active += u64::from(active);
                score.hit += u64::from(predicted && active);
            }
        }
    })?;
    Ok(Calibrated { score, tokens: count, neurons: group.neurons() })
}

/// Bins ascend with scores: the bits of floats do, once negative ones are mirrored.
pub(crate) fn bin(score: f32) -> usize {
    let bits = score.to_bits();
    let ascending = if score.is_sign_negative() { !bits } else { bits | 1 << 31 };
    (ascending >> SHIFT) as usize
}

/// The smallest score of a bin, or the smallest number where a bin has no score.
pub(crate) fn lower_edge(bin: usize) -> f32 {
    let ascending = (bin as u32) << SHIFT;
    let edge =
        f32::from_bits(if ascending >> 31 == 1 { ascending & !(1 << 31) } else { !ascending });
    if edge.is_finite() { edge } else { f32::MIN }
}
