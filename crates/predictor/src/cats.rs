//! For models whose activations are never zero: the neurons whose deciding row answers strongest, seen through a
//! low-bit copy of the rows (contextually aware thresholding, CATS).
//!
//! Bundles of earlier versions have it; [`Contribution`](crate::Contribution) leaves out as many for a fraction of the cost.
//! What it leaves out is not zero, so it costs quality; how much belongs to the predictor and is stored with it.

mod levels;

use crate::levels::{Level, LevelledLayer};
use crate::{BlobFault, QuantizedGateLayer, ThresholdLayer, ThresholdPredictor};
use flint_kernels::{Activation, Compute};
use levels::Levels;

/// The strongest neurons of every group.
pub type Cats = ThresholdPredictor<CatsGroup>;

/// The strongest neurons of one group: those whose activation, by the copy, is at least the threshold away from
/// zero.
#[derive(Debug, Clone, PartialEq)]
pub struct CatsGroup {
    copy: QuantizedGateLayer,
    levels: Levels,
    threshold: f32,
}

impl CatsGroup {
    /// Activations that are never zero are those it is for.
    ///
    /// # Panics
    /// When the levels are for another kind of activation, or there are none.
    pub(crate) fn new(copy: QuantizedGateLayer, levels: Levels) -> CatsGroup {
        assert!(!levels.activation.is_sparse(), "exact zeros need no threshold");
        let Some(first) = levels.list.first() else { unreachable!("at least one level") };
        let threshold = first.threshold;
        CatsGroup { copy, levels, threshold }
    }

    /// Turns products into how strong activations are, whatever their sign.
    fn strengths(&self, compute: &Compute, scores: &mut [f32]) {
        self.levels.activation.apply_slice(compute, scores);
        scores.iter_mut().for_each(|score| *score = score.abs());
    }
}

impl LevelledLayer for CatsGroup {
    fn levels(&self) -> &[Level] {
        &self.levels.list
    }

    fn activation(&self) -> Activation {
        self.levels.activation
    }

    fn perplexity_exact(&self) -> Option<f64> {
        self.levels.perplexity_exact
    }
}

impl ThresholdLayer for CatsGroup {
    const KIND: &'static str = "cats";

    fn width(&self) -> usize {
        self.copy.width()
    }

    fn neurons(&self) -> usize {
        self.copy.neurons()
    }

    fn scores(&self, compute: &Compute, input: &[f32], scores: &mut [f32]) {
        self.copy.scores(compute, input, scores);
        self.strengths(compute, scores);
    }

    fn scores_among(
        &self,
        compute: &Compute,
        input: &[f32],
        asked: &dyn Fn(u32) -> bool,
        scores: &mut [f32],
    ) {
        if input.len() == self.width() {
            let finish = |scores: &mut [f32]| self.strengths(compute, scores);
            self.copy.scores_of_asked(compute, input, asked, scores, finish);
        } else {
            self.scores(compute, input, scores);
        }
    }

    fn threshold(&self) -> f32 {
        self.threshold
    }

    fn set_threshold(&mut self, threshold: f32) {
        self.threshold = threshold;
    }

    fn bytes(&self) -> u64 {
        self.copy.bytes()
    }

    fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.levels.to_bytes();
        bytes.extend(self.copy.to_bytes());
        bytes
    }

    fn from_bytes(width: usize, neurons: usize, bytes: &[u8]) -> Result<CatsGroup, BlobFault> {
        let (levels, rest) = Levels::parse(bytes)?;
        Ok(CatsGroup::new(QuantizedGateLayer::from_bytes(width, neurons, rest)?, levels))
    }
}
