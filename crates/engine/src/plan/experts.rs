//! Experts in memory: a cache for each size of expert, and a ring for those that are read past it.
//!
//! Experts of one file differ in size by layer (mixes of types do that). A cache of places as large as the largest would waste an
//! eighth of its memory, so layers whose experts take as many bytes share a cache, and memory is split between the caches by the
//! bytes of their experts.

use crate::expert_units::ExpertUnits;
use flint_dram_cache::{CacheConfig, PolicyKind};
use flint_flash_io::Reader;
use std::collections::BTreeMap;
use std::num::NonZeroU8;

/// Places of the ring: at least one to compute on and two on their way; enough of them keep a fast disk busy.
const LEAST_RING: u64 = 3;
const LARGEST_RING: u64 = 16;

/// Share of the memory for experts that the ring may take beyond the least, as a divisor.
const RING_SHARE: u64 = 16;

/// How long a use of an expert counts half, in tokens, where the policy counts uses. Traces of qwen3-30b-a3b's shape, whose
/// routers have the habits of published ones, read 7 % fewer experts with 15 than with 4, the half-life for neurons, at a
/// tenth of them in memory, 22 % fewer at a quarter, and as many at half (docs/results/trace-qwen3-30b-a3b.md).
const HALF_LIFE: NonZeroU8 = NonZeroU8::MIN.saturating_add(15 - 1);

/// Layers whose experts take as many bytes.
#[derive(Debug, Clone, PartialEq)]
pub struct ExpertClass {
    /// The layers, ascending: the groups of the cache.
    pub layers: Vec<usize>,
    /// The cache of their experts.
    pub cache: CacheConfig,
    /// Bytes of all their experts, in places of the cache.
    pub bank_bytes: u64,
}

/// What the experts of a model take.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ExpertCosts {
    /// By size, the smallest first.
    pub classes: Vec<ExpertClass>,
}

/// How experts are held.
#[derive(Debug, Clone, PartialEq)]
pub struct ExpertPlan {
    /// The caches, each with the bytes it may take.
    pub caches: Vec<(ExpertClass, u64)>,
    /// Bytes of one place of the ring.
    pub place_bytes: usize,
    /// Places of the ring; none where all experts stay in memory.
    pub places: u32,
}

impl ExpertCosts {
    /// What the experts `units` take, read by `reader`.
    pub(crate) fn of(units: &ExpertUnits, reader: &Reader, policy: PolicyKind) -> ExpertCosts {
        let policy = match policy {
            PolicyKind::Frequency { .. } => PolicyKind::Frequency { half_life: HALF_LIFE },
            window => window,
        };
        let mut classes: BTreeMap<u64, ExpertClass> = BTreeMap::new();
        let with_experts = units.layers.iter().enumerate().filter(|(_, own)| !own.is_empty());
        for (layer, own) in with_experts {
            let (bytes, slot_bytes) = (own[0].bytes(), units.lease_bytes(layer, reader));
            let class = classes.entry(bytes).or_insert_with(|| ExpertClass {
                layers: Vec::new(),
                cache: CacheConfig { groups: Vec::new(), slot_bytes: 0, policy },
                bank_bytes: 0,
            });
            class.layers.push(layer);
            class.cache.groups.push(own.len() as u32);
            class.cache.slot_bytes = class.cache.slot_bytes.max(slot_bytes);
        }
        let mut classes: Vec<ExpertClass> = classes.into_values().collect();
        for class in &mut classes {
            class.bank_bytes = class.cache.bytes_for(class.experts());
        }
        ExpertCosts { classes }
    }

    /// Bytes in which all experts stay in memory.
    pub fn all_bytes(&self) -> u64 {
        self.classes.iter().map(|class| class.bank_bytes).sum()
    }

    /// The least memory that experts need.
    pub fn least_bytes(&self) -> u64 {
        self.place_bytes() as u64 * LEAST_RING + self.map_bytes()
    }

    fn place_bytes(&self) -> usize {
        self.classes.iter().map(|class| class.cache.slot_bytes).max().unwrap_or(0)
    }

    /// Bytes of caches without a slot.
    fn map_bytes(&self) -> u64 {
        self.classes.iter().map(|class| class.cache.bytes_for(0)).sum()
    }
}

impl ExpertClass {
    /// Experts of all its layers.
    pub fn experts(&self) -> u32 {
        self.cache.groups.iter().sum()
    }
}

impl ExpertPlan {
    /// Holds as much as fits in `bytes`.
    pub fn make(costs: &ExpertCosts, bytes: u64) -> ExpertPlan {
        let (place_bytes, all) = (costs.place_bytes(), costs.all_bytes());
        if all <= bytes {
            let caches = costs.classes.iter().map(|class| (class.clone(), class.bank_bytes));
            return ExpertPlan { caches: caches.collect(), place_bytes, places: 0 };
        }
        let long = bytes / RING_SHARE / place_bytes.max(1) as u64;
        let places = long.clamp(LEAST_RING, LARGEST_RING);
        let left = bytes.saturating_sub(places * place_bytes as u64);
        let share = |class: &ExpertClass| {
            let share = u128::from(left) * u128::from(class.bank_bytes) / u128::from(all.max(1));
            let slots = class.cache.slots_for(share as u64);
            (class.clone(), class.cache.bytes_for(slots))
        };
        let caches = costs.classes.iter().map(share).collect();
        ExpertPlan { caches, place_bytes, places: places as u32 }
    }

    /// The same with nothing kept from pass to pass.
    pub fn with_nothing_kept(mut self) -> ExpertPlan {
        self.caches.iter_mut().for_each(|(class, bytes)| *bytes = class.cache.bytes_for(0));
        self.places = self.places.max(LEAST_RING as u32);
        self
    }

    /// Bytes of caches and ring.
    pub fn bytes(&self) -> u64 {
        let caches: u64 = self.caches.iter().map(|(_, bytes)| bytes).sum();
        caches + self.place_bytes as u64 * u64::from(self.places)
    }

    /// Experts that stay or may stay in memory, and all there are.
    pub fn slots(&self) -> (u64, u64) {
        let slots = self.caches.iter().map(|(class, bytes)| class.cache.slots_for(*bytes));
        let all = self.caches.iter().map(|(class, _)| class.experts());
        (slots.map(u64::from).sum(), all.map(u64::from).sum())
    }

    /// Whether no expert is read after loading.
    pub fn all_resident(&self) -> bool {
        self.places == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn class(layers: usize, experts: u32, slot_bytes: usize) -> ExpertClass {
        let policy = PolicyKind::FREQUENCY;
        let cache = CacheConfig { groups: vec![experts; layers], slot_bytes, policy };
        let bank_bytes = cache.bytes_for(experts * layers as u32);
        ExpertClass { layers: (0..layers).collect(), cache, bank_bytes }
    }

    proptest! {
        #[test]
        fn caches_and_ring_stay_in_the_budget_and_large_ones_hold_all(
            small in 1u32..40, large in 0usize..5, extra in 0u64..200 << 20,
        ) {
            let classes = vec![class(3, small, 8192), class(large.max(1), 7, 12288)];
            let costs = ExpertCosts { classes };
            let bytes = costs.least_bytes() + extra;
            let plan = ExpertPlan::make(&costs, bytes);
            prop_assert!(plan.bytes() <= bytes, "{} of {bytes}", plan.bytes());
            prop_assert_eq!(plan.all_resident(), costs.all_bytes() <= bytes);
            let (slots, all) = plan.slots();
            prop_assert!(slots <= all && (slots == all || !plan.all_resident()));
        }
    }

    #[test]
    fn memory_is_split_by_the_bytes_of_the_experts() {
        let classes = vec![class(8, 64, 1 << 20), class(8, 64, 3 << 20)];
        let costs = ExpertCosts { classes };
        let plan = ExpertPlan::make(&costs, costs.all_bytes() / 2);
        let share =
            |index: usize| plan.caches[index].1 as f64 / plan.caches[index].0.bank_bytes as f64;
        assert!((share(0) - share(1)).abs() < 0.02, "{} and {}", share(0), share(1));
        assert!(share(0) > 0.45);
    }
}
