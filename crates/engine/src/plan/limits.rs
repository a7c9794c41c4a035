//! Limits that the plan and the feed-forward agree on.

use crate::options::{Ablation, Prefetching};

/// Most neurons that are computed together: enough work for every thread, few enough that their activations
/// for a chunk of tokens stay small.
pub(crate) const MAX_NEURONS_PER_ROUND: usize = 4096;

/// Prefetches that the first visits ask for, and that are always allowed: about what a request queue holds.
pub(crate) const MIN_PREFETCH: usize = 32;

/// Share of the slots that the guesses of a layer may take, as a divisor: a round hardly ever has to wait for them.
pub(crate) const PREFETCH_SHARE: usize = 8;

/// Whether guesses are made where `wanted`: in so few slots they would crowd out what is certain, and an ablation
/// measures something else.
pub(crate) fn can_prefetch(wanted: Prefetching, ablation: Ablation, slots: usize) -> bool {
    wanted != Prefetching::Never
        && ablation == Ablation::default()
        && slots / PREFETCH_SHARE >= MIN_PREFETCH
}
