//! Everybody who may draft, and who does for which text.

use super::estimator::{Decision, Wish};
use super::lookup::Lookup;
use super::substitute::Substitute;
use super::{
    Clock, Cost, Draft, DraftChoice, DraftRequest, DraftState, Estimator, Host, Kind, Proposal,
    Tried,
};
use crate::EngineError;
use flint_kernels::SeqId;

/// Those who draft for the texts of one engine.
pub(crate) struct Drafter {
    sources: Vec<Box<dyn Draft>>,
    estimator: Estimator,
}

/// What a round of drafts was.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Round {
    /// Tokens that were drafted.
    pub(crate) drafted: usize,
    /// The longest draft, and of what kind it is.
    pub(crate) longest: usize,
    pub(crate) kind: Option<Kind>,
    /// What it took to take in texts before they were drafted for.
    pub(crate) prepared: Cost,
}

impl Drafter {
    /// Those that were asked for and are there; `None` where nobody drafts. `copies` says whether there are low-bit copies of
    /// what is streamed, `model` is one that drafts, and `fixed` how many tokens each draft has, where that is not left to what pays.
    pub(crate) fn new(
        choice: &DraftChoice,
        copies: bool,
        model: Option<Box<dyn Draft>>,
        fixed: Option<usize>,
    ) -> Option<Drafter> {
        let mut sources: Vec<Box<dyn Draft>> = Vec::new();
        if matches!(choice, DraftChoice::Auto | DraftChoice::Lookup) {
            sources.push(Box::new(Lookup));
        }
        if copies {
            sources.push(Box::new(Substitute));
        }
        if let Some(model) = model {
            sources.push(model);
        }
        let obeyed = matches!(choice, DraftChoice::Substitute | DraftChoice::Model);
        let estimator = Estimator::new(fixed, obeyed);
        (!sources.is_empty()).then_some(Drafter { sources, estimator })
    }

    /// Drafts what seems to pay. A draft that fails is no draft: the text goes on without.
    ///
    /// # Errors
    /// When the end was asked for.
    pub(crate) fn propose(
        &mut self,
        host: &mut dyn Host,
        requests: &mut [DraftRequest<'_>],
    ) -> Result<Round, EngineError> {
        let decisions = self.decide(requests);
        let mut round = Round::default();
        for (index, source) in self.sources.iter_mut().enumerate() {
            let decided = requests.iter_mut().zip(&decisions);
            let own = decided.filter_map(|(request, decision)| {
                let decision = decision.filter(|decision| decision.source == index)?;
                Some(Proposal { request, tokens: decision.tokens })
            });
            let mut own: Vec<Proposal<'_, '_>> = own.collect();
            if own.is_empty() {
                continue;
            }
            let clock = Clock::start();
            let prepared = source.prepare(host, &mut own);
            round.prepared = round.prepared + clock.cost();
            match prepared.and_then(|()| source.propose(host, &mut own)) {
                Ok(()) => {}
                Err(EngineError::Cancelled) => return Err(EngineError::Cancelled),
                Err(error) => {
                    tracing::warn!(%error, "a draft failed");
                    own.iter_mut().for_each(|proposal| proposal.request.drafted.clear());
                }
            }
        }
        for (request, decision) in requests.iter_mut().zip(decisions) {
            let drafted = request.drafted.len();
            let kind = decision.map(|decision| decision.kind).filter(|_| drafted > 0);
            request.state.open = kind.map(|kind| (kind, drafted));
            round.drafted += drafted;
            if drafted > round.longest {
                (round.longest, round.kind) = (drafted, kind);
            }
        }
        Ok(round)
    }

    fn decide(&mut self, requests: &mut [DraftRequest<'_>]) -> Vec<Option<Decision>> {
        let mut offers = Vec::with_capacity(requests.len());
        for request in requests.iter_mut() {
            request.drafted.clear();
            request.state.open = None;
            let sources = self.sources.iter_mut().enumerate();
            let own = sources.filter(|_| request.most > 0).filter_map(|(index, source)| {
                Some((index, source.offer(request.fed, request.next)?))
            });
            offers.push(own.collect());
        }
        let wishes = requests.iter().zip(offers).map(|(request, offers)| Wish {
            state: &*request.state,
            offers,
            most: request.most,
        });
        self.estimator.decide(&wishes.collect::<Vec<_>>())
    }

    /// A sequence has ended.
    pub(crate) fn ended(&mut self, seq: SeqId) {
        self.sources.iter_mut().for_each(|source| source.ended(seq));
    }

    /// The draft of a text was computed, and its first `accepted` tokens were right.
    pub(crate) fn judged(&mut self, state: &mut DraftState, accepted: usize) {
        self.estimator.judged(state, accepted);
    }

    /// What a pass took.
    pub(crate) fn took(&mut self, tried: &Tried) {
        self.estimator.took(tried);
    }
}
