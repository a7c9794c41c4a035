//! What a group's thresholds keep, judged by the true rows, with the copy as stored and as it runs.

use super::{ContributionGroup, Strengths};
use crate::states::for_each_batch;
use crate::{Calibrated, GateRows, PredictorError, Score, States, ThresholdLayer};
use flint_kernels::{Compute, MatrixView};
use std::ops::Range;

/// The true rows of one group, its down columns, and how long these are.
#[derive(Debug, Clone, Copy)]
pub struct NeuronRows<'a> {
    pub(super) deciding: GateRows<'a>,
    pub(super) up: Option<GateRows<'a>>,
    /// A column in each row.
    pub(super) columns: MatrixView<'a>,
    pub(super) lengths: &'a [f32],
}

impl<'a> NeuronRows<'a> {
    /// `up` is what the activation is multiplied with: of gated models, where `deciding` is the gate. (Its own activation
    /// does not count.) The rows of `columns` are the down columns of the neurons.
    ///
    /// # Panics
    /// When sizes do not agree, or activations have exact zeros: there is nothing to choose between then.
    pub fn new(
        deciding: GateRows<'a>,
        up: Option<GateRows<'a>>,
        (columns, lengths): (MatrixView<'a>, &'a [f32]),
    ) -> NeuronRows<'a> {
        assert!(!deciding.activation().is_sparse(), "exact zeros need no threshold");
        let size = (deciding.width(), deciding.neurons());
        assert!(up.is_none_or(|up| (up.width(), up.neurons()) == size), "rows of one group");
        assert_eq!((columns.cols(), columns.row_count()), size, "columns of one group");
        assert_eq!(lengths.len(), size.1, "one length per neuron");
        NeuronRows { deciding, up, columns, lengths }
    }

    /// Writes positions x neurons true scores; `space` is for as many numbers.
    fn scores(&self, compute: &Compute, input: &[f32], scores: &mut [f32], space: &mut Vec<f32>) {
        self.deciding.activations(compute, input, scores);
        if let Some(up) = &self.up {
            space.resize(scores.len(), 0.0);
            up.products(compute, input, space);
            scores.iter_mut().zip(space).for_each(|(score, up)| *score *= *up);
        }
        for scores in scores.chunks_exact_mut(self.lengths.len()) {
            scores.iter_mut().zip(self.lengths).for_each(|(it, length)| *it = it.abs() * length);
        }
    }

    /// How strong the neurons truly are over the states of `tokens`.
    ///
    /// # Errors
    /// When the states cannot be read.
    pub fn strengths(
        &self,
        compute: &Compute,
        states: &mut dyn States,
        tokens: Range<usize>,
    ) -> Result<Strengths, PredictorError> {
        let (mut scores, mut space) = (Vec::new(), Vec::new());
        Strengths::count(tokens.len(), |add| {
            for_each_batch(states, tokens, |_, batch| {
                scores.resize(batch.len() / self.deciding.width() * self.lengths.len(), 0.0);
                self.scores(compute, batch, &mut scores, &mut space);
                scores.iter().for_each(|&score| add(score));
            })
        })
    }
}

/// What thresholds keep, on text that did not set them.
#[derive(Debug)]
pub struct Judged {
    /// Of each threshold: what it keeps of the truly strongest neurons.
    pub found: Vec<Calibrated>,
    /// Every neuron, the one that the first threshold keeps most often first; ascending where equal.
    pub hot: Vec<u32>,
}

impl Judged {
    /// Judges thresholds of `group` by those on the true scores of `rows` that leave out as many.
    ///
    /// # Errors
    /// When the states cannot be read.
    ///
    /// # Panics
    /// When there are not as many of one kind of thresholds as of the other, or none.
    pub fn of(
        compute: &Compute,
        (group, rows): (&ContributionGroup, &NeuronRows<'_>),
        states: &mut dyn States,
        tokens: Range<usize>,
        (thresholds, true_thresholds): (&[f32], &[f32]),
    ) -> Result<Judged, PredictorError> {
        assert_eq!(thresholds.len(), true_thresholds.len(), "one true threshold for each");
        let (neurons, count) = (group.neurons(), tokens.len() as u64);
        let mut sums = vec![Score::default(); thresholds.len()];
        let mut kept = vec![0u32; neurons];
        let (mut copied, mut true_, mut space) = (Vec::new(), Vec::new(), Vec::new());
        for_each_batch(states, tokens, |_, batch| {
            let positions = batch.len() / group.width();
            copied.resize(positions * neurons, 0.0);
            true_.resize(copied.len(), 0.0);
            group.scores(compute, batch, &mut copied);
            rows.scores(compute, batch, &mut true_, &mut space);
            for (index, &strength) in copied.iter().enumerate() {
                let (neuron, position) = (index / positions, index % positions);
                let truly = true_[position * neurons + neuron];
                kept[neuron] += u32::from(strength >= thresholds[0]);
                for (level, sum) in sums.iter_mut().enumerate() {
                    let predicted = strength >= thresholds[level];
                    let active = truly >= true_thresholds[level];
                    sum.predicted += u64::from(predicted);
                    sum.active += u64::from(active);
                    sum.hit += u64::from(predicted && active);
                }
            }
        })?;
        let found = sums.into_iter().map(|score| Calibrated { score, tokens: count, neurons });
        let mut hot: Vec<u32> = (0..neurons as u32).collect();
        hot.sort_by_key(|&neuron| std::cmp::Reverse(kept[neuron as usize]));
        Ok(Judged { found: found.collect(), hot })
    }
}
