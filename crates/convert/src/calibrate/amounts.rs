//! How many tokens each stage takes: as many as so much arithmetic allows, so that a calibration ends in bounded time
//! whatever the model. The numbers depend on the model, the text and the options alone, never on the machine.

use super::{CALIBRATION_TOKENS, CalibrateOptions};
use flint_engine::OpenModel;
use std::ops::RangeInclusive;

/// Multiplications and additions that a stage may take: 7 to 15 minutes on two cores of the development machine.
const OPERATIONS: f64 = 24e12;

/// Tokens that set and judge thresholds; more make them no better.
const THRESHOLD_TOKENS: RangeInclusive<usize> = 1024..=8192;

/// Tokens that quality is measured on.
const QUALITY_TOKENS: RangeInclusive<usize> = 512..=16_384;

/// Of the arithmetic of a stage, the share that weighing layers may take: it repeats itself soon.
const HARM_SHARE: f64 = 0.25;

/// Tokens that layers are weighed on.
const HARM_TOKENS: RangeInclusive<usize> = 64..=256;

/// Tokens of each stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Amounts {
    /// Collected, at most: then come the tokens that nothing was trained on.
    pub(super) collected: usize,
    /// Foreseen in each pass that measures quality, at most.
    pub(super) quality: usize,
}

impl Amounts {
    /// What `options` ask for, and for the rest as many as the arithmetic allows.
    pub(super) fn of(options: &CalibrateOptions, files: &OpenModel) -> Amounts {
        let each = operations_per_token(files);
        let within = |range: RangeInclusive<usize>, passes: usize| {
            let affordable = (OPERATIONS / (each * passes as f64)) as usize;
            affordable.clamp(*range.start(), *range.end())
        };
        let collected = match options.sparsities.is_empty() {
            true => CALIBRATION_TOKENS,
            false => within(THRESHOLD_TOKENS, 1),
        };
        Amounts {
            collected: options.tokens.unwrap_or(collected),
            quality: options.quality_tokens.unwrap_or(within(QUALITY_TOKENS, passes(options))),
        }
    }

    /// What of a text is measured on, when its first tokens were used.
    pub(super) fn unseen<'a>(&self, text: &'a [u32], used: usize) -> &'a [u32] {
        let unseen = &text[used.min(text.len())..];
        &unseen[..unseen.len().min(self.quality)]
    }
}

/// How often the text is read to measure quality: with every neuron, then with a predictor, or at each sparsity.
pub(super) fn passes(options: &CalibrateOptions) -> usize {
    1 + options.sparsities.len().max(1)
}

/// Tokens that every layer in turn is weighed on.
pub(super) fn harm_tokens(files: &OpenModel) -> usize {
    let each = operations_per_token(files) * files.architecture().layers as f64;
    let affordable = (OPERATIONS * HARM_SHARE / each) as usize;
    affordable.clamp(*HARM_TOKENS.start(), *HARM_TOKENS.end())
}

/// Multiplications and additions of a token, logits included.
pub(super) fn operations_per_token(files: &OpenModel) -> f64 {
    let a = files.architecture();
    let head = 2 * a.hidden * a.vocabulary;
    (operations_per_layer(files) * a.layers + head) as f64
}

/// The same of one layer.
pub(super) fn operations_per_layer(files: &OpenModel) -> usize {
    let a = files.architecture();
    let rows = 2 + usize::from(a.feed_forward.gated);
    let attention = 2 * a.hidden * (a.query_width() + a.kv_width());
    2 * (attention + rows * a.hidden * a.most_neurons())
}
