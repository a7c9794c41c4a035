//! The result of a generation.

use crate::stats::Stats;
use serde::Serialize;

/// Why generation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Finish {
    /// As many tokens as were asked for.
    Length,
    /// The model ended the text, the stop text came, or the listener had enough.
    Stop,
    /// The context is full.
    Context,
}

/// The result: the JSON object of the contract.
#[derive(Debug, Clone, Serialize)]
pub struct Generated {
    /// The generated text; empty without a tokenizer.
    pub text: String,
    /// The generated tokens.
    pub tokens: Vec<u32>,
    /// The prompt.
    pub prompt_tokens: Vec<u32>,
    /// Why it ended.
    pub finish: Finish,
    /// What it cost.
    pub stats: Stats,
}
