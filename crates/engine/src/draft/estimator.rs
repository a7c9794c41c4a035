//! How many tokens are drafted: what gives most tokens per second, by what passes, drafts and their acceptance were in
//! this run. What is not known to pay is tried now and then, within a share of the time.

use super::acceptance::{Acceptance, expected_tokens};
use super::costs::{Cost, Mean, PassCosts};
use super::{DraftState, KINDS, Kind, MOST_DRAFTED, Offer};

/// How much faster a pass with drafts must be than one without: below this it is noise.
const MARGIN: f64 = 1.05;

/// Judged tokens from which on an acceptance is known.
const KNOWN: f64 = 4.0;

/// What trials may cost: this share of all passes, and these passes at the beginning.
const TRIAL_SHARE: f64 = 0.008;
const TRIAL_PASSES: f64 = 1.5;

/// Passes of which trials may take their share at once.
const REMEMBERED: f64 = 500.0;

/// Tokens of a trial of what did not pay of late.
const TRIAL_TOKENS: usize = 2;

/// Passes with drafts between two without: what those take may have changed.
const PLAIN_EVERY: usize = 32;

/// What one text could have drafted.
pub(crate) struct Wish<'a> {
    pub(crate) state: &'a DraftState,
    /// By source.
    pub(crate) offers: Vec<(usize, Offer)>,
    /// Most tokens.
    pub(crate) most: usize,
}

/// A decision: by which source, as what, and how many tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Decision {
    pub(crate) source: usize,
    pub(crate) kind: Kind,
    pub(crate) tokens: usize,
}

/// What a pass was and what it took.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Tried {
    /// Texts that went on.
    pub(crate) texts: usize,
    /// Rows computed exactly.
    pub(crate) rows: usize,
    /// Tokens that came of it.
    pub(crate) tokens: usize,
    /// The pass.
    pub(crate) pass: Cost,
    /// The drafts before it, and the longest of them, in tokens.
    pub(crate) drafting: Cost,
    pub(crate) rounds: usize,
    /// Of what kind that was.
    pub(crate) kind: Option<Kind>,
}

/// Decides.
#[derive(Debug, Default)]
pub(crate) struct Estimator {
    /// As many as this, always.
    fixed: Option<usize>,
    /// Somebody asked for drafts by name: at least one.
    obeyed: bool,
    costs: PassCosts,
    /// Of one drafted token of every text.
    drafting: [Mean; KINDS],
    /// Of all texts.
    kinds: [Acceptance; KINDS],
    /// What all passes took, and what trials lost.
    total: Cost,
    lost: Cost,
    /// Whether the pass that was decided on last has a trial.
    trial: bool,
    since_plain: usize,
}

impl Estimator {
    pub(crate) fn new(fixed: Option<usize>, obeyed: bool) -> Estimator {
        Estimator { fixed, obeyed, ..Estimator::default() }
    }

    /// Decides for every text of a pass.
    pub(crate) fn decide(&mut self, wishes: &[Wish<'_>]) -> Vec<Option<Decision>> {
        self.trial = false;
        if let Some(tokens) = self.fixed {
            return wishes.iter().map(|wish| wish.first(tokens)).collect();
        }
        let plain = self.costs.of(wishes.len());
        let Some(plain) = plain.filter(|_| self.obeyed || self.since_plain < PLAIN_EVERY) else {
            let tokens = if self.obeyed { MOST_DRAFTED / 2 } else { 0 };
            return wishes.iter().map(|wish| wish.first(tokens)).collect();
        };
        let mut pass = Planned {
            rows: wishes.len(),
            tokens: wishes.len() as f64,
            drafting: Cost::default(),
            time: plain,
        };
        let mut decisions = Vec::with_capacity(wishes.len());
        for wish in wishes {
            let found = self.best(wish, &pass, plain).or_else(|| self.another_try(wish, &pass));
            if let Some((_, planned)) = found {
                pass = planned;
            }
            decisions.push(found.map(|(decision, _)| decision));
        }
        decisions
    }

    /// The fastest way for one text, beside what was decided for others.
    fn best(
        &mut self,
        wish: &Wish<'_>,
        pass: &Planned,
        plain: Cost,
    ) -> Option<(Decision, Planned)> {
        let least = if self.obeyed { 0.0 } else { pass.speed() * MARGIN };
        let mut best: Option<(Decision, Planned)> = None;
        for &(source, offer) in &wish.offers {
            for tokens in 1..=offer.most.min(wish.most) {
                let decision = Decision { source, kind: offer.kind, tokens };
                let planned = self.with(wish, pass, decision);
                if planned.speed() > best.as_ref().map_or(least, |(_, best)| best.speed()) {
                    best = Some((decision, planned));
                }
            }
        }
        let (decision, planned) = best?;
        let known = self.kinds[decision.kind.0].judged().max(wish.seen(decision.kind));
        // Copies were planned because they are expected to pay, and have been paid for.
        if known < KNOWN && !self.obeyed && decision.kind != Kind::SUBSTITUTE {
            if !self.may_try(planned.time - pass.time, plain) {
                return None;
            }
            self.trial = true;
        }
        Some((decision, planned))
    }

    /// A short draft by whoever did not pay of late.
    fn another_try(&mut self, wish: &Wish<'_>, pass: &Planned) -> Option<(Decision, Planned)> {
        let plain = self.costs.of(1)?;
        let &(source, offer) = wish.offers.first()?;
        let tokens = TRIAL_TOKENS.min(offer.most).min(wish.most);
        let decision = Decision { source, kind: offer.kind, tokens };
        let planned = self.with(wish, pass, decision);
        let may = tokens > 0 && !self.trial && self.may_try(planned.time - pass.time, plain);
        self.trial |= may;
        may.then_some((decision, planned))
    }

    /// Whether there is time for a trial that costs as much as this more.
    fn may_try(&self, more: Cost, plain: Cost) -> bool {
        let allowed = plain * TRIAL_PASSES + self.total * TRIAL_SHARE - self.lost;
        more.is_within(allowed)
    }

    fn with(&self, wish: &Wish<'_>, pass: &Planned, decision: Decision) -> Planned {
        let Decision { kind, tokens, .. } = decision;
        let share = self.share(wish.state, kind);
        let unknown = || self.costs.of(1).unwrap_or_default() * kind.cost();
        let each = self.drafting[kind.0].get().unwrap_or_else(unknown);
        let rows = pass.rows + tokens;
        let drafting = pass.drafting.at_least(each * tokens as f64);
        let time = self.costs.of(rows).unwrap_or_default() + drafting;
        Planned { rows, tokens: pass.tokens - 1.0 + expected_tokens(share, tokens), drafting, time }
    }

    /// The share of drafted tokens that will be right.
    fn share(&self, state: &DraftState, kind: Kind) -> f64 {
        state.kinds[kind.0].share(self.kinds[kind.0].share(kind.prior()))
    }

    /// The draft of a text was computed, and its first `accepted` tokens were right.
    pub(crate) fn judged(&mut self, state: &mut DraftState, accepted: usize) {
        if let Some((kind, drafted)) = state.open.take() {
            self.kinds[kind.0].saw(drafted, accepted);
            state.kinds[kind.0].saw(drafted, accepted);
        }
    }

    /// What a pass took.
    pub(crate) fn took(&mut self, tried: &Tried) {
        let Tried { texts, rows, tokens, pass, drafting, rounds, kind } = *tried;
        let drafted = rows > texts;
        self.since_plain = if drafted { self.since_plain + 1 } else { 0 };
        if let (Some(kind), true) = (kind, rounds > 0) {
            self.drafting[kind.0].saw(drafting * (1.0 / rounds as f64));
        }
        let plain = self.costs.of(texts);
        self.costs.saw(rows, pass);
        let Some(plain) = plain else { return };
        self.total = (self.total + pass + drafting).at_most(plain * REMEMBERED);
        if self.trial && drafted {
            let worth = plain * (tokens as f64 / texts.max(1) as f64);
            self.lost = (self.lost + pass + drafting - worth).at_least(Cost::default());
        }
    }
}

/// A pass as it would be.
#[derive(Debug, Clone, Copy)]
struct Planned {
    rows: usize,
    tokens: f64,
    drafting: Cost,
    /// Drafts included.
    time: Cost,
}

impl Planned {
    /// Tokens per second.
    fn speed(&self) -> f64 {
        self.tokens / self.time.wall.max(f64::MIN_POSITIVE)
    }
}

impl Wish<'_> {
    /// The first offer, with as many tokens.
    fn first(&self, tokens: usize) -> Option<Decision> {
        let &(source, offer) = self.offers.first()?;
        let tokens = tokens.min(offer.most).min(self.most);
        (tokens > 0).then_some(Decision { source, kind: offer.kind, tokens })
    }

    fn seen(&self, kind: Kind) -> f64 {
        self.state.kinds[kind.0].judged()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A machine, and a text of which each drafted token is right with a fixed share.
    struct Machine {
        /// Seconds of a pass, of each row more, and of a token drafted with a model.
        pass: f64,
        row: f64,
        draft: f64,
    }

    /// Runs `passes` passes and tells tokens per second over those without drafts, and tokens per pass.
    fn run(
        machine: &Machine,
        kind: Kind,
        right: impl Fn(usize) -> bool,
        passes: usize,
    ) -> (f64, f64) {
        let (mut estimator, mut state) = (Estimator::new(None, false), DraftState::default());
        let (mut tokens, mut time) = (0, 0.0);
        for turn in 0..passes {
            let offers = vec![(0, Offer { kind, most: MOST_DRAFTED })];
            let wish = Wish { state: &state, offers, most: MOST_DRAFTED };
            let decided = estimator.decide(&[wish])[0];
            let drafted = decided.map_or(0, |it| it.tokens);
            state.open = decided.map(|it| (it.kind, it.tokens));
            let accepted = (0..drafted).take_while(|&i| right(turn * 7 + i * 3)).count();
            estimator.judged(&mut state, accepted);
            let both = |wall: f64| Cost { wall, cpu: wall };
            let pass = machine.pass + machine.row * drafted as f64;
            let drafting = machine.draft * drafted as f64;
            estimator.took(&Tried {
                texts: 1,
                rows: 1 + drafted,
                tokens: 1 + accepted,
                pass: both(pass),
                drafting: both(drafting),
                rounds: drafted,
                kind: decided.map(|it| it.kind),
            });
            tokens += 1 + accepted;
            time += pass + drafting;
        }
        (tokens as f64 * machine.pass / time, tokens as f64 / passes as f64)
    }

    const STREAMED: Machine = Machine { pass: 0.1, row: 0.004, draft: 0.01 };
    const RESIDENT: Machine = Machine { pass: 0.01, row: 0.004, draft: 0.0 };

    #[test]
    fn drafts_that_are_right_are_made_long_and_those_that_are_wrong_not_at_all() {
        let (gain, per_pass) = run(&STREAMED, Kind::SUBSTITUTE, |i| i % 10 != 0, 300);
        assert!(gain > 2.0 && per_pass > 3.5, "{gain} {per_pass}");
        for kind in (0..KINDS).map(Kind) {
            for machine in [&STREAMED, &RESIDENT] {
                let (gain, _) = run(machine, kind, |_| false, 300);
                assert!(gain > 0.98, "{kind:?}: {gain}");
            }
        }
    }

    #[test]
    fn rows_that_cost_more_than_they_bring_are_left_out() {
        // A third of a pass for each row, and every second token is right.
        let dear = Machine { pass: 0.01, row: 0.008, draft: 0.0 };
        let (gain, per_pass) = run(&dear, Kind(1), |i| i % 2 == 0, 400);
        assert!(gain > 0.97 && per_pass < 1.1, "{gain} {per_pass}");
        let cheap = Machine { row: 0.001, ..dear };
        assert!(run(&cheap, Kind(1), |i| i % 2 == 0, 400).0 > 1.2);
    }

    #[test]
    fn what_did_not_pay_is_tried_again() {
        // Wrong for a long time, right from then on.
        let (gain, _) = run(&STREAMED, Kind(0), |i| i > 7 * 200, 1000);
        assert!(gain > 2.0, "{gain}");
    }

    #[test]
    fn who_asks_for_a_number_or_by_name_is_obeyed() {
        let state = DraftState::default();
        let offer = Offer { kind: Kind::SUBSTITUTE, most: 6 };
        let wish = |most| [Wish { state: &state, offers: vec![(3, offer)], most }];
        let tokens = |estimator: &mut Estimator, most| {
            estimator.decide(&wish(most))[0].map_or(0, |decision| decision.tokens)
        };
        let mut fixed = Estimator::new(Some(8), false);
        assert_eq!([9, 3, 0].map(|most| tokens(&mut fixed, most)), [6, 3, 0]);
        assert_eq!(tokens(&mut Estimator::new(None, true), 9), 4);
        assert_eq!(tokens(&mut Estimator::new(None, false), 9), 0, "nothing is known yet");
    }
}
