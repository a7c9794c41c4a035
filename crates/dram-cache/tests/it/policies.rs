//! Each policy by a few small stories, and what both must do.

use crate::{cache, residents, visit, window};
use flint_dram_cache::{PolicyKind, SlotCache};

const BOTH: [PolicyKind; 2] = [PolicyKind::Window { tokens: None }, PolicyKind::FREQUENCY];

/// One token that visits group 0 alone.
fn token(cache: &mut SlotCache, needed: &[u32]) -> Vec<u32> {
    let read = visit(cache, 0, needed);
    cache.end_token();
    read
}

#[test]
fn a_window_of_one_keeps_the_last_token_alone() {
    let mut cache = cache(&[10], 10, window(1));
    token(&mut cache, &[1, 2, 3]);
    assert_eq!(residents(&cache, 0, 10), [1, 2, 3]);
    assert_eq!(token(&mut cache, &[2, 4]), [4]);
    assert_eq!(residents(&cache, 0, 10), [2, 4]);
    assert_eq!(cache.counters().expirations, 2);
    assert_eq!(cache.counters().evictions, 0);
}

#[test]
fn a_window_of_four_keeps_the_union_of_four_tokens() {
    let mut cache = cache(&[10], 10, window(4));
    for neuron in 0..4 {
        token(&mut cache, &[neuron]);
    }
    assert_eq!(residents(&cache, 0, 10), [0, 1, 2, 3]);
    token(&mut cache, &[0]);
    assert_eq!(residents(&cache, 0, 10), [0, 1, 2, 3], "0 was renewed, 1 is the fourth last");
    token(&mut cache, &[5]);
    assert_eq!(residents(&cache, 0, 10), [0, 2, 3, 5]);
}

#[test]
fn an_open_window_keeps_records_as_long_as_slots_last() {
    let mut cache = cache(&[10], 3, PolicyKind::OPEN_WINDOW);
    token(&mut cache, &[0]);
    for _ in 0..100 {
        token(&mut cache, &[1]);
    }
    assert_eq!(residents(&cache, 0, 10), [0, 1]);
    token(&mut cache, &[2, 3]);
    assert_eq!(residents(&cache, 0, 10), [1, 2, 3]);
}

#[test]
fn a_burst_beyond_the_slots_passes_in_parts_and_keeps_the_last() {
    for policy in BOTH {
        let mut cache = cache(&[20], 4, policy);
        assert_eq!(visit(&mut cache, 0, &[0, 1, 2, 3]), [0, 1, 2, 3]);
        assert_eq!(visit(&mut cache, 0, &[4, 5, 6]), [4, 5, 6]);
        assert_eq!(residents(&cache, 0, 20), [3, 4, 5, 6], "lowest neurons of equals go first");
        assert_eq!(cache.counters().evictions, 3);
    }
}

#[test]
fn the_frequent_record_survives_a_scan_under_frequency_and_not_under_window() {
    for (policy, hot_survives) in [(BOTH[0], false), (BOTH[1], true)] {
        let mut cache = cache(&[20], 3, policy);
        for _ in 0..6 {
            token(&mut cache, &[0]);
        }
        for neuron in 1..7 {
            token(&mut cache, &[neuron]);
        }
        assert_eq!(residents(&cache, 0, 20).contains(&0), hot_survives, "{policy}");
    }
}

#[test]
fn a_frequent_record_is_forgotten_when_its_uses_have_faded() {
    let mut cache = cache(&[200], 3, PolicyKind::FREQUENCY);
    for _ in 0..6 {
        token(&mut cache, &[0]);
    }
    for neuron in 1..150 {
        token(&mut cache, &[neuron]);
    }
    assert_eq!(residents(&cache, 0, 200), [147, 148, 149]);
}

#[test]
fn among_equals_the_group_visited_last_from_here_gives_way() {
    for policy in BOTH {
        let mut cache = cache(&[4, 4, 4, 4], 4, policy);
        for group in 0..4 {
            visit(&mut cache, group, &[0]);
        }
        cache.end_token();
        // Next visits from group 1: 2, then 3, then 0, then 1 itself.
        visit(&mut cache, 0, &[0]);
        visit(&mut cache, 1, &[1]);
        let left = [0, 1, 2, 3].map(|group| residents(&cache, group, 4));
        assert_eq!(left, [vec![0], vec![1], vec![0], vec![0]], "{policy}");
        if policy == PolicyKind::OPEN_WINDOW {
            // To a frequency policy group 0, used twice, is no longer an equal.
            visit(&mut cache, 1, &[1, 2]);
            let left = [0, 1, 2, 3].map(|group| residents(&cache, group, 4));
            assert_eq!(left, [vec![], vec![1, 2], vec![0], vec![0]]);
        }
    }
}

#[test]
fn a_cyclic_scan_beyond_the_slots_still_hits() {
    // LRU in order of use would hit nothing here: 8 groups of 4, all needed, 24 slots.
    for policy in BOTH {
        let mut cache = cache(&[4; 8], 24, policy);
        for _ in 0..50 {
            for group in 0..8 {
                visit(&mut cache, group, &[0, 1, 2, 3]);
            }
            cache.end_token();
        }
        let counters = cache.counters();
        let hit_rate = counters.hits as f64 / (counters.hits + counters.misses) as f64;
        // Two groups do not fit, so at best 24 of 32 minus the one group in passage hit.
        assert!(hit_rate > 0.6, "{policy}: {hit_rate}");
    }
}

#[test]
fn names_read_back() {
    for policy in BOTH {
        assert_eq!(policy.to_string().parse(), Ok(policy));
    }
    let unknown = "lru".parse::<PolicyKind>().unwrap_err();
    assert_eq!(unknown.to_string(), "unknown cache policy 'lru': expected window or frequency");
}
