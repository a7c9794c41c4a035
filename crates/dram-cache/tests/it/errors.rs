//! Needs that cannot be met, and reads that never come back.

use crate::{cache, key, residents, set, visit};
use flint_dram_cache::{Admission, CacheError, Counters, PolicyKind};

#[test]
fn a_need_beyond_the_slots_is_refused_and_changes_nothing() {
    let mut cache = cache(&[10, 10], 4, PolicyKind::OPEN_WINDOW);
    visit(&mut cache, 0, &[1, 2, 3]);
    let before = cache.counters();
    let mut out = Admission::new();
    match cache.admit(0, &set(&[2, 4, 5, 6, 7]), &mut out) {
        Err(CacheError::NotEnoughSlots { group: 0, missing: 4, available: 3, slots: 4 }) => {}
        other => panic!("{other:?}"),
    }
    assert!(out.resident.is_empty() && out.pending.is_empty() && out.missing.is_empty());
    assert_eq!(residents(&cache, 0, 10), [1, 2, 3]);
    assert_eq!(cache.counters(), before);
}

#[test]
fn slots_under_way_are_not_to_be_had() {
    let mut cache = cache(&[10, 10], 4, PolicyKind::FREQUENCY);
    let mut first = Admission::new();
    cache.admit(0, &set(&[1, 2, 3]), &mut first).unwrap();
    let mut second = Admission::new();
    match cache.admit(1, &set(&[0, 1]), &mut second) {
        Err(CacheError::NotEnoughSlots { missing: 2, available: 1, .. }) => {}
        other => panic!("{other:?}"),
    }
    let miss = first.missing.remove(0);
    cache.abandon(key(0, miss.neuron), miss.lease);
    cache.admit(1, &set(&[0, 1]), &mut second).unwrap();
    assert_eq!(second.missing.len(), 2);
}

#[test]
fn a_read_under_way_is_pending_for_those_who_ask_again() {
    let mut cache = cache(&[10], 4, PolicyKind::OPEN_WINDOW);
    let (mut first, mut second) = (Admission::new(), Admission::new());
    cache.admit(0, &set(&[1, 2]), &mut first).unwrap();
    cache.admit(0, &set(&[2, 3]), &mut second).unwrap();
    assert_eq!(second.pending, [(2, first.missing[1].slot)]);
    assert_eq!(second.missing.len(), 1);
    let expected = Counters { hits: 1, misses: 3, ..Counters::default() };
    assert_eq!(cache.counters(), expected);
    assert_eq!(cache.lookup(key(0, 2)), None);
}

#[test]
#[should_panic(expected = "no read of")]
fn filling_what_was_not_asked_for_is_a_mistake() {
    let mut cache = cache(&[10], 2, PolicyKind::OPEN_WINDOW);
    let mut out = Admission::new();
    cache.admit(0, &set(&[1]), &mut out).unwrap();
    cache.fill(key(0, 2), out.missing.remove(0).lease);
}

#[test]
#[should_panic(expected = "the lease of another slot")]
fn mixing_up_two_leases_is_a_mistake() {
    let mut cache = cache(&[10], 2, PolicyKind::OPEN_WINDOW);
    let mut out = Admission::new();
    cache.admit(0, &set(&[1, 2]), &mut out).unwrap();
    cache.fill(key(0, 2), out.missing.remove(0).lease);
}

#[test]
#[should_panic(expected = "holds no record")]
fn the_bytes_of_a_slot_under_way_cannot_be_had() {
    let mut cache = cache(&[10], 2, PolicyKind::OPEN_WINDOW);
    let mut out = Admission::new();
    cache.admit(0, &set(&[1]), &mut out).unwrap();
    cache.bytes(out.missing[0].slot);
}

#[test]
#[should_panic(expected = "were not taken")]
fn leases_left_in_an_admission_are_a_mistake() {
    let mut cache = cache(&[10], 2, PolicyKind::OPEN_WINDOW);
    let mut out = Admission::new();
    cache.admit(0, &set(&[1]), &mut out).unwrap();
    let _ = cache.admit(0, &set(&[1]), &mut out);
}
