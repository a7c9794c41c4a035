//! A given text read one token at a time, by the path that generation takes: what a run costs when what comes next
//! is known, and a model that repeats itself cannot flatter the cache.

use crate::engine::Engine;
use crate::stats::{Phases, Stats};
use crate::{CancelToken, EngineError};

/// What is read.
#[derive(Debug, Clone)]
pub struct ForcedDecode {
    /// Read first as a prompt, in chunks; at least one token.
    pub prompt: Vec<u32>,
    /// Then these one by one, which fill the caches and are not counted.
    pub warm_up: Vec<u32>,
    /// Then these one by one: the decode phase of the statistics.
    pub tokens: Vec<u32>,
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
        for (fed, &token) in lesson.tokens.iter().enumerate() {
            engine.feed(sequence, &[token], &cancel, &mut |_| {})?;
            listen(fed + 1);
        }
        let decode = engine.since(&mark, lesson.tokens.len() as u64);
        let first_token = prefill.time;
        let mut stats = engine.setting().stats(&Phases { prefill, first_token, decode });
        stats.forecast = engine.forecast_report(&stats);
        Ok(stats)
    })
}
