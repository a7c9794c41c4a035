//! The slot cache against its twin, taken through schedules that grow from a seed.
#![no_main]

use flint_dram_cache::{CacheConfig, PolicyKind, SlotCache};
use flint_geometry::{UnitKey, UnitSet};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

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

fn key(group: u32, neuron: u32) -> UnitKey {
    UnitKey { group, neuron }
}

fn set(neurons: &[u32]) -> UnitSet {
    UnitSet::from_unsorted(neurons.to_vec())
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    // A seed of random numbers. Taken as the numbers themselves (`PassThrough`) bytes run out, and from then on the
    // library reads zeroes, of which its strategies throw some away and ask again, without end.
    let mut seed = [0; 32];
    for (seed, byte) in seed.iter_mut().zip(bytes) {
        *seed = *byte;
    }
    let random = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
    let config = Config { failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, random);
    let steps = proptest::collection::vec(schedules::step(), 1..120);
    let schedule = (schedules::policy(), 1..60u32, steps);
    let Ok(tree) = schedule.new_tree(&mut runner) else { return };
    let (policy, slots, steps) = tree.current();
    schedules::replay(policy, slots, &steps);
});
