//! One run of one variant over the teacher-forced tokens of a bundle.

use super::PaperArgs;
use super::halves::HalvedRecords;
use super::variants::Variant;
use crate::synth::{lesson, prepare, run_prepared};
use anyhow::Context;
use flint_engine::{ForcedDecode, Mode, OpenModel, Rates, RunOptions, Stats, SystemFiles, Work};
use std::path::Path;
use std::sync::Arc;

/// Tokens of the prompt, and tokens that fill the caches before anything is counted.
const PROMPT: usize = 8;
const WARM_UP: usize = 12;

/// Dense variants take the same time for every token: this share of the tokens is enough, as a divisor.
const DENSE_SHARE: usize = 8;

/// Without reuse there is nothing to warm up; tokens differ in what they predict.
const NO_REUSE_SHARE: usize = 4;

/// What a run gave.
#[derive(Debug, Clone)]
pub(super) struct RunResult {
    pub(super) stats: Stats,
    pub(super) work: Work,
    pub(super) rates: Option<Rates>,
    /// Whether the peak of memory is that of this run alone.
    pub(super) own_peak: bool,
}

pub(super) fn run(args: &PaperArgs, bundle: &Path, variant: &Variant) -> anyhow::Result<RunResult> {
    let counted = args.number as usize;
    let (warm_up, counted) = if variant.mode == Mode::Exact {
        (1, (counted / DENSE_SHARE).max(2))
    } else if variant.ablation.no_reuse {
        (1, (counted / NO_REUSE_SHARE).max(2))
    } else {
        (WARM_UP, counted)
    };
    let text = lesson(bundle, PROMPT, warm_up, counted)?;
    let lesson = ForcedDecode { drafts: variant.drafts, ..text };
    let options = RunOptions {
        memory: args.memory,
        mode: Some(variant.mode),
        policy: variant.policy,
        ablation: variant.ablation,
        devices: if variant.unbundled { Arc::new(HalvedRecords) } else { Arc::new(SystemFiles) },
        guesses: variant.guesses,
        measure: true,
        ..RunOptions::default()
    };
    let own_peak = forget_peak();
    let files = OpenModel::open(bundle)?;
    let context = PROMPT + warm_up + counted;
    let prepared = prepare(files, options, context, !variant.second_stage)?;
    let (work, rates) = (prepared.work().clone(), prepared.rates().copied());
    let stats = run_prepared(prepared, &lesson, !variant.second_stage).context(variant.name)?;
    Ok(RunResult { stats, work, rates, own_peak })
}

/// From here on the kernel counts the peak of this process anew, so that the peak of a run is not that of the runs before it;
/// whether it does.
fn forget_peak() -> bool {
    std::fs::write("/proc/self/clear_refs", "5").is_ok()
}
