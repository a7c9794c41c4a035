//! What of the statistics is known before the first token: plan, path, options. The rest is put in by phases.

use super::{DraftStats, PerToken, Phase, Stats, milliseconds};
use crate::memory::{process_memory, warnings};
use crate::{Mode, NeuronPlan, OpenModel, Plan, RunOptions, Sparsity};
use flint_bundle::Bundle;
use flint_dram_cache::PolicyKind;
use flint_flash_io::PathReport;
use flint_kernels::Compute;
use std::num::NonZeroU32;
use std::time::Duration;

/// A run as it was planned.
#[derive(Debug, Clone)]
pub(crate) struct RunInfo {
    /// Everything that no token changes.
    base: Stats,
    neurons_total: u64,
    /// Slots of the cache; 0 in exact mode.
    slots: u32,
    /// Who drafts, where somebody does.
    draft: Option<&'static str>,
    /// Whether the window is what the slots allow, not what the user asked for.
    open_window: bool,
}

/// How the prompt and the tokens after it went, so far.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Phases {
    pub(crate) prefill: Phase,
    pub(crate) first_token: Duration,
    pub(crate) decode: Phase,
}

impl RunInfo {
    pub(crate) fn new(
        plan: &Plan,
        path: PathReport,
        files: &OpenModel,
        options: &RunOptions,
        compute: &Compute,
        chosen: Option<&Sparsity>,
    ) -> RunInfo {
        let (slots, window, policy) = match (&plan.neurons, options.policy) {
            (NeuronPlan::Exact(_), _) => (0, None, "none".to_owned()),
            (NeuronPlan::Experts(all), kind) => (all.slots().0 as u32, Some(0), kind.to_string()),
            (NeuronPlan::Sparse { config, bytes }, kind) => {
                let tokens = match kind {
                    PolicyKind::Window { tokens } => tokens.map(NonZeroU32::get),
                    _ => Some(0),
                };
                (config.slots_for(*bytes), tokens, kind.to_string())
            }
        };
        let base = Stats {
            source: files.kind().name(),
            arithmetic: options.arithmetic.unwrap_or_default().name(),
            reads_checked: options.verify_reads && files.tensors.checked(),
            mode: plan.mode.name(),
            sparsity: chosen.map(|chosen| chosen.sparsity),
            io_backend: path.backend,
            direct_io: path.direct,
            widened: path.widened,
            io_reasons: path.reasons,
            memory_warnings: warnings(plan.whole_process_bytes()),
            window: window.unwrap_or(0),
            policy,
            simd: compute.isa().name(),
            threads: compute.threads(),
            context: plan.context,
            chunk: plan.chunk,
            weights_bytes: plan.weights_bytes,
            memory_budget_bytes: plan.budget_bytes,
            resident_bytes: plan.resident_bytes,
            predictor_bytes: plan.predictor_bytes,
            cache_bytes: plan.cache_bytes,
            copy_bytes: plan.copy_bytes(),
            draft_model_bytes: plan.draft_model_bytes,
            kv_bytes: plan.kv_bytes,
            buffer_bytes: plan.buffer_bytes,
            process_bytes: plan.process_bytes,
            peak_rss_bytes: 0,
            prefill_tokens: 0,
            prefill_ms: 0.0,
            prefill_bytes_read: 0,
            first_token_ms: 0.0,
            decode_tokens: 0,
            decode_ms: 0.0,
            tokens_per_second: 0.0,
            decode_bytes_read: 0,
            decode_storage_bytes: None,
            matrix_bytes_per_second: None,
            quality_cost: quality_cost(plan.mode, files.records(), chosen),
            draft: None,
            forecast: None,
            per_token: PerToken::default(),
        };
        let architecture = files.architecture();
        let neurons_total =
            (0..architecture.layers).map(|layer| architecture.neurons(layer) as u64).sum();
        let open_window = plan.mode == Mode::Sparse && window.is_none();
        let draft = options.draft.is_on().then(|| options.draft.name());
        RunInfo { base, neurons_total, slots, draft, open_window }
    }

    /// The statistics of a run that got this far.
    pub(crate) fn stats(&self, phases: &Phases) -> Stats {
        let Phases { prefill, first_token, decode } = phases;
        let seconds = decode.time.as_secs_f64();
        let mut stats = self.base.clone();
        if self.open_window {
            stats.window = self.effective_window(decode);
        }
        stats.peak_rss_bytes = process_memory().peak;
        stats.prefill_tokens = prefill.tokens;
        stats.prefill_ms = milliseconds(prefill.time);
        stats.prefill_bytes_read = prefill.effort.bytes_read;
        stats.first_token_ms = milliseconds(*first_token);
        stats.decode_tokens = decode.tokens;
        stats.decode_ms = milliseconds(decode.time);
        stats.tokens_per_second =
            if decode.tokens > 0 { decode.tokens as f64 / seconds } else { 0.0 };
        stats.decode_bytes_read = decode.effort.bytes_read;
        stats.decode_storage_bytes = decode.storage_bytes;
        let (bytes, time) = (decode.effort.sampled_bytes, decode.effort.sampled);
        stats.matrix_bytes_per_second =
            (!time.is_zero()).then(|| bytes as f64 / time.as_secs_f64());
        stats.draft = self.draft.map(|by| DraftStats::of(by, decode));
        stats.per_token = PerToken::of(decode, self.neurons_total);
        stats
    }

    /// How many tokens a neuron stays in an open window, on average: as many as it takes to load every slot
    /// once.
    fn effective_window(&self, decode: &Phase) -> u32 {
        let context = self.base.context as u64;
        let tokens = (u64::from(self.slots) * decode.tokens)
            .checked_div(decode.effort.neurons_loaded)
            // Nothing had to be loaded: everything that was used stayed.
            .unwrap_or(context);
        tokens.min(context) as u32
    }
}

/// What a mode costs in quality, as measured when the predictors were made.
fn quality_cost(mode: Mode, bundle: Option<&Bundle>, chosen: Option<&Sparsity>) -> Option<f64> {
    if mode == Mode::Exact {
        return Some(1.0);
    }
    if let Some(chosen) = chosen {
        return Some(chosen.cost());
    }
    let measured = bundle?.calibration()?;
    Some(measured.perplexity_sparse? / measured.perplexity_exact?)
}
