//! Shares of neurons that a group can leave out although they are not zero, and choosing one of them for all groups.

use crate::{Precision, PredictorError, ThresholdLayer, ThresholdPredictor};
use flint_kernels::Activation;

/// More would be a mistake: each costs a pass over a text to measure.
pub(crate) const MOST_LEVELS: usize = 16;

/// What one sparsity does.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Level {
    /// Share of the neurons of the whole model that is to be left out: above 0, below 1.
    pub sparsity: f32,
    /// A neuron with this score or more is kept.
    pub threshold: f32,
    /// Share of the neurons of the group that was kept, on text that did not set the threshold.
    pub kept: f32,
    /// Share that was kept of those that are strongest by the true rows, on the same text.
    pub recall: f32,
    /// Perplexity of the whole model with every group at this level, once it was measured.
    pub perplexity: Option<f64>,
    /// How well that is known, where it is stored.
    pub precision: Option<Precision>,
}

/// A group with thresholds for several sparsities.
pub trait LevelledLayer: ThresholdLayer {
    /// The sparsities it was calibrated for, ascending.
    fn levels(&self) -> &[Level];

    /// What is applied to the products of the rows that decide.
    fn activation(&self) -> Activation;

    /// Perplexity of the whole model when every neuron is computed, where it was measured.
    fn perplexity_exact(&self) -> Option<f64>;
}

impl<G: LevelledLayer> ThresholdPredictor<G> {
    /// Keeps in every group what it keeps at the level for `sparsity`; gives that level as the first group knows it.
    ///
    /// # Errors
    /// When a group has no such level, or groups disagree about what was measured of the whole model.
    pub fn choose(&mut self, sparsity: f32) -> Result<Level, PredictorError> {
        let mut first: Option<Level> = None;
        for (index, group) in self.groups_mut().iter_mut().enumerate() {
            let Some(group) = group else {
                return Err(PredictorError::NoLevel { group: index, sparsity });
            };
            let found = group.levels().iter().find(|level| level.sparsity == sparsity);
            let level = *found.ok_or(PredictorError::NoLevel { group: index, sparsity })?;
            let measured = (level.perplexity, level.precision);
            if first.is_some_and(|first| (first.perplexity, first.precision) != measured) {
                return Err(PredictorError::LevelsDisagree { group: index });
            }
            group.set_threshold(level.threshold);
            first.get_or_insert(level);
        }
        first.ok_or(PredictorError::NoLevel { group: 0, sparsity })
    }
}

/// The number by which a blob names an activation.
pub(crate) fn activation_code(activation: Activation) -> u32 {
    match activation {
        Activation::Gelu => 1,
        Activation::GeluTanh => 2,
        _ => 0,
    }
}

/// The activation of a number from a blob.
pub(crate) fn activation_of(code: u32) -> Option<Activation> {
    [Activation::Silu, Activation::Gelu, Activation::GeluTanh].get(code as usize).copied()
}

/// Whether the numbers of a level can be such.
pub(crate) fn is_possible(level: &Level) -> bool {
    level.sparsity > 0.0
        && level.sparsity < 1.0
        && level.threshold.is_finite()
        && level.threshold >= 0.0
        && (0.0..=1.0).contains(&level.kept)
        && (0.0..=1.0).contains(&level.recall)
}

/// A stored perplexity, zero for none; nothing when it cannot be one.
pub(crate) fn perplexity(number: f64) -> Option<Option<f64>> {
    match number {
        0.0 => Some(None),
        _ if number.is_finite() && number >= 1.0 => Some(Some(number)),
        _ => None,
    }
}
