//! Which neurons of a group are truly active over a text: one bit per token and neuron.

use crate::states::for_each_batch;
use crate::{GateRows, PredictorError, States};
use flint_kernels::Compute;
use std::ops::Range;

/// The truly active neurons of every collected token.
#[derive(Debug)]
pub struct Activity {
    neurons: usize,
    words: usize,
    bits: Vec<u64>,
}

impl Activity {
    /// Multiplies the true rows with every state.
    ///
    /// # Errors
    /// When the states cannot be read.
    ///
    /// # Panics
    /// When states and rows have different widths, or the activation gives no exact zeros: every neuron is active.
    pub fn observe(
        compute: &Compute,
        deciding: &GateRows<'_>,
        states: &mut dyn States,
    ) -> Result<Activity, PredictorError> {
        assert_eq!(states.width(), deciding.width(), "states are as wide as the rows");
        let activation = deciding.activation();
        assert!(activation.is_sparse(), "{activation:?} gives no exact zeros");
        let (neurons, tokens) = (deciding.neurons(), states.tokens());
        let words = neurons.div_ceil(64);
        let mut bits = vec![0; words * tokens];
        let mut activations = Vec::new();
        for_each_batch(states, 0..tokens, |first, batch| {
            let count = batch.len() / deciding.width();
            activations.resize(count * neurons, 0.0);
            deciding.activations(compute, batch, &mut activations);
            let rows = bits[first * words..].chunks_exact_mut(words);
            for (row, activations) in rows.zip(activations.chunks_exact(neurons)) {
                for (word, activations) in row.iter_mut().zip(activations.chunks(64)) {
                    *word = pack(activations);
                }
            }
        })?;
        Ok(Activity { neurons, words, bits })
    }

    /// Neurons of the group.
    pub fn neurons(&self) -> usize {
        self.neurons
    }

    /// Tokens observed.
    pub fn tokens(&self) -> usize {
        self.bits.len() / self.words
    }

    /// Whether a neuron is active at a token.
    pub fn is_active(&self, token: usize, neuron: usize) -> bool {
        assert!(neuron < self.neurons, "neuron {neuron} of {}", self.neurons);
        self.bits[token * self.words + neuron / 64] >> (neuron % 64) & 1 == 1
    }

    /// Active neurons of all these tokens together.
    pub fn count(&self, tokens: Range<usize>) -> u64 {
        let bits = &self.bits[tokens.start * self.words..tokens.end * self.words];
        bits.iter().map(|word| u64::from(word.count_ones())).sum()
    }

    /// Share of the neurons that are active, over these tokens.
    pub fn share(&self, tokens: Range<usize>) -> f64 {
        let all = tokens.len() as u64 * self.neurons as u64;
        if all == 0 { 0.0 } else { self.count(tokens) as f64 / all as f64 }
    }

    /// The `most` neurons that are active most often over these tokens, hottest first, ascending where
    /// equal; never one that is not active at all.
    pub fn hottest(&self, tokens: Range<usize>, most: usize) -> Vec<u32> {
        let mut counts = vec![0u32; self.neurons];
        for token in tokens {
            for (neuron, count) in counts.iter_mut().enumerate() {
                *count += u32::from(self.is_active(token, neuron));
            }
        }
        let mut order: Vec<u32> = (0..self.neurons as u32).collect();
        order.retain(|&neuron| counts[neuron as usize] > 0);
        order.sort_by_key(|&neuron| std::cmp::Reverse(counts[neuron as usize]));
        order.truncate(most);
        order
    }

    /// Writes one byte per neuron, 1 where it is active.
    pub(crate) fn labels(&self, token: usize, labels: &mut Vec<u8>) {
        labels.extend((0..self.neurons).map(|neuron| u8::from(self.is_active(token, neuron))));
    }
}

fn pack(activations: &[f32]) -> u64 {
    let bit = |(i, &activation): (usize, &f32)| u64::from(activation != 0.0) << i;
    activations.iter().enumerate().map(bit).sum()
}
