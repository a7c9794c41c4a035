//! What the cache promises, seen from outside.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod accounting;
mod errors;
mod policies;
mod schedules;
mod twin;

use flint_dram_cache::{Admission, CacheConfig, PolicyKind, SlotCache};
use flint_geometry::{UnitKey, UnitSet};
use std::num::NonZeroU32;

/// A cache of `slots` slots of 64 bytes.
fn cache(groups: &[u32], slots: u32, policy: PolicyKind) -> SlotCache {
    let config = CacheConfig { groups: groups.to_vec(), slot_bytes: 64, policy };
    SlotCache::new(&config, config.bytes_for(slots)).unwrap()
}

fn key(group: u32, neuron: u32) -> UnitKey {
    UnitKey { group, neuron }
}

fn set(neurons: &[u32]) -> UnitSet {
    UnitSet::from_unsorted(neurons.to_vec())
}

fn window(tokens: u32) -> PolicyKind {
    PolicyKind::Window { tokens: NonZeroU32::new(tokens) }
}

/// Visits `group` and reads what is missing; returns the neurons that were read.
fn visit(cache: &mut SlotCache, group: u32, needed: &[u32]) -> Vec<u32> {
    let mut out = Admission::new();
    cache.admit(group, &set(needed), &mut out).unwrap();
    let missing = out.missing.drain(..);
    missing
        .map(|miss| {
            cache.fill(key(group, miss.neuron), miss.lease);
            miss.neuron
        })
        .collect()
}

/// The resident neurons of `group`, ascending.
fn residents(cache: &SlotCache, group: u32, neurons: u32) -> Vec<u32> {
    (0..neurons).filter(|&neuron| cache.lookup(key(group, neuron)).is_some()).collect()
}
