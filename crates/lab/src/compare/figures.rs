//! Medians with their spread, and ratios taken within rounds.

use super::Run;
use serde::Serialize;

/// The median of some numbers, and how far they lie apart.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Spread {
    /// Half of the numbers are at most this.
    pub median: f64,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
    /// How many numbers there were.
    pub count: usize,
}

impl Spread {
    /// `None` where there are no numbers.
    pub fn of(numbers: impl IntoIterator<Item = f64>) -> Option<Spread> {
        let mut sorted: Vec<f64> =
            numbers.into_iter().filter(|number| number.is_finite()).collect();
        sorted.sort_by(f64::total_cmp);
        let (&min, &max) = (sorted.first()?, sorted.last()?);
        let (low, high) = (sorted[(sorted.len() - 1) / 2], sorted[sorted.len() / 2]);
        Some(Spread { median: f64::midpoint(low, high), min, max, count: sorted.len() })
    }
}

/// What one run is asked for.
pub(super) type Figure = fn(&Run) -> Option<f64>;

/// Figures of runs, each with the name that reports give it.
pub(super) const FIGURES: [(&str, Figure); 7] = [
    ("tok/s", |run| run.tokens_per_second),
    ("read per token, GB", |run| run.read_per_token.map(|bytes| bytes / 1e9)),
    ("read in all, GB", |run| run.bytes_read.map(|bytes| bytes as f64 / 1e9)),
    ("peak of the group, GB", |run| Some(run.group_peak as f64 / 1e9)),
    ("peak of the process, GB", |run| run.process_peak.map(|bytes| bytes as f64 / 1e9)),
    ("wall, s", |run| Some(run.wall_s)),
    ("CPU, s", |run| Some(run.user_s + run.system_s)),
];

/// Flint's figures over those of one peer, each pair taken in the same round.
#[derive(Debug, Clone, Serialize)]
pub struct Ratios {
    /// The peer.
    pub against: String,
    /// By name of the figure.
    pub figures: Vec<(&'static str, Option<Spread>)>,
}

impl Ratios {
    /// Of contestant 0 over contestant `peer`.
    pub fn of(runs: &[Run], peer: usize, against: &str) -> Ratios {
        let ratio = |figure: Figure| {
            let rounds = runs.iter().filter(|run| run.contestant == 0);
            Spread::of(rounds.filter_map(|own| {
                let same = |run: &&Run| run.round == own.round && run.contestant == peer;
                let other = figure(runs.iter().find(same)?)?;
                (other > 0.0).then_some(figure(own)? / other)
            }))
        };
        let figures = FIGURES.iter().map(|&(name, figure)| (name, ratio(figure))).collect();
        Ratios { against: against.to_owned(), figures }
    }
}
