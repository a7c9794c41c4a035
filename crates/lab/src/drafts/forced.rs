//! A text of which a given share of drafted tokens is right: for speed on weights that are random, whose drafts agree by chance.
//!
//! Drafts and passes are computed as always, logits included. Only what is chosen does not follow from them.

use super::TextRun;
use flint_engine::{CancelToken, DraftRequest, DraftState, Engine, EngineError, Sequence};
use flint_model::Batch;
use std::time::Instant;

/// What to run.
#[derive(Debug, Clone, Copy)]
pub struct Forced {
    /// Share of drafted tokens that are right.
    pub share: f64,
    /// Tokens of the text.
    pub number: usize,
}

impl Forced {
    /// Goes on with `prompt`.
    ///
    /// # Errors
    /// When a read fails, or the prompt is too long.
    pub fn run(self, engine: &mut Engine, prompt: &[u32]) -> Result<TextRun, EngineError> {
        engine.with_sequence(|engine, sequence| self.run_on(engine, sequence, prompt))
    }

    fn run_on(
        self,
        engine: &mut Engine,
        sequence: &mut Sequence,
        prompt: &[u32],
    ) -> Result<TextRun, EngineError> {
        let cancel = CancelToken::default();
        engine.feed(sequence, prompt, &cancel, &mut |_| {})?;
        let vocabulary = engine.architecture().vocabulary as u32;
        let right = |place: usize| scatter(place as u64) as u32 % vocabulary;
        let drafted = |place: usize| {
            let wrong = unit(scatter(place as u64 ^ WRONG)) >= self.share;
            (right(place) + u32::from(wrong)) % vocabulary
        };
        let (mut tokens, mut state) = (vec![right(0)], DraftState::default());
        let mut counts = Counts::default();
        let started = Instant::now();
        while tokens.len() < self.number {
            let at = tokens.len();
            let next = tokens[at - 1];
            let before = Instant::now();
            let (pass, draft) = {
                let mut request = DraftRequest {
                    seq: sequence.id(),
                    fed: sequence.tokens(),
                    next,
                    most: (self.number - at - 1).min(engine.plan().chunk - 1),
                    state: &mut state,
                    choose: Box::new(|_, behind| drafted(at + behind)),
                    drafted: Vec::new(),
                };
                let pass = engine.draft(std::slice::from_mut(&mut request), &cancel)?;
                (pass, request.drafted)
            };
            counts.drafting += before.elapsed().as_secs_f64();
            let length = sequence.len();
            let fed = [&[next], draft.as_slice()].concat();
            let output = engine.step(&Batch::new(sequence.rows(&fed, |_| true))?, &cancel)?;
            sequence.extend(&fed);
            let mut chosen = 0;
            engine.logits_while(&output, &cancel, &mut |row, _| {
                chosen += 1;
                if draft.get(row) == Some(&right(at + row)) { row + 1 } else { usize::MAX }
            })?;
            engine.truncate(sequence, length + chosen);
            engine.judge_draft(&mut state, chosen - 1);
            engine.end_drafted(pass, chosen);
            tokens.extend((at..at + chosen).map(right));
            counts.passes += 1;
            counts.drafted += draft.len();
            counts.accepted += chosen - 1;
        }
        let seconds = started.elapsed().as_secs_f64();
        Ok(TextRun {
            tokens,
            seconds,
            cpu_s: 0.0,
            passes: counts.passes,
            acceptance: counts.accepted as f64 / counts.drafted.max(1) as f64,
            drafting_share: counts.drafting / seconds,
        })
    }
}

#[derive(Debug, Default)]
struct Counts {
    passes: u64,
    drafted: usize,
    accepted: usize,
    drafting: f64,
}

/// Another stream of numbers than that of the tokens.
const WRONG: u64 = 0x5eed_0000_0000;

/// The finaliser of splitmix64: numbers that look random, the same in every run.
fn scatter(place: u64) -> u64 {
    let mut z = place.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// From 0 to below 1.
fn unit(number: u64) -> f64 {
    (number >> 11) as f64 / (1u64 << 53) as f64
}
