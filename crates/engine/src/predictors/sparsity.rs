//! Neurons that are not zero and are not read, on request: which shares a bundle has thresholds for, and what they cost.

use super::blobs::{with_blobs, wrong};
use crate::{EngineError, Mode, OpenModel, RunOptions};
use flint_bundle::Bundle;
use flint_kernels::Activation;
use flint_predictor::{
    CatsGroup, ContributionGroup, Level, LevelledLayer, Precision, Predictor, PredictorError,
    ThresholdLayer, ThresholdPredictor,
};

/// A share of neurons that need not be read, with what that costs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sparsity {
    /// Share of the neurons that is not read, about.
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
        let Level { sparsity, precision, .. } = *level;
        Ok(Sparsity { sparsity, perplexity, perplexity_exact, precision })
    }
}

/// What is asked of predictors with thresholds, of whichever kind they are.
trait Asked {
    /// What the answer is.
    type Answer;

    /// Answers for predictors whose layers are of this kind.
    fn answer<G: LevelledLayer + 'static>(self) -> Result<Self::Answer, EngineError>;
}

/// Asks `question` of the predictors of a bundle; nothing where they are no thresholds.
fn ask<A: Asked>(files: &OpenModel, question: A) -> Result<Option<A::Answer>, EngineError> {
    match kind(files) {
        Some(ContributionGroup::KIND) => question.answer::<ContributionGroup>().map(Some),
        Some(CatsGroup::KIND) => question.answer::<CatsGroup>().map(Some),
        _ => Ok(None),
    }
}

fn kind(files: &OpenModel) -> Option<&str> {
    Some(files.records().and_then(Bundle::predictors)?.kind.as_str())
}

/// Whether the predictors of a bundle are for `--sparsity`: a run that does not ask for it has none then.
pub(crate) fn has_thresholds(files: &OpenModel) -> bool {
    matches!(kind(files), Some(ContributionGroup::KIND | CatsGroup::KIND))
}

/// The sparsities that a bundle has thresholds for, ascending; none where its predictors are of another kind.
///
/// # Errors
/// When its predictors cannot be read, or do not say what they cost.
pub fn sparsities(files: &OpenModel) -> Result<Vec<Sparsity>, EngineError> {
    Ok(ask(files, Known(files))?.unwrap_or_default())
}

/// Which sparsities a bundle knows.
struct Known<'a>(&'a OpenModel);

impl Asked for Known<'_> {
    type Answer = Vec<Sparsity>;

    fn answer<G: LevelledLayer + 'static>(self) -> Result<Vec<Sparsity>, EngineError> {
        // What was measured of the whole model is in every layer's: the first will do.
        let Some(blob) = self.0.bundle()?.read_predictor(0)? else { return Ok(Vec::new()) };
        let a = &self.0.architecture;
        let group = G::from_bytes(a.hidden, a.most_neurons(), &blob)
            .map_err(|fault| wrong(PredictorError::Blob { group: 0, fault }))?;
        let exact = group.perplexity_exact();
        group.levels().iter().map(|level| Sparsity::of(level, exact)).collect()
    }
}

/// The predictor of a run that does not read `sparsity` of the neurons.
pub(crate) fn chosen(
    files: &OpenModel,
    options: &RunOptions,
    sparsity: f32,
) -> Result<(Box<dyn Predictor>, Sparsity), EngineError> {
    let activation = files.architecture.feed_forward.activation;
    if activation.is_sparse() {
        return Err(EngineError::SparsityOfZeros { activation: format!("{activation:?}") });
    }
    if options.mode == Some(Mode::Exact) {
        return Err(EngineError::SparsityInExactMode);
    }
    let stored: Vec<f32> = sparsities(files)?.iter().map(|known| known.sparsity).collect();
    let unknown = EngineError::UnknownSparsity { asked: sparsity, stored: stored.clone() };
    if !stored.contains(&sparsity) {
        return Err(unknown);
    }
    ask(files, Chosen { files, activation, sparsity })?.ok_or(unknown)
}

/// The predictor for one sparsity.
struct Chosen<'a> {
    files: &'a OpenModel,
    activation: Activation,
    sparsity: f32,
}

impl Asked for Chosen<'_> {
    type Answer = (Box<dyn Predictor>, Sparsity);

    fn answer<G: LevelledLayer + 'static>(self) -> Result<Self::Answer, EngineError> {
        let Chosen { files, activation, sparsity } = self;
        let (width, neurons) = (files.architecture.hidden, files.architecture.most_neurons());
        let mut found = with_blobs(files, |blobs| {
            ThresholdPredictor::<G>::from_blobs(width, neurons, blobs).map_err(wrong)
        })?;
        let level = found.choose(sparsity).map_err(wrong)?;
        let mut groups = found.groups().iter().flatten();
        if groups.any(|group| group.activation() != activation) {
            let cause = format!("they are for another activation than {activation:?}");
            return Err(EngineError::WrongPredictors { cause });
        }
        let exact = found.groups().iter().flatten().next().and_then(G::perplexity_exact);
        let cost = Sparsity::of(&level, exact)?;
        Ok((Box::new(found), cost))
    }
}
