//! Neurons that are not zero, left out on request: which shares a bundle has thresholds for, and what they cost.

use super::blobs::{with_blobs, wrong};
use crate::{EngineError, Mode, OpenModel, RunOptions};
use flint_bundle::Bundle;
use flint_predictor::{Cats, CatsGroup, Level, Precision, PredictorError, ThresholdLayer};

/// A share of neurons that can be left out, with what that costs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sparsity {
    /// Share of the neurons that is left out, about.
    pub sparsity: f32,
    /// Perplexity of the model without them, on text that set no threshold.
    pub perplexity: f64,
    /// Perplexity of the whole model on the same text.
    pub perplexity_exact: f64,
    /// How well both are known; `None` of bundles made before that was stored.
    pub precision: Option<Precision>,
}

impl Sparsity {
    /// Perplexity over that of the whole model: 1.01 is one percent worse.
    pub fn cost(&self) -> f64 {
        self.perplexity / self.perplexity_exact
    }

    fn of(level: &Level, exact: Option<f64>) -> Result<Sparsity, EngineError> {
        let (Some(perplexity), Some(perplexity_exact)) = (level.perplexity, exact) else {
            let cause = format!("what sparsity {} costs was not measured", level.sparsity);
            return Err(EngineError::WrongPredictors { cause });
        };
        let precision = None;
        Ok(Sparsity { sparsity: level.sparsity, perplexity, perplexity_exact, precision })
    }
}

/// The sparsities that a bundle has thresholds for, ascending; none where its predictors are of another kind.
///
/// # Errors
/// When its predictors cannot be read, or do not say what they cost.
pub fn sparsities(files: &OpenModel) -> Result<Vec<Sparsity>, EngineError> {
    if !has_thresholds(files) {
        return Ok(Vec::new());
    }
    // What was measured of the whole model is in every layer's: the first will do.
    let Some(blob) = files.bundle()?.read_predictor(0)? else { return Ok(Vec::new()) };
    let a = &files.architecture;
    let group = CatsGroup::from_bytes(a.hidden, a.most_neurons(), &blob)
        .map_err(|fault| wrong(PredictorError::Blob { group: 0, fault }))?;
    let exact = group.perplexity_exact();
    group.levels().iter().map(|level| Sparsity::of(level, exact)).collect()
}

/// Whether the predictors of a bundle are for `--sparsity`: a run that does not ask for it has none then.
pub(crate) fn has_thresholds(files: &OpenModel) -> bool {
    files.records().and_then(Bundle::predictors).is_some_and(|found| found.kind == CatsGroup::KIND)
}

/// The predictor of a run that leaves out `sparsity` of the neurons.
pub(crate) fn chosen(
    files: &OpenModel,
    options: &RunOptions,
    sparsity: f32,
) -> Result<(Cats, Sparsity), EngineError> {
    let feed_forward = &files.architecture.feed_forward;
    let activation = feed_forward.activation;
    if activation.is_sparse() {
        return Err(EngineError::SparsityOfZeros { activation: format!("{activation:?}") });
    }
    if options.mode == Some(Mode::Exact) {
        return Err(EngineError::SparsityInExactMode);
    }
    let stored: Vec<f32> = sparsities(files)?.iter().map(|known| known.sparsity).collect();
    if !stored.contains(&sparsity) {
        return Err(EngineError::UnknownSparsity { asked: sparsity, stored });
    }
    let (width, neurons) = (files.architecture.hidden, files.architecture.most_neurons());
    let mut cats =
        with_blobs(files, |blobs| Cats::from_blobs(width, neurons, blobs).map_err(wrong))?;
    let level = cats.choose(sparsity).map_err(wrong)?;
    let mut groups = cats.groups().iter().flatten();
    if groups.any(|group| group.activation() != activation) {
        let cause = format!("they are for another activation than {activation:?}");
        return Err(EngineError::WrongPredictors { cause });
    }
    let exact = cats.groups().iter().flatten().next().and_then(CatsGroup::perplexity_exact);
    let found = Sparsity::of(&level, exact)?;
    Ok((cats, found))
}
