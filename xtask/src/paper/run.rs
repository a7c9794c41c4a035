//! One run of one variant over the teacher-forced tokens of a bundle.

use super::PaperArgs;
use super::variants::Variant;
use crate::synth::teacher_forced_tokens;
use anyhow::Context;
use runtime::{Lesson, Mode, ModelFiles, Prepared, Rates, RunOptions, Stats, Work, teacher_force};
use std::path::Path;

/// Tokens of the prompt, and tokens that fill the caches before anything is counted.
const PROMPT: usize = 8;
const WARM_UP: usize = 12;

/// Dense variants take the same time for every token: this share of the tokens is enough, as a divisor.
const DENSE_SHARE: usize = 8;

/// What a run gave.
#[derive(Debug, Clone)]
pub(super) struct RunResult {
    pub(super) stats: Stats,
    pub(super) work: Work,
    pub(super) rates: Option<Rates>,
}

pub(super) fn run(args: &PaperArgs, bundle: &Path, variant: &Variant) -> anyhow::Result<RunResult> {
    let dense = variant.mode == Mode::Exact;
    let (warm_up, counted) = match dense {
        true => (1, (args.tokens / DENSE_SHARE).max(2)),
        false => (WARM_UP, args.tokens),
    };
    let tokens = teacher_forced_tokens(bundle, PROMPT + warm_up + counted)?;
    let lesson = Lesson {
        prompt: tokens[..PROMPT].to_vec(),
        warm_up: tokens[PROMPT..PROMPT + warm_up].to_vec(),
        tokens: tokens[PROMPT + warm_up..].to_vec(),
    };
    let options = RunOptions {
        memory: args.memory,
        mode: Some(variant.mode),
        policy: variant.policy,
        ablation: variant.ablation,
        guesses: variant.guesses,
        measure: true,
        ..RunOptions::default()
    };
    let prepared = Prepared::new(ModelFiles::open(bundle)?, options, Some(tokens.len()))?;
    let (work, rates) = (prepared.work().clone(), prepared.rates().copied());
    let mut engine = prepared.load(&mut |_, _| {})?;
    let stats = teacher_force(&mut engine, &lesson, &mut |_| {}).context(variant.name)?;
    Ok(RunResult { stats, work, rates })
}
