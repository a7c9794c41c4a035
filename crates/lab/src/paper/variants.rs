//! The rows of the ablation, from reading everything for every token to Flint as it is.

use flint_dram_cache::PolicyKind;
use flint_engine::{Ablation, ForcedDrafts, Mode, Prefetching};
use std::num::NonZeroU32;

/// The window of the paper.
const PAPER: PolicyKind = PolicyKind::Window { tokens: NonZeroU32::new(4) };

/// One row.
#[derive(Debug, Clone, Copy)]
pub(super) struct Variant {
    /// Its name in the table.
    pub(super) name: &'static str,
    /// What it does.
    pub(super) meaning: &'static str,
    pub(super) mode: Mode,
    pub(super) policy: PolicyKind,
    pub(super) ablation: Ablation,
    /// Whether a neuron is read as two halves.
    pub(super) unbundled: bool,
    pub(super) guesses: Prefetching,
    /// Whether candidates are looked at once more, by a copy of their rows in four bits.
    pub(super) second_stage: bool,
    /// Drafts that share passes.
    pub(super) drafts: Option<ForcedDrafts>,
}

const ALL: Ablation =
    Ablation { nothing_resident: false, no_reuse: false, no_merging: false, no_overlap: false };
const BUNDLED: Ablation = Ablation { no_merging: true, no_overlap: true, ..ALL };

const SPARSE: Variant = Variant {
    name: "",
    meaning: "",
    mode: Mode::Sparse,
    policy: PAPER,
    ablation: ALL,
    unbundled: false,
    guesses: Prefetching::Never,
    second_stage: false,
    drafts: None,
};

/// All rows: the paper's five, then what Flint adds.
pub(super) const VARIANTS: [Variant; 11] = [
    Variant {
        name: "naive",
        meaning: "all weights are read for every token, in order, ahead of the computation",
        mode: Mode::Exact,
        ablation: Ablation { nothing_resident: true, ..ALL },
        ..SPARSE
    },
    Variant {
        name: "hybrid",
        meaning: "what fits stays, the rest is read in order, ahead of the computation",
        mode: Mode::Exact,
        ..SPARSE
    },
    Variant {
        name: "+ predictor",
        meaning: "only predicted neurons are read, each as two halves and none is kept",
        ablation: Ablation { no_reuse: true, ..BUNDLED },
        unbundled: true,
        ..SPARSE
    },
    Variant {
        name: "+ window",
        meaning: "neurons of the last 4 tokens are kept",
        ablation: BUNDLED,
        unbundled: true,
        ..SPARSE
    },
    Variant {
        name: "+ bundling",
        meaning: "a neuron is one read: the method of the paper",
        ablation: BUNDLED,
        ..SPARSE
    },
    Variant {
        name: "+ speculation",
        meaning: "drafts of 4 tokens, each right three times in four, share a pass; the rows below are without",
        ablation: BUNDLED,
        drafts: Some(ForcedDrafts { tokens: 4, share: 0.75 }),
        ..SPARSE
    },
    Variant {
        name: "+ merging",
        meaning: "neighbours, and small gaps between them, are one read",
        ablation: Ablation { no_overlap: true, ..ALL },
        ..SPARSE
    },
    Variant {
        name: "+ overlap",
        meaning: "resident neurons are computed while others are read",
        ..SPARSE
    },
    Variant {
        name: "+ guesses",
        meaning: "neurons are guessed before attention and read meanwhile",
        guesses: Prefetching::Always,
        ..SPARSE
    },
    Variant {
        name: "+ frequency",
        meaning: "kept as long as memory lasts, the longer the more they are used",
        policy: PolicyKind::FREQUENCY,
        guesses: Prefetching::Always,
        ..SPARSE
    },
    Variant {
        name: "flint",
        meaning: "and what the predictor names is looked at by a copy of the deciding rows in four bits, for which slots make room; guesses are made where trials find them faster",
        policy: PolicyKind::FREQUENCY,
        guesses: Prefetching::Tried,
        second_stage: true,
        ..SPARSE
    },
];
