//! How well it is known what leaving neurons out costs.

/// What was measured beside a perplexity. Margins are halves of intervals of 95 % confidence.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Precision {
    /// Tokens that were foreseen.
    pub tokens: u64,
    /// Of the logarithm of the perplexity without the neurons.
    pub margin: f64,
    /// Of the logarithm of the perplexity of the whole model.
    pub margin_exact: f64,
    /// Of the logarithm of their ratio: both are of the same tokens, so it is known far better than either.
    pub margin_cost: f64,
    /// Share of the tokens for which the likeliest next token is that of the whole model.
    pub agreement: f64,
    /// Of that share.
    pub margin_agreement: f64,
}
