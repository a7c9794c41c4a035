//! A given text read one token at a time, by the path that generation takes: what a run costs when what comes next
//! is known, and a model that repeats itself cannot flatter the cache.

use crate::engine::Engine;
use crate::stats::{Phases, Stats};
use crate::{CancelToken, EngineError, Sequence};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// What is read.
#[derive(Debug, Clone)]
pub struct ForcedDecode {
    /// Read first as a prompt, in chunks; at least one token.
    pub prompt: Vec<u32>,
    /// Then these one by one, which fill the caches and are not counted.
    pub warm_up: Vec<u32>,
    /// Then these one by one, or with drafts: the decode phase of the statistics.
    pub tokens: Vec<u32>,
    /// Drafts as somebody might make them who is right now and then.
    pub drafts: Option<ForcedDrafts>,
}

/// Drafts that cost nothing to make: after each token some more share its pass. Those of the text stay; from the first
/// wrong one on, which is a token of elsewhere in the text, they are computed and taken back.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ForcedDrafts {
    /// Tokens of a draft.
    pub tokens: usize,
    /// Probability that a token is right where the one before it is, from 0 to 1.
    pub share: f64,
}

impl ForcedDrafts {
    /// How many tokens of a draft are right.
    fn right(&self, random: &mut ChaCha8Rng) -> usize {
        let right = || f64::from(random.next_u32()) < self.share * f64::from(u32::MAX);
        std::iter::repeat_with(right).take(self.tokens).take_while(|&right| right).count()
    }
}

/// Reads a lesson. `listen` hears how many tokens were counted so far.
///
/// # Errors
/// When the prompt is empty, the context too short or a token unknown, or when a read fails.
pub fn teacher_force(
    engine: &mut Engine,
    lesson: &ForcedDecode,
    listen: &mut dyn FnMut(usize),
) -> Result<Stats, EngineError> {
    if lesson.prompt.is_empty() {
        return Err(EngineError::EmptyPrompt);
    }
    let cancel = CancelToken::default();
    engine.with_sequence(|engine, sequence| {
        let start = engine.mark();
        engine.feed(sequence, &lesson.prompt, &cancel, &mut |_| {})?;
        let prefill = engine.since(&start, lesson.prompt.len() as u64);
        for &token in &lesson.warm_up {
            engine.feed(sequence, &[token], &cancel, &mut |_| {})?;
        }
        let mark = engine.mark();
        match lesson.drafts {
            Some(drafts) => read_with_drafts(engine, sequence, &lesson.tokens, drafts, listen)?,
            None => {
                for (fed, &token) in lesson.tokens.iter().enumerate() {
                    engine.feed(sequence, &[token], &cancel, &mut |_| {})?;
                    listen(fed + 1);
                }
            }
        }
        let decode = engine.since(&mark, lesson.tokens.len() as u64);
        let first_token = prefill.time;
        let mut stats = engine.setting().stats(&Phases { prefill, first_token, decode });
        stats.forecast = engine.forecast_report(&stats);
        Ok(stats)
    })
}

/// Reads tokens that share their passes with drafts, all logits included.
fn read_with_drafts(
    engine: &mut Engine,
    sequence: &mut Sequence,
    tokens: &[u32],
    drafts: ForcedDrafts,
    listen: &mut dyn FnMut(usize),
) -> Result<(), EngineError> {
    let cancel = CancelToken::default();
    let mut random = ChaCha8Rng::seed_from_u64(0);
    let mut fed = 0;
    while fed < tokens.len() {
        let drafted = drafts.tokens.min(tokens.len() - fed - 1);
        let right = drafts.right(&mut random).min(drafted);
        let elsewhere = (0..drafted - right).map(|index| (fed + right + 1 + index) * 7 + 3);
        let wrong = elsewhere.map(|place| tokens[place % tokens.len()]);
        let rows: Vec<u32> = tokens[fed..=fed + right].iter().copied().chain(wrong).collect();
        let before = sequence.len();
        engine.feed_all(sequence, &rows, &cancel, &mut |_| {})?;
        engine.truncate(sequence, before + 1 + right);
        engine.draft_effort.drafted += drafted as u64;
        engine.draft_effort.accepted += right as u64;
        fed += 1 + right;
        listen(fed);
    }
    Ok(())
}
