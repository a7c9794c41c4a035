//! What a cache is for, and an exact account of the memory it takes.

use crate::arena::Arena;
use crate::policy::PolicyKind;
use crate::ranking::Ranking;
use crate::residency::Residency;

/// Heap of a fixed size: the header of the pool and the boxed policy, rounded up.
const FIXED_BYTES: u64 = 256;

/// The records that a cache may hold, and how it chooses among them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheConfig {
    /// Neurons of each group, in the order in which a token visits the groups.
    pub groups: Vec<u32>,
    /// Bytes of a slot: the longest read of one record.
    pub slot_bytes: usize,
    /// What leaves when slots run out.
    pub policy: PolicyKind,
}

impl CacheConfig {
    /// Bytes of a cache with `slots` slots: the slots, the map and the bookkeeping of the policy.
    /// Never less than what is allocated, and at most 256 bytes more. `u64::MAX` where it does not fit.
    pub fn bytes_for(&self, slots: u32) -> u64 {
        let map = Residency::bytes_for(&self.groups)
            + Ranking::bytes_for(&self.groups)
            + self.policy.heap_bytes()
            + FIXED_BYTES;
        Arena::bytes_for(slots, self.slot_bytes).saturating_add(map)
    }

    /// The most slots that fit in `budget` bytes; never more than there are records, 0 when none fits.
    pub fn slots_for(&self, budget: u64) -> u32 {
        let records: u64 = self.groups.iter().map(|&neurons| u64::from(neurons)).sum();
        let (mut fits, mut bound) = (0, records.min(u64::from(Arena::MOST_SLOTS)) as u32);
        while fits < bound {
            let middle = bound - (bound - fits) / 2;
            if self.bytes_for(middle) <= budget {
                fits = middle;
            } else {
                bound = middle - 1;
            }
        }
        fits
    }
}
