//! Perplexity over non-overlapping windows of context length, by the same path as generation.

mod running_mean;

use crate::engine::Engine;
use crate::{CancelToken, EngineError};
pub use running_mean::RunningMean;
use serde::Serialize;

/// How well a text is foreseen.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Perplexity {
    /// exp of the mean negative log-likelihood per token.
    pub perplexity: f64,
    /// The bounds between which it is with 95 % confidence, for more text of this kind; `None` of fewer than 64 tokens.
    pub interval: Option<[f64; 2]>,
    /// Tokens that were foreseen.
    pub tokens: usize,
    /// `exact` or `sparse`.
    pub mode: &'static str,
    /// Share of neurons that were not read although they are not zero, where that was asked for.
    pub sparsity: Option<f32>,
    /// What that cost when the bundle was made: perplexity over that of exact mode.
    pub quality_cost: Option<f64>,
}

/// Measures `tokens` (a text without its marks): windows of context length, each begun with the
/// begin-of-text token where the model has one, so that every token is foreseen; without one, the first
/// token of each window is not counted. `progress` hears what was found so far, token by token.
///
/// What is cancelled gives what was found until then; NaN where that is nothing.
///
/// # Errors
/// When the text is too short or a read fails.
pub fn perplexity(
    engine: &mut Engine,
    tokens: &[u32],
    cancel: &CancelToken,
    progress: &mut dyn FnMut(Perplexity),
) -> Result<Perplexity, EngineError> {
    let mode = engine.plan().mode.name();
    let chosen = engine.sparsity();
    let sparsity = chosen.map(|chosen| chosen.sparsity);
    let quality_cost = chosen.map(crate::Sparsity::cost);
    let found = |loss: &RunningMean| {
        let mean = loss.mean();
        let interval = loss.margin().map(|margin| [(mean - margin).exp(), (mean + margin).exp()]);
        let tokens = loss.count() as usize;
        Perplexity { perplexity: mean.exp(), interval, tokens, mode, sparsity, quality_cost }
    };
    let mut loss = RunningMean::default();
    let read = each_foreseen(engine, tokens, cancel, &mut |target, logits| {
        loss.add(negative_log_likelihood(logits, target));
        progress(found(&loss));
    });
    match read {
        Ok(()) | Err(EngineError::Cancelled) => Ok(found(&loss)),
        Err(error) => Err(error),
    }
}

/// Reads `tokens` as [`perplexity()`] does, and gives `each` every token that is foreseen, with the logits that foresee it.
///
/// # Errors
/// When the text is too short, `cancel` asks for the end, or a read fails.
pub fn each_foreseen(
    engine: &mut Engine,
    tokens: &[u32],
    cancel: &CancelToken,
    each: &mut dyn FnMut(u32, &[f32]),
) -> Result<(), EngineError> {
    let begin = engine.architecture().begin_of_text;
    let least = 1 + usize::from(begin.is_none());
    if tokens.len() < least {
        return Err(EngineError::TextTooShort { tokens: tokens.len(), needed: least });
    }
    for window in tokens.chunks(engine.plan().context) {
        let (input, targets): (Vec<u32>, &[u32]) = match begin {
            Some(begin) => {
                let inputs = std::iter::once(begin).chain(window[..window.len() - 1].to_vec());
                (inputs.collect(), window)
            }
            None => (window[..window.len() - 1].to_vec(), &window[1..]),
        };
        let mut targets = targets.iter();
        engine.with_sequence(|engine, sequence| {
            engine.feed_all(sequence, &input, cancel, &mut |logits| {
                if let Some(&target) = targets.next() {
                    each(target, logits);
                }
            })
        })?;
    }
    Ok(())
}

/// `-log softmax(logits)[target]`, in f64: a report, not part of any output.
pub fn negative_log_likelihood(logits: &[f32], target: u32) -> f64 {
    let top = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = logits.iter().map(|&logit| f64::from(logit - top).exp()).sum();
    sum.ln() - f64::from(logits[target as usize] - top)
}
