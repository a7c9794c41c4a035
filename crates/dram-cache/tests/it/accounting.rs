//! The byte account is the memory that is really taken, and all of it is taken at the start.

use crate::{key, window};
use flint_dram_cache::{Admission, CacheConfig, CacheError, PolicyKind, SlotCache};
use flint_geometry::UnitSet;
use std::num::NonZeroU8;

fn policies() -> [PolicyKind; 4] {
    let slow = PolicyKind::Frequency { half_life: NonZeroU8::MAX };
    [PolicyKind::OPEN_WINDOW, window(4), PolicyKind::FREQUENCY, slow]
}

/// Bytes of the one mapping: not on the heap, in whole pages.
fn mapped(slots: u32, slot_bytes: usize) -> u64 {
    (u64::from(slots) * slot_bytes as u64).next_multiple_of(4096)
}

#[test]
fn the_account_equals_what_is_allocated() {
    for policy in policies() {
        for (groups, slots) in [(vec![100; 3], 7), (vec![1], 1), (vec![1000, 0, 5000], 6000)] {
            let config = CacheConfig { groups, slot_bytes: 520, policy };
            let account = config.bytes_for(slots);
            let mut made = None;
            let heap = allocation_counter::measure(|| {
                made = Some(SlotCache::new(&config, account).unwrap());
            });
            let cache = made.unwrap();
            assert_eq!((cache.capacity(), cache.footprint()), (slots as usize, account));
            assert_eq!(heap.bytes_max, heap.bytes_current as u64, "no garbage on the way");
            let taken = heap.bytes_current as u64 + mapped(slots, 520);
            assert!((taken..=taken + 256).contains(&account), "{taken} taken, {account} accounted");
        }
    }
}

#[test]
fn nothing_is_allocated_after_the_start() {
    for policy in policies() {
        let config = CacheConfig { groups: vec![64; 4], slot_bytes: 64, policy };
        let mut cache = SlotCache::new(&config, config.bytes_for(100)).unwrap();
        let needs: Vec<UnitSet> = (0..40)
            .map(|i| UnitSet::from_unsorted((0..30).map(|j| (i * 7 + j * j) % 64).collect()))
            .collect();
        let mut out = Admission::new();
        let mut run = || {
            for (index, needed) in needs.iter().enumerate() {
                let group = index as u32 % 4;
                cache.admit(group, needed, &mut out).unwrap();
                for miss in out.missing.drain(..) {
                    cache.fill(key(group, miss.neuron), miss.lease);
                }
                if group == 3 {
                    cache.end_token();
                }
            }
        };
        // The answer grows to its size once.
        run();
        let allocations = allocation_counter::measure(&mut run);
        assert!(cache.counters().evictions + cache.counters().expirations > 0, "too easy");
        assert_eq!(allocations.count_total, 0);
    }
}

#[test]
fn a_budget_buys_exactly_the_slots_that_fit() {
    for policy in policies() {
        let config = CacheConfig { groups: vec![500; 2], slot_bytes: 4096, policy };
        for slots in [1, 2, 77, 999, 1000] {
            let account = config.bytes_for(slots);
            assert_eq!(config.slots_for(account), slots);
            assert_eq!(config.slots_for(account - 1), slots - 1);
        }
        assert_eq!(config.slots_for(u64::MAX), 1000, "no more slots than records");
    }
}

#[test]
fn a_budget_below_one_slot_is_refused_with_the_minimum() {
    let config = CacheConfig { groups: vec![500], slot_bytes: 4096, policy: window(1) };
    let minimum = config.bytes_for(1);
    match SlotCache::new(&config, minimum - 1) {
        Err(CacheError::BudgetTooSmall { budget, minimum: named }) => {
            assert_eq!((budget, named), (minimum - 1, minimum));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(SlotCache::new(&config, minimum).unwrap().capacity(), 1);
}

#[test]
fn sizes_past_64_bits_do_not_wrap() {
    let config = CacheConfig { groups: vec![9], slot_bytes: usize::MAX, policy: window(1) };
    assert_eq!(config.bytes_for(2), u64::MAX);
    assert_eq!(config.slots_for(u64::MAX - 1), 0);
}
