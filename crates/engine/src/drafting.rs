//! Drafts on an engine: the pass that computes a draft exactly, and what of it is taken.

mod rough;

use crate::draft::{Clock, Cost, DraftRequest, DraftState, Round, Tried};
use crate::engine::Engine;
use crate::{CancelToken, EngineError, Sequence};
use flint_kernels::KernelError;
use flint_model::Batch;
use rough::RoughEngine;
use std::time::Duration;

/// A pass that may compute drafts, from the drafts on. Ends with [`Engine::end_drafted`].
#[derive(Debug)]
#[must_use = "what passes take decides on drafts"]
pub struct DraftedPass(Option<Begun>);

#[derive(Debug)]
struct Begun {
    texts: usize,
    round: Round,
    drafting: Cost,
    clock: Clock,
}

/// How a text goes on.
pub(crate) struct Next<'a> {
    /// The token that was chosen last and is not fed yet.
    pub(crate) token: u32,
    /// Most tokens that may be drafted after it.
    pub(crate) most: usize,
    /// Chooses the token after `token` and as many others as its second argument says.
    pub(crate) choose: &'a mut dyn FnMut(&[f32], usize) -> u32,
    pub(crate) state: &'a mut DraftState,
}

impl Engine {
    /// Whether there is anybody to draft.
    pub fn drafts(&self) -> bool {
        self.drafter.is_some()
    }

    /// Drafts what seems to pay for each of `requests`, in their lists of drafted tokens, which may stay empty. The pass
    /// that computes their next tokens with these comes next.
    ///
    /// # Errors
    /// When `cancel` asks for the end.
    pub fn draft(
        &mut self,
        requests: &mut [DraftRequest<'_>],
        cancel: &CancelToken,
    ) -> Result<DraftedPass, EngineError> {
        cancel.check()?;
        let Some(mut drafter) = self.drafter.take() else { return Ok(DraftedPass(None)) };
        let clock = Clock::start();
        let round = drafter.propose(&mut RoughEngine { engine: self, cancel }, requests);
        self.drafter = Some(drafter);
        let round = round?;
        let spent = if round.drafted > 0 { clock.cost() } else { Cost::default() };
        let drafting = (spent - round.prepared).at_least(Cost::default());
        self.draft_effort.drafting += Duration::from_secs_f64(spent.wall);
        self.draft_effort.drafted += round.drafted as u64;
        let clock = if round.drafted > 0 { Clock::start() } else { clock };
        Ok(DraftedPass(Some(Begun { texts: requests.len(), round, drafting, clock })))
    }

    /// The draft of a text was computed, and its first `accepted` tokens were taken.
    pub fn judge_draft(&mut self, state: &mut DraftState, accepted: usize) {
        self.draft_effort.accepted += accepted as u64;
        if let Some(drafter) = &mut self.drafter {
            drafter.judged(state, accepted);
        }
    }

    /// The pass is over, logits included; `tokens` came of it.
    pub fn end_drafted(&mut self, pass: DraftedPass, tokens: usize) {
        let (Some(begun), Some(drafter)) = (pass.0, &mut self.drafter) else { return };
        let Begun { texts, round, drafting, clock } = begun;
        let rows = texts + round.drafted;
        let (rounds, kind) = (round.longest, round.kind);
        let pass = clock.cost();
        drafter.took(&Tried { texts, rows, tokens, pass, drafting, rounds, kind });
    }

    /// Goes on with a sequence: feeds the token that was chosen last, and those of a draft that turn out to be what is
    /// chosen. Gives the tokens that follow, one at least; all but the last of them are fed.
    ///
    /// # Errors
    /// As for [`Engine::feed`]. The sequence is as before then.
    pub(crate) fn go_on(
        &mut self,
        sequence: &mut Sequence,
        next: Next<'_>,
        cancel: &CancelToken,
    ) -> Result<Vec<u32>, EngineError> {
        let Next { token, most, choose, state } = next;
        let (pass, drafted) = {
            let mut request = DraftRequest {
                seq: sequence.id(),
                fed: sequence.tokens(),
                next: token,
                most,
                state: &mut *state,
                choose: Box::new(&mut *choose),
                drafted: Vec::new(),
            };
            let pass = self.draft(std::slice::from_mut(&mut request), cancel)?;
            (pass, request.drafted)
        };
        let mut chosen = self.verify(sequence, token, &drafted, choose, cancel);
        if chosen.as_ref().is_err_and(|error| !drafted.is_empty() && is_of_a_row(error)) {
            // It may be a drafted row that nobody would have computed.
            chosen = self.verify(sequence, token, &[], choose, cancel);
        }
        let chosen = chosen?;
        self.judge_draft(state, chosen.len() - 1);
        self.end_drafted(pass, chosen.len());
        Ok(chosen)
    }

    /// Feeds a token and a draft after it in one pass, and takes back of the draft what is not chosen.
    fn verify(
        &mut self,
        sequence: &mut Sequence,
        token: u32,
        drafted: &[u32],
        choose: &mut dyn FnMut(&[f32], usize) -> u32,
        cancel: &CancelToken,
    ) -> Result<Vec<u32>, EngineError> {
        let before = sequence.len();
        let tokens = [&[token], drafted].concat();
        let batch = Batch::new(sequence.rows(&tokens, |_| true))?;
        let output = self.step(&batch, cancel)?;
        sequence.extend(&tokens);
        let mut chosen = Vec::with_capacity(tokens.len());
        let given = self.logits_while(&output, cancel, &mut |row, logits| {
            let token = choose(logits, row);
            chosen.push(token);
            // What was drafted after another token has nothing to say.
            if drafted.get(row) == Some(&token) { row + 1 } else { usize::MAX }
        });
        self.truncate(sequence, before + if given.is_ok() { chosen.len() } else { 0 });
        given.map(|()| chosen)
    }
}

/// Whether an error may come of a single row, not of what a pass reads.
pub(crate) fn is_of_a_row(error: &EngineError) -> bool {
    match error {
        EngineError::InPass { cause, .. } => is_of_a_row(cause),
        EngineError::KeyTooLarge { .. } => true,
        EngineError::Kernel(error) => {
            matches!(error, KernelError::KvOverflow { .. } | KernelError::KvPagesExhausted { .. })
        }
        _ => false,
    }
}
