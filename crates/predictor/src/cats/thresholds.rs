//! Thresholds for given sparsities, set and judged on different parts of a text, with the copy as stored and as it
//! runs.

use super::{CatsGroup, Level, Levels};
use crate::calibrate::{bin, lower_edge};
use crate::states::for_each_batch;
use crate::{
    Calibrated, GateRows, PredictorError, QuantizedGateLayer, Score, States, ThresholdLayer,
};
use flint_kernels::{Activation, Compute};
use std::ops::Range;

/// How strong the neurons of a group are over a text, and the thresholds that follow.
#[derive(Debug)]
pub struct CatsCalibration {
    /// The group, with a level per sparsity.
    pub group: CatsGroup,
    /// What each level keeps of the truly strongest neurons, on the text that judges.
    pub found: Vec<Calibrated>,
    /// Every neuron, the one that the first level keeps most often first; ascending where equal.
    pub hot: Vec<u32>,
}

impl CatsCalibration {
    /// Copies the rows of `deciding` to `bits` bits per weight and sets a threshold for each of the `sparsities`
    /// on the states `set`; judges them on the states `judge`. Memory: 16 MiB and one batch.
    ///
    /// # Errors
    /// When the states cannot be read.
    ///
    /// # Panics
    /// When the activation has exact zeros, sparsities do not ascend between 0 and 1, or sizes do not agree.
    pub fn measure(
        compute: &Compute,
        deciding: &GateRows<'_>,
        bits: usize,
        states: &mut dyn States,
        (set, judge): (Range<usize>, Range<usize>),
        sparsities: &[f32],
    ) -> Result<CatsCalibration, PredictorError> {
        let possible = sparsities.iter().all(|&sparsity| sparsity > 0.0 && sparsity < 1.0);
        assert!(possible && sparsities.is_sorted_by(|a, b| a < b), "sparsities ascend from 0 to 1");
        let copy = QuantizedGateLayer::copy(compute, deciding, bits);
        let mut pass =
            Pass { compute, deciding, copy: &copy, copied: Vec::new(), true_: Vec::new() };
        let (mut by_copy, mut by_rows) = (Histogram::new(), Histogram::new());
        pass.run(states, set, |copied, true_, _| {
            copied.iter().for_each(|&strength| by_copy.add(strength));
            true_.iter().for_each(|&strength| by_rows.add(strength));
        })?;
        let cut = |histogram: &Histogram| -> Vec<f32> {
            sparsities.iter().map(|&sparsity| histogram.threshold(sparsity)).collect()
        };
        let (thresholds, true_thresholds) = (cut(&by_copy), cut(&by_rows));
        let tokens = judge.len() as u64;
        let neurons = deciding.neurons();
        let mut scores = vec![Score::default(); sparsities.len()];
        let mut kept = vec![0u32; neurons];
        pass.run(states, judge, |copied, true_, positions| {
            for (index, &strength) in copied.iter().enumerate() {
                let (neuron, position) = (index / positions, index % positions);
                let truly = true_[position * neurons + neuron];
                kept[neuron] += u32::from(strength >= thresholds[0]);
                for (level, score) in scores.iter_mut().enumerate() {
                    let predicted = strength >= thresholds[level];
                    let active = truly >= true_thresholds[level];
                    score.predicted += u64::from(predicted);
                    score.active += u64::from(active);
                    score.hit += u64::from(predicted && active);
                }
            }
        })?;
        let found: Vec<Calibrated> =
            scores.into_iter().map(|score| Calibrated { score, tokens, neurons }).collect();
        let level = |index: usize| Level {
            sparsity: sparsities[index],
            threshold: thresholds[index],
            kept: found[index].predicted_share() as f32,
            recall: found[index].score.recall() as f32,
            perplexity: None,
        };
        let list = (0..sparsities.len()).map(level).collect();
        let levels = Levels { activation: deciding.activation(), perplexity_exact: None, list };
        let mut hot: Vec<u32> = (0..neurons as u32).collect();
        hot.sort_by_key(|&neuron| std::cmp::Reverse(kept[neuron as usize]));
        Ok(CatsCalibration { group: CatsGroup::new(copy, levels), found, hot })
    }
}

/// CatsCalibration over a range of states, by the copy and by the true rows.
struct Pass<'a> {
    compute: &'a Compute,
    deciding: &'a GateRows<'a>,
    copy: &'a QuantizedGateLayer,
    /// neurons x positions.
    copied: Vec<f32>,
    /// positions x neurons.
    true_: Vec<f32>,
}

impl Pass<'_> {
    /// Gives `each` the strengths by the copy, those by the true rows, and the number of positions.
    fn run(
        &mut self,
        states: &mut dyn States,
        tokens: Range<usize>,
        mut each: impl FnMut(&[f32], &[f32], usize),
    ) -> Result<(), PredictorError> {
        let Pass { compute, deciding, copy, copied, true_ } = self;
        let activation: Activation = deciding.activation();
        for_each_batch(states, tokens, |_, batch| {
            let positions = batch.len() / deciding.width();
            copied.resize(positions * deciding.neurons(), 0.0);
            true_.resize(copied.len(), 0.0);
            copy.scores(compute, batch, copied);
            activation.apply_slice(compute, copied);
            deciding.activations(compute, batch, true_);
            for strengths in [&mut *copied, &mut *true_] {
                strengths.iter_mut().for_each(|strength| *strength = strength.abs());
            }
            each(copied, true_, positions);
        })
    }
}

/// How many neurons, over all tokens, are how strong.
struct Histogram {
    counts: Vec<u64>,
    total: u64,
}

impl Histogram {
    fn new() -> Histogram {
        // CatsCalibration are never negative: those bins are left out.
        Histogram { counts: vec![0; bin(f32::INFINITY) - bin(0.0) + 1], total: 0 }
    }

    fn add(&mut self, strength: f32) {
        let place = (bin(strength) - bin(0.0)).min(self.counts.len() - 1);
        self.counts[place] += 1;
        self.total += 1;
    }

    /// The edge between bins below which the share of neurons is nearest to `sparsity`.
    fn threshold(&self, sparsity: f32) -> f32 {
        let wanted = f64::from(sparsity) * self.total as f64;
        let mut below = 0;
        for (place, &count) in self.counts.iter().enumerate() {
            let after = below + count;
            if after as f64 >= wanted {
                let nearer_before = wanted - below as f64 <= after as f64 - wanted;
                let edge = place + usize::from(!nearer_before);
                return lower_edge(bin(0.0) + edge.min(self.counts.len() - 1));
            }
            below = after;
        }
        0.0
    }
}
