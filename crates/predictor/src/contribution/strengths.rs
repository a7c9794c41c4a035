//! How strong the neurons of a group are over a text, and thresholds for all groups together.
//!
//! The groups of a model share what may be left out: a neuron goes where it adds least to the result of the whole model, so
//! a group that suffers keeps more. The square of what is left out of a group, times the group's weight squared, is taken
//! for the harm it does; it is least, at equal shares, where all groups have one threshold on score times weight.

use super::ContributionGroup;
use crate::states::for_each_batch;
use crate::{PredictorError, States, ThresholdLayer};
use flint_kernels::Compute;
use std::ops::Range;

/// Bits of a score that a bin leaves out: a bin is 2^-7 of a score wide.
const SHIFT: u32 = 16;

/// Bins of numbers from zero to infinity.
const BINS: usize = (f32::INFINITY.to_bits() >> SHIFT) as usize + 1;

/// Halvings of the range of thresholds: as many as an f64 tells apart.
const HALVINGS: usize = 128;

/// How many neurons, over all tokens, are how strong.
#[derive(Debug, Clone)]
pub struct Strengths {
    /// Of each bin how many scores lie below it, and their squares, per token.
    below: Vec<(u64, f64)>,
    total: u64,
}

impl Strengths {
    /// Counts the scores that `scores` tells, of `tokens` tokens.
    pub(super) fn count(
        tokens: usize,
        scores: impl FnOnce(&mut dyn FnMut(f32)) -> Result<(), PredictorError>,
    ) -> Result<Strengths, PredictorError> {
        let mut below = vec![(0, 0.0); BINS + 1];
        scores(&mut |score| {
            // What is no number is stronger than any: it is no reason to leave a neuron out.
            let bin = (score.to_bits() >> SHIFT) as usize;
            let (count, squares) = &mut below[bin.min(BINS - 1) + 1];
            *count += 1;
            *squares += f64::from(score) * f64::from(score) / tokens as f64;
        })?;
        for bin in 0..BINS {
            let (count, squares) = below[bin];
            below[bin + 1].0 += count;
            below[bin + 1].1 += squares;
        }
        Ok(Strengths { total: below[BINS].0, below })
    }

    /// The scores of `group` over the states of `tokens`.
    ///
    /// # Errors
    /// When the states cannot be read.
    pub fn measure(
        compute: &Compute,
        group: &ContributionGroup,
        states: &mut dyn States,
        tokens: Range<usize>,
    ) -> Result<Strengths, PredictorError> {
        let mut scores = Vec::new();
        Strengths::count(tokens.len(), |add| {
            for_each_batch(states, tokens, |_, batch| {
                scores.resize(batch.len() / group.width() * group.neurons(), 0.0);
                group.scores(compute, batch, &mut scores);
                scores.iter().for_each(|&score| add(score));
            })
        })
    }

    /// The threshold below which this share of the scores lies.
    pub fn threshold(&self, share: f32) -> f32 {
        thresholds(std::slice::from_ref(self), &[1.0], share)[0]
    }

    /// The share of the scores that lies below `threshold`.
    pub fn share_below(&self, threshold: f32) -> f32 {
        (self.below(threshold.into()) / self.total.max(1) as f64) as f32
    }

    /// Sum of the squared scores below `threshold`, per token: about the square of what is left out of the group's sum, as
    /// columns hardly have a direction in common.
    pub fn square_below(&self, threshold: f32) -> f64 {
        let (bin, part) = place(threshold);
        let (first, last) = (self.below[bin].1, self.below[bin + 1].1);
        first + part * (last - first)
    }

    /// How many scores lie below `threshold`; within a bin they count as evenly spread.
    fn below(&self, threshold: f64) -> f64 {
        let (bin, part) = place(threshold as f32);
        let (first, last) = (self.below[bin].0 as f64, self.below[bin + 1].0 as f64);
        first + part * (last - first)
    }
}

/// The bin of a threshold, and how much of the bin lies below it.
fn place(threshold: f32) -> (usize, f64) {
    let bits = threshold.to_bits();
    let part = f64::from(bits & ((1 << SHIFT) - 1)) / f64::from(1u32 << SHIFT);
    (((bits >> SHIFT) as usize).min(BINS - 1), part)
}

/// A threshold for each group, so that together they leave out this share of all scores, where it harms least: a score counts
/// by the group's weight.
///
/// # Panics
/// When there are not as many weights as groups, or one is not above zero.
pub fn thresholds(groups: &[Strengths], weights: &[f64], sparsity: f32) -> Vec<f32> {
    assert_eq!(groups.len(), weights.len(), "one weight per group");
    assert!(weights.iter().all(|weight| weight.is_normal() && *weight > 0.0), "{weights:?}");
    let total: u64 = groups.iter().map(|group| group.total).sum();
    let wanted = f64::from(sparsity) * total as f64;
    let left_out = |level: f64| -> f64 {
        groups.iter().zip(weights).map(|(group, weight)| group.below(level / weight)).sum()
    };
    let (mut low, mut high) = (0.0, f64::from(f32::MAX));
    for _ in 0..HALVINGS {
        // Scores differ by magnitudes, so their logarithms are halved where that can be.
        let middle = if low > 0.0 { f64::sqrt(low * high) } else { high * 1e-6 };
        if left_out(middle) < wanted {
            low = middle;
        } else {
            high = middle;
        }
        if high < f64::MIN_POSITIVE {
            break;
        }
    }
    weights.iter().map(|weight| (high / weight) as f32).map(|it| it.min(f32::MAX)).collect()
}
