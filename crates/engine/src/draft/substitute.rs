//! Drafts by the model itself, with low-bit copies of what is not in memory: it shares all that is, keys and values included.

use super::{Draft, Host, Kind, MOST_DRAFTED, Offer, Proposal};
use crate::EngineError;
use flint_model::Row;

/// Computes roughly what comes next, token by token.
#[derive(Debug, Default)]
pub(crate) struct Substitute;

impl Draft for Substitute {
    fn offer(&mut self, _: &[u32], _: u32) -> Option<Offer> {
        Some(Offer { kind: Kind::SUBSTITUTE, most: MOST_DRAFTED })
    }

    fn propose(
        &mut self,
        host: &mut dyn Host,
        proposals: &mut [Proposal<'_, '_>],
    ) -> Result<(), EngineError> {
        let drafted = draft(host, proposals);
        for Proposal { request, .. } in proposals {
            host.forget(request.seq, request.fed.len());
        }
        drafted
    }
}

/// In each round a token for everybody whose draft is not long enough: rows of all share what is read.
fn draft(host: &mut dyn Host, proposals: &mut [Proposal<'_, '_>]) -> Result<(), EngineError> {
    let rounds = proposals.iter().map(|proposal| proposal.tokens).max().unwrap_or(0);
    for round in 0..rounds {
        let mut going: Vec<&mut Proposal<'_, '_>> =
            proposals.iter_mut().filter(|proposal| proposal.tokens > round).collect();
        let row = |proposal: &&mut Proposal<'_, '_>| {
            let request = &proposal.request;
            let token = request.drafted.last().copied().unwrap_or(request.next);
            let position = request.fed.len() + round;
            Row { seq: request.seq, position, token, wants_logits: true }
        };
        let rows = going.iter().map(row).collect();
        host.rough_pass(rows, &mut |index, logits| {
            let request = &mut going[index].request;
            let token = (request.choose)(logits, round);
            request.drafted.push(token);
        })?;
    }
    Ok(())
}
