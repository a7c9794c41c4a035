//! Which rank each group gets within a byte budget: bytes go where they save the most neurons.

/// Predicted share of a group, 0 to 1, above which it is read whole: most of its records are needed, one long
/// read gets them faster than many short ones, and the predictor's bytes serve as well elsewhere.
pub const DENSE_SHARE: f64 = 0.6;

/// One rank that a group may get.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rung {
    /// The rank.
    pub rank: usize,
    /// Bytes of the predictor.
    pub bytes: u64,
    /// Neurons predicted per token at the recall asked for.
    pub predicted: f64,
}

/// A rung per group, and what they come to.
#[derive(Debug, Clone, PartialEq)]
pub struct RankPlan {
    /// The rank of each group; `None` where no predictor is worth its bytes, and every neuron is read.
    pub ranks: Vec<Option<usize>>,
    /// Bytes of all predictors.
    pub bytes: u64,
    /// Neurons predicted per token over all groups.
    pub predicted: f64,
}

impl RankPlan {
    /// Climbs the ladder of each group (any order) from no predictor at all, which predicts all `neurons`,
    /// always the step that saves the most neurons per byte, while `budget` lasts and a step saves at least
    /// `worth` neurons per token and byte (zero: spend what there is). Rungs that predict more than
    /// [`DENSE_SHARE`] do not count.
    pub fn new(ladders: &[Vec<Rung>], neurons: usize, budget: u64, worth: f64) -> RankPlan {
        let nothing = Rung { rank: 0, bytes: 0, predicted: neurons as f64 };
        let dense = DENSE_SHARE * neurons as f64;
        let mut now = vec![nothing; ladders.len()];
        let mut bytes = 0;
        loop {
            let left = budget - bytes;
            let steps = ladders.iter().enumerate().filter_map(|(group, ladder)| {
                let (gain, rung) = best_step(ladder, dense, now[group], left)?;
                Some((gain, group, rung))
            });
            // The first of equals, so that the plan does not depend on luck.
            let best = steps.reduce(|a, b| if b.0 > a.0 { b } else { a });
            let Some((_, group, rung)) = best.filter(|best| best.0 > worth) else { break };
            bytes += rung.bytes - now[group].bytes;
            now[group] = rung;
        }
        RankPlan {
            ranks: now.iter().map(|rung| (rung.rank > 0).then_some(rung.rank)).collect(),
            bytes,
            predicted: now.iter().map(|rung| rung.predicted).sum(),
        }
    }
}

/// The rung above `now`, not above `dense`, that saves the most neurons per byte within `left` bytes more. Looking at all
/// rungs and not the next alone finds a gain that lies behind a step without one.
fn best_step(ladder: &[Rung], dense: f64, now: Rung, left: u64) -> Option<(f64, Rung)> {
    let above = ladder.iter().filter(|rung| rung.bytes > now.bytes && rung.predicted <= dense);
    let afforded = above.filter(|rung| rung.bytes - now.bytes <= left);
    let gain = |rung: &Rung| (now.predicted - rung.predicted) / (rung.bytes - now.bytes) as f64;
    let steps = afforded.map(|rung| (gain(rung), *rung));
    steps.filter(|step| step.0 > 0.0).reduce(|a, b| if b.0 > a.0 { b } else { a })
}
