//! Options that say how tokens are chosen.

use clap::Args;
use flint_engine::Sampling;

/// How tokens are chosen.
#[derive(Debug, Args)]
pub(super) struct ChoiceArgs {
    /// Wildness: 0 always takes the likeliest token
    #[arg(long, value_name = "T", default_value_t = 0.8, value_parser = temperature)]
    temp: f32,
    /// Choose among this many of the likeliest tokens; 0: all
    #[arg(long, value_name = "K", default_value_t = 40)]
    top_k: usize,
    /// Choose among the likeliest tokens that together have this probability
    #[arg(long, value_name = "P", default_value_t = 0.95, value_parser = share)]
    top_p: f32,
    /// Choose among tokens at least this likely, relative to the likeliest
    #[arg(long, value_name = "P", default_value_t = 0.0, value_parser = share)]
    min_p: f32,
}

impl ChoiceArgs {
    pub(super) fn sampling(&self, seed: u64) -> Sampling {
        let ChoiceArgs { temp, top_k, top_p, min_p } = *self;
        Sampling { temperature: temp, top_k, top_p, min_p, seed }
    }
}

/// The same for one text.
#[derive(Debug, Args)]
pub(super) struct SamplingArgs {
    #[command(flatten)]
    choice: ChoiceArgs,
    /// Start of the random numbers
    #[arg(short, long, default_value_t = 0)]
    seed: u64,
    /// End when this text comes
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub(super) stop: Vec<String>,
}

impl SamplingArgs {
    pub(super) fn sampling(&self) -> Sampling {
        self.choice.sampling(self.seed)
    }
}

fn temperature(text: &str) -> Result<f32, String> {
    let number: Option<f32> = text.parse().ok();
    number.filter(|t| (0.0..=100.0).contains(t)).ok_or_else(|| "expected 0 to 100".to_owned())
}

fn share(text: &str) -> Result<f32, String> {
    let number: Option<f32> = text.parse().ok();
    number.filter(|p| (0.0..=1.0).contains(p)).ok_or_else(|| "expected 0 to 1".to_owned())
}
