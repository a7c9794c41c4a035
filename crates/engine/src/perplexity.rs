//! Perplexity over non-overlapping windows of context length, by the same path as generation.

use crate::engine::Engine;
use crate::{CancelToken, EngineError};
use serde::Serialize;

/// How well a text is foreseen.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Perplexity {
    /// exp of the mean negative log-likelihood per token.
    pub perplexity: f64,
    /// Tokens that were foreseen.
    pub tokens: usize,
    /// `exact` or `sparse`.
    pub mode: &'static str,
    /// Share of neurons that were left out although they are not zero, where that was asked for.
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
    let begin = engine.architecture().begin_of_text;
    let least = 1 + usize::from(begin.is_none());
    if tokens.len() < least {
        return Err(EngineError::TextTooShort { tokens: tokens.len(), needed: least });
    }
    let mode = engine.plan().mode.name();
    let (mut loss, mut count) = (0.0, 0);
    let chosen = engine.sparsity();
    let sparsity = chosen.map(|chosen| chosen.sparsity);
    let quality_cost = chosen.map(crate::Sparsity::cost);
    let found = |loss: f64, tokens| {
        let perplexity = (loss / tokens as f64).exp();
        Perplexity { perplexity, tokens, mode, sparsity, quality_cost }
    };
    for window in tokens.chunks(engine.plan().context) {
        let (input, targets): (Vec<u32>, &[u32]) = match begin {
            Some(begin) => {
                let inputs = std::iter::once(begin).chain(window[..window.len() - 1].to_vec());
                (inputs.collect(), window)
            }
            None => (window[..window.len() - 1].to_vec(), &window[1..]),
        };
        let mut targets = targets.iter();
        let fed = engine.with_sequence(|engine, sequence| {
            engine.feed_all(sequence, &input, cancel, &mut |logits| {
                if let Some(&target) = targets.next() {
                    loss += negative_log_likelihood(logits, target);
                    count += 1;
                    progress(found(loss, count));
                }
            })
        });
        match fed {
            Err(EngineError::Cancelled) => break,
            other => other?,
        }
    }
    Ok(found(loss, count))
}

/// `-log softmax(logits)[target]`, in f64: a report, not part of any output.
pub fn negative_log_likelihood(logits: &[f32], target: u32) -> f64 {
    let top = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = logits.iter().map(|&logit| f64::from(logit - top).exp()).sum();
    sum.ln() - f64::from(logits[target as usize] - top)
}
