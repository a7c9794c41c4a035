//! The rank of each layer: a ladder of ranks is tried on every layer, untrained, and bytes go where they
//! save the most neurons.

use super::{LayerRows, SEED, Training, collect};
use crate::CalibrateError;
use flint_predictor::train::Regression;
use flint_predictor::{Activity, LowRankGroup, RankPlan, Rung};

/// Ranks that are tried, as multiples of the one that an even share of the budget pays for.
const LADDER: [f64; 7] = [0.125, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0];

impl Training<'_> {
    /// The rank of each layer within `budget` bytes; `None` where no predictor is worth its bytes.
    pub(super) fn plan_ranks(&self, budget: u64) -> Result<Vec<Option<usize>>, CalibrateError> {
        let architecture = self.files.architecture();
        let ranks = self.ladder_ranks(budget / architecture.layers as u64);
        let mut ladders = Vec::new();
        for layer in 0..architecture.layers {
            let name = format!("ladder-{layer}");
            if !self.work.has(&name) {
                self.work.write(&name, text(&self.ladder(layer, &ranks)?).as_bytes())?;
            }
            ladders.push(parse(&self.work.read(&name)?));
        }
        Ok(RankPlan::new(&ladders, architecture.most_neurons(), budget, 0.0).ranks)
    }

    /// As `plan_ranks`, but never `None`: even an imprecise first stage leaves less for the second.
    pub(super) fn first_stage_ranks(
        &self,
        budget: u64,
    ) -> Result<Vec<Option<usize>>, CalibrateError> {
        let architecture = self.files.architecture();
        let most = architecture.hidden.min(architecture.most_neurons());
        let even = self.even_rank(budget / architecture.layers as u64) as usize;
        let even = even.clamp(1, most);
        let ranks = self.plan_ranks(budget)?;
        Ok(ranks.into_iter().map(|rank| Some(rank.unwrap_or(even))).collect())
    }

    /// The rank that a layer's share of the budget pays for.
    fn even_rank(&self, layer_budget: u64) -> f64 {
        let architecture = self.files.architecture();
        let (width, neurons) = (architecture.hidden, architecture.most_neurons());
        let one = LowRankGroup::bytes_of(width, neurons, 1);
        let per_rank = (LowRankGroup::bytes_of(width, neurons, 2) - one).max(1);
        layer_budget.saturating_sub(one) as f64 / per_rank as f64
    }

    fn ladder_ranks(&self, layer_budget: u64) -> Vec<usize> {
        let architecture = self.files.architecture();
        let most = architecture.hidden.min(architecture.most_neurons());
        let even = self.even_rank(layer_budget);
        let ranks = LADDER.iter().map(|share| ((even * share) as usize).clamp(1, most));
        let mut ranks: Vec<usize> = ranks.collect();
        ranks.dedup();
        ranks
    }

    fn ladder(&self, layer: usize, ranks: &[usize]) -> Result<Vec<Rung>, CalibrateError> {
        let Training { split, compute, options, .. } = self;
        let mut states = collect::states(self.files, self.work, layer)?;
        let rows = LayerRows::read(self.files, layer, compute)?;
        let deciding = rows.deciding()?;
        let activity = Activity::observe(compute, &deciding, &mut states)?;
        let largest = ranks.last().copied().unwrap_or(1);
        let train = split.train.clone();
        let regression = Regression::fit(compute, &deciding, &mut states, train, largest, SEED)?;
        let held_out = split.held_out.clone();
        let recall = options.recall;
        Ok(regression.ladder(compute, ranks, &mut states, &activity, held_out, recall)?)
    }
}

fn text(ladder: &[Rung]) -> String {
    ladder.iter().map(|rung| format!("{} {} {}\n", rung.rank, rung.bytes, rung.predicted)).collect()
}

/// Reads what `text` wrote; lines that are not rungs do not count.
fn parse(bytes: &[u8]) -> Vec<Rung> {
    let text = String::from_utf8_lossy(bytes);
    let rung = |line: &str| {
        let mut fields = line.split(' ');
        let (rank, bytes) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
        Some(Rung { rank, bytes, predicted: fields.next()?.parse().ok()? })
    };
    text.lines().filter_map(rung).collect()
}
