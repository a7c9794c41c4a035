//! What can go wrong, with the numbers a caller needs to act.

use flint_iobuf::MapError;

/// Why a cache could not be made or could not admit a need.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CacheError {
    /// Not even one slot fits the budget. Nothing was reserved.
    #[error(
        "a cache budget of {budget} bytes is too small: one slot and the map need {minimum} bytes"
    )]
    BudgetTooSmall {
        /// Bytes allowed.
        budget: u64,
        /// Bytes of a cache with one slot.
        minimum: u64,
    },
    /// The need takes more slots than can be freed. Nothing was changed.
    #[error(
        "group {group} misses {missing} records but only {available} of {slots} slots can be had: \
         split the need, or take back reads that are under way"
    )]
    NotEnoughSlots {
        /// The group that was visited.
        group: u32,
        /// Records of the need without a slot.
        missing: usize,
        /// Slots that are free or hold a record outside the need.
        available: usize,
        /// Slots of the cache.
        slots: usize,
    },
    /// The system did not hand out the memory of the slots.
    #[error(transparent)]
    Memory(#[from] MapError),
}
