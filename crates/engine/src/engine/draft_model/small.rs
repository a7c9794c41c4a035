//! Drafts by a smaller model of the same vocabulary, all of which is in memory. It reads along: for each text that it drafted
//! for it has a sequence of its own.

use crate::draft::{Draft, Host, Kind, MOST_DRAFTED, Offer, Proposal};
use crate::engine::Engine;
use crate::sequence::Sequence;
use crate::{CancelToken, EngineError};
use flint_kernels::SeqId;
use flint_model::Batch;
use std::collections::HashMap;

/// Tokens that it lacks of a text go into one pass with the last of them, up to this many.
const TOGETHER: usize = MOST_DRAFTED;

/// A smaller model.
pub(super) struct SmallModel {
    engine: Engine,
    /// Its sequences, by those that they follow.
    followers: HashMap<SeqId, Sequence>,
    /// Logits as the model that is drafted for has them: tokens that this one lacks are never drafted.
    logits: Vec<f32>,
}

impl SmallModel {
    /// `vocabulary` is that of the model that is drafted for, in tokens.
    pub(super) fn new(engine: Engine, vocabulary: usize) -> SmallModel {
        let logits = vec![f32::NEG_INFINITY; vocabulary];
        SmallModel { engine, followers: HashMap::new(), logits }
    }

    /// The text of a proposal has a sequence that follows it, which is cut to what both begin with.
    fn follow(&mut self, proposal: &Proposal<'_, '_>) {
        let request = &proposal.request;
        let engine = &mut self.engine;
        let sequence = self.followers.entry(request.seq).or_insert_with(|| engine.begin());
        let pairs = sequence.tokens().iter().zip(request.fed);
        let same = pairs.take_while(|(own, fed)| own == fed).count();
        engine.truncate(sequence, same);
    }

    /// Ends the sequences of other texts where there are too few pages for these.
    fn make_room(&mut self, proposals: &[Proposal<'_, '_>]) {
        let page = self.engine.kv_page_tokens();
        let length = |it: &Proposal<'_, '_>| it.request.fed.len() + 1 + it.tokens;
        let needed: usize = proposals.iter().map(|it| length(it).div_ceil(page)).sum();
        let held = proposals.iter().filter_map(|it| self.followers.get(&it.request.seq));
        let held: usize = held.map(|sequence| self.engine.kv_pages_of(sequence)).sum();
        if needed <= held + self.engine.kv_pages_free() {
            return;
        }
        let asked = |seq: &SeqId| proposals.iter().any(|it| it.request.seq == *seq);
        let others: Vec<SeqId> = self.followers.keys().copied().filter(|it| !asked(it)).collect();
        others.into_iter().for_each(|seq| self.ended(seq));
    }

    /// A pass over what the sequences of `going` lack of their texts, and a token more for each.
    fn draft_one(
        &mut self,
        going: &mut [&mut Proposal<'_, '_>],
        round: usize,
        cancel: &CancelToken,
    ) -> Result<(), EngineError> {
        let (mut rows, mut owners) = (Vec::new(), Vec::new());
        for (index, proposal) in going.iter().enumerate() {
            let Some(sequence) = self.followers.get_mut(&proposal.request.seq) else { continue };
            let tokens = lacking(sequence, proposal);
            rows.extend(sequence.rows(&tokens, |row| row + 1 == tokens.len()));
            owners.resize(rows.len(), index);
        }
        let batch = Batch::new(rows)?;
        let output = self.engine.step(&batch, cancel)?;
        for proposal in going.iter() {
            if let Some(sequence) = self.followers.get_mut(&proposal.request.seq) {
                sequence.extend(&lacking(sequence, proposal));
            }
        }
        let known = &mut self.logits;
        self.engine.logits(&output, cancel, &mut |row, logits| {
            let width = logits.len().min(known.len());
            known[..width].copy_from_slice(&logits[..width]);
            let request = &mut going[owners[row]].request;
            let token = (request.choose)(known, round);
            request.drafted.push(token);
        })
    }
}

/// What a sequence lacks of a text and its draft.
fn lacking(sequence: &Sequence, proposal: &Proposal<'_, '_>) -> Vec<u32> {
    let request = &proposal.request;
    let text = request.fed.iter().chain([&request.next]).chain(&request.drafted);
    text.skip(sequence.len()).copied().collect()
}

impl Draft for SmallModel {
    fn offer(&mut self, tokens: &[u32], _: u32) -> Option<Offer> {
        let room = self.engine.plan().context.saturating_sub(tokens.len());
        let most = MOST_DRAFTED.min(room);
        (most > 0).then_some(Offer { kind: Kind::MODEL, most })
    }

    fn prepare(
        &mut self,
        host: &mut dyn Host,
        proposals: &mut [Proposal<'_, '_>],
    ) -> Result<(), EngineError> {
        self.make_room(proposals);
        for proposal in proposals.iter() {
            self.follow(proposal);
            let request = &proposal.request;
            let Some(sequence) = self.followers.get_mut(&request.seq) else { continue };
            let lacking = &request.fed[sequence.len()..];
            if lacking.len() > TOGETHER {
                self.engine.feed(sequence, lacking, host.cancel(), &mut |_| {})?;
            }
        }
        Ok(())
    }

    fn propose(
        &mut self,
        host: &mut dyn Host,
        proposals: &mut [Proposal<'_, '_>],
    ) -> Result<(), EngineError> {
        let rounds = proposals.iter().map(|proposal| proposal.tokens).max().unwrap_or(0);
        for round in 0..rounds {
            let going = proposals.iter_mut().filter(|proposal| proposal.tokens > round);
            self.draft_one(&mut going.collect::<Vec<_>>(), round, host.cancel())?;
        }
        Ok(())
    }

    fn ended(&mut self, seq: SeqId) {
        if let Some(sequence) = self.followers.remove(&seq) {
            self.engine.end(sequence);
        }
    }
}
