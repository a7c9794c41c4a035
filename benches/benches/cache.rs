//! What managing the slots costs per token, at the size of OPT-6.7B, without any reading.
//!
//! 32 groups of 16,384 neurons, 130,000 slots of 16 KiB (never touched, so they take no memory). A token needs
//! some 50,000 records, of which some 12,000 are not resident: three of ten active neurons stay active in the
//! next token, and the others are replaced at random, by hot neurons more often than by cold ones.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use flint_dram_cache::{Admission, CacheConfig, PolicyKind, SlotCache};
use flint_geometry::{UnitKey, UnitSet};

const GROUPS: usize = 32;
const NEURONS: usize = 16_384;
const SLOTS: u32 = 130_000;
const ACTIVE_PER_GROUP: usize = 1_560;
/// Enough tokens that what returns after a whole round has long been evicted.
const TOKENS: usize = 64;

/// A small generator with a fixed start: every run sees the same trace.
struct Random(u64);

impl Random {
    /// Below `bound`.
    fn below(&mut self, bound: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (((self.0 >> 32) * bound as u64) >> 32) as usize
    }
}

/// The needs of one group, token after token.
fn needs_of_a_group(random: &mut Random) -> Vec<UnitSet> {
    let mut active = vec![false; NEURONS];
    let mut count = 0;
    let mut needs = Vec::new();
    for _ in 0..TOKENS {
        for neuron in active.iter_mut().filter(|neuron| **neuron) {
            *neuron = random.below(10) < 3;
            count -= usize::from(!*neuron);
        }
        while count < ACTIVE_PER_GROUP {
            let bound = 1 + random.below(NEURONS);
            let bound = 1 + random.below(bound);
            let neuron = random.below(bound);
            count += usize::from(!active[neuron]);
            active[neuron] = true;
        }
        let indices = (0..NEURONS).filter(|&neuron| active[neuron]).map(|neuron| neuron as u32);
        needs.push(UnitSet::from_unsorted(indices.collect()));
    }
    needs
}

/// One token: every group is admitted, and its missing records come back at once.
fn token(cache: &mut SlotCache, groups: &[Vec<UnitSet>], token: usize, out: &mut Admission) {
    for (group, needs) in groups.iter().enumerate() {
        let group = group as u32;
        if let Err(error) = cache.admit(group, &needs[token % TOKENS], out) {
            unreachable!("one group fits: {error}");
        }
        for miss in out.missing.drain(..) {
            cache.fill(UnitKey { group, neuron: miss.neuron }, miss.lease);
        }
    }
    cache.end_token();
}

fn tokens(criterion: &mut Criterion) {
    let mut random = Random(2023);
    let groups: Vec<_> = (0..GROUPS).map(|_| needs_of_a_group(&mut random)).collect();
    let mut bench = criterion.benchmark_group("cache/opt-6.7b-token");
    bench.throughput(Throughput::Elements((GROUPS * ACTIVE_PER_GROUP) as u64));
    let window = |tokens: u32| PolicyKind::Window { tokens: std::num::NonZeroU32::new(tokens) };
    let policies =
        [("window", window(0)), ("window-4", window(4)), ("frequency", PolicyKind::FREQUENCY)];
    for (name, policy) in policies {
        let config =
            CacheConfig { groups: vec![NEURONS as u32; GROUPS], slot_bytes: 16 << 10, policy };
        let mut cache = match SlotCache::new(&config, config.bytes_for(SLOTS)) {
            Ok(cache) => cache,
            Err(error) => panic!("{error}"),
        };
        let mut out = Admission::new();
        let mut number = 0;
        let mut next = |cache: &mut SlotCache| {
            token(cache, &groups, number, &mut out);
            number += 1;
        };
        // Until the slots are full and the first round is over.
        (0..TOKENS).for_each(|_| next(&mut cache));
        let before = cache.counters();
        (0..TOKENS).for_each(|_| next(&mut cache));
        let loads = (cache.counters().misses - before.misses) / TOKENS as u64;
        bench.bench_function(format!("{name}, {loads} loads"), |b| b.iter(|| next(&mut cache)));
    }
    bench.finish();
}

criterion_group!(benches, tokens);
criterion_main!(benches);
