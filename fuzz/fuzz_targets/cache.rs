//! The slot cache against its twin, taken through schedules that the bytes choose.
#![no_main]

use flint_dram_cache::{CacheConfig, PolicyKind, SlotCache};
use flint_geometry::{NeuronKey, NeuronSet};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use std::sync::LazyLock;

#[path = "../../crates/dram-cache/tests/it/schedules.rs"]
#[allow(unused_imports, reason = "its tests are left out here")]
mod schedules;
#[path = "../../crates/dram-cache/tests/it/twin.rs"]
mod twin;

// What the two files take from the tests that they belong to.

fn cache(groups: &[u32], slots: u32, policy: PolicyKind) -> SlotCache {
    let config = CacheConfig { groups: groups.to_vec(), slot_bytes: 64, policy };
    SlotCache::new(&config, config.bytes_for(slots)).unwrap_or_else(|error| panic!("{error}"))
}

fn key(group: u32, neuron: u32) -> NeuronKey {
    NeuronKey { group, neuron }
}

fn set(neurons: &[u32]) -> NeuronSet {
    NeuronSet::from_unsorted(neurons.to_vec())
}

/// What follows the bytes of an input: where they end the library would read zeroes for ever, of which its ranges throw
/// some away and ask again, without end.
static MORE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut state = 1u64;
    let mut next = || {
        state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        (state >> 56) as u8
    };
    (0..1 << 20).map(|_| next()).collect()
});

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let random = TestRng::from_seed(RngAlgorithm::PassThrough, &[bytes, &MORE].concat());
    let config = Config { failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, random);
    let steps = proptest::collection::vec(schedules::step(), 1..120);
    let schedule = (schedules::policy(), 1..60u32, steps);
    let Ok(tree) = schedule.new_tree(&mut runner) else { return };
    let (policy, slots, steps) = tree.current();
    schedules::replay(policy, slots, &steps);
});
