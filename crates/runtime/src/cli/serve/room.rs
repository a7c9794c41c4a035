//! How long requests may be and how many there are pages for, where nobody says: what leaves most of the memory to weights.

use super::super::args::RunArgs;
use super::super::chat::DEFAULT_CONTEXT;
use flint_engine::{EngineError, OpenModel, Plan, PlannedEngine, RunOptions};
use std::path::Path;

/// Whole contexts to have pages for, and their tokens, from the most to the least. Shorter requests share the pages, so one
/// long context serves more than two short ones.
const LADDER: [(usize, usize); 7] = [
    (4, DEFAULT_CONTEXT),
    (2, DEFAULT_CONTEXT),
    (1, DEFAULT_CONTEXT),
    (1, DEFAULT_CONTEXT / 2),
    (1, DEFAULT_CONTEXT / 4),
    (1, DEFAULT_CONTEXT / 8),
    (1, DEFAULT_CONTEXT / 16),
];

/// Keys and values take at most this part of the memory (a third), where weights would have to stay on flash for them.
const SHARE: u64 = 3;

/// Plans the run with the most that [`SHARE`] allows, else with what fits at all. Gives the number of whole contexts, too.
pub(super) fn prepare(
    model: &Path,
    args: &RunArgs,
    sessions: Option<usize>,
) -> anyhow::Result<(PlannedEngine, usize)> {
    let options = args.options()?;
    let mut rungs: Vec<(usize, usize)> = LADDER
        .iter()
        .map(|&(many, long)| (sessions.unwrap_or(many), options.context.unwrap_or(long)))
        .collect();
    rungs.dedup();
    let plan = |(sequences, needed): (usize, usize)| {
        let options = RunOptions { sequences, ..options.clone() };
        PlannedEngine::new(OpenModel::open(model)?, options, Some(needed))
    };
    let (mut fits, mut refused) = (None, None);
    for rung in rungs {
        match plan(rung) {
            Ok(prepared) if leaves_enough(prepared.plan()) => return Ok((prepared, rung.0)),
            // The smallest that fits: whoever runs with so little memory wants the rest for weights.
            Ok(prepared) => fits = Some((prepared, rung.0)),
            Err(error @ EngineError::BelowFloor { .. }) => refused = Some(error),
            Err(other) => return Err(other.into()),
        }
    }
    match (fits, refused) {
        (Some(found), _) => Ok(found),
        (None, Some(error)) => Err(error.into()),
        (None, None) => unreachable!("there is a rung"),
    }
}

fn leaves_enough(plan: &Plan) -> bool {
    plan.all_resident || plan.kv_bytes * SHARE <= plan.available_bytes
}
