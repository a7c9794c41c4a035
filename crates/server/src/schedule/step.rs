//! A pass over rows of many requests: drafts before it, and the tokens that are chosen after it.

use super::job::Ended;
use super::running::{Running, Step};
use flint_engine::{CancelToken, DraftedPass, Engine, EngineError, MOST_DRAFTED};
use flint_kernels::SeqId;
use flint_model::{Batch, Row};

/// A request's rows in a pass.
pub(super) struct Part {
    /// Which of those that are running.
    pub(super) at: usize,
    pub(super) rows: Vec<Row>,
    /// Whether it is the next token of an answer, with a draft after it perhaps, not a part of a prompt.
    pub(super) answers: bool,
}

/// How a request ended.
pub(super) enum Outcome {
    Ended(Ended),
    Failed(String),
}

/// What a pass gave.
pub(super) struct Done {
    pub(super) over: Vec<(usize, Outcome)>,
    /// Tokens that were chosen.
    pub(super) tokens: usize,
}

impl Part {
    /// Whether it has a draft.
    pub(super) fn is_drafted(&self) -> bool {
        self.answers && self.rows.len() > 1
    }
}

/// Adds drafts to the parts of a pass of answers alone, as far as there are rows for them; beside prompts nobody waits for
/// more than one token.
pub(super) fn draft(
    engine: &mut Engine,
    running: &mut [Running<'_>],
    parts: &mut [Part],
    cancel: &CancelToken,
) -> Result<Option<DraftedPass>, EngineError> {
    if !engine.drafts() || parts.iter().any(|part| !part.answers) {
        return Ok(None);
    }
    let room = engine.plan().chunk.saturating_sub(parts.len()) / parts.len().max(1);
    let most = room.min(MOST_DRAFTED);
    let mut drafted: Vec<(usize, Vec<u32>)> = Vec::new();
    let pass = {
        let asking = running.iter_mut().enumerate();
        let asking = asking.filter(|(at, _)| parts.iter().any(|part| part.at == *at));
        let asking = asking.filter_map(|(at, running)| Some((at, running.draft_request(most)?)));
        let (places, mut requests): (Vec<usize>, Vec<_>) = asking.unzip();
        let pass = engine.draft(&mut requests, cancel)?;
        let lists = requests.into_iter().map(|request| request.drafted);
        drafted.extend(places.into_iter().zip(lists));
        pass
    };
    for (at, tokens) in drafted.into_iter().filter(|(_, tokens)| !tokens.is_empty()) {
        let part = parts.iter_mut().find(|part| part.at == at);
        if let (Some(part), Some(next)) = (part, running[at].next()) {
            part.rows = running[at].drafted_rows(next, &tokens);
        }
    }
    Ok(Some(pass))
}

/// Computes the rows and chooses the tokens after them. Of a draft those stay that are chosen.
pub(super) fn step(
    engine: &mut Engine,
    running: &mut [Running<'_>],
    parts: &[Part],
    cancel: &CancelToken,
) -> Result<Done, EngineError> {
    let batch = Batch::new(parts.iter().flat_map(|part| part.rows.iter().copied()).collect())?;
    let gone = |seq: SeqId| {
        let of = parts.iter().find(|part| running[part.at].sequence.id() == seq);
        of.is_some_and(|part| running[part.at].gone.is_gone())
    };
    let output = engine.step_while(&batch, cancel, &mut |seq| !gone(seq))?;
    let stays = |running: &Running<'_>| !output.left_out().contains(&running.sequence.id());
    for part in parts {
        let running = &mut running[part.at];
        if stays(running) {
            running.fed(&part.rows);
        }
    }
    // The part that each row of the batch belongs to, and where that part ends.
    let (mut owners, mut ends) = (Vec::new(), Vec::new());
    for (index, part) in parts.iter().enumerate() {
        let end = owners.len() + part.rows.len();
        owners.resize(end, index);
        ends.resize(end, end);
    }
    let mut waiting: Vec<usize> = output.rows().iter().map(|&row| owners[row]).collect();
    let mut done = Done { over: Vec::new(), tokens: 0 };
    let mut chosen = vec![0; parts.len()];
    let computed = engine.logits_while(&output, cancel, &mut |row, logits| {
        let index = owners[row];
        let at = parts[index].at;
        waiting.retain(|&other| other != index);
        chosen[index] += 1;
        done.tokens += 1;
        match running[at].choose(logits) {
            Step::GoesOn => {
                let drafted = batch.rows().get(row + 1).filter(|_| row + 1 < ends[row]);
                let right = drafted.is_some_and(|next| running[at].next() == Some(next.token));
                return if right { row + 1 } else { ends[row] };
            }
            Step::Over(ended) => done.over.push((at, Outcome::Ended(ended))),
            Step::Failed(why) => done.over.push((at, Outcome::Failed(why))),
        }
        ends[row]
    });
    for (part, chosen) in parts.iter().zip(chosen) {
        let running = &mut running[part.at];
        if part.answers && stays(running) {
            // The token before the draft was certain, whatever became of its logits.
            running.judge_draft(engine, &part.rows, usize::max(chosen, 1));
        }
    }
    match computed {
        Ok(()) | Err(EngineError::Cancelled) => {}
        // The rows are computed and cannot be taken back for a second try.
        Err(error) => {
            waiting.dedup();
            let failed = waiting.into_iter().map(|index| parts[index].at);
            done.over.extend(failed.map(|at| (at, Outcome::Failed(error.to_string()))));
        }
    }
    Ok(done)
}
