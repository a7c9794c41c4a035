//! A recorded run through the real cache, without bytes.

use super::recorded::Recorded;
use flint_dram_cache::{Admission, CacheConfig, PolicyKind, SlotCache};
use flint_geometry::{UnitKey, UnitSet};
use std::num::{NonZeroU8, NonZeroU32};

/// Lengths of closed windows, in tokens.
const WINDOWS: [u32; 3] = [8, 4, 1];

/// After how many tokens a use counts half.
const HALF_LIVES: [u8; 3] = [2, 4, 15];

/// All policies but the default.
pub(super) fn others() -> Vec<PolicyKind> {
    let window = |tokens| PolicyKind::Window { tokens: NonZeroU32::new(tokens) };
    let frequency =
        |half_life| NonZeroU8::new(half_life).map(|half_life| PolicyKind::Frequency { half_life });
    let frequencies = HALF_LIVES.into_iter().filter_map(frequency);
    let all = [window(0)].into_iter().chain(frequencies).chain(WINDOWS.map(window));
    all.filter(|&policy| policy != PolicyKind::default()).collect()
}

/// What tables and charts call a policy.
pub(super) fn name(policy: PolicyKind) -> String {
    match policy {
        PolicyKind::Window { tokens: None } => "window, open".to_owned(),
        PolicyKind::Window { tokens: Some(tokens) } => format!("window of {tokens}"),
        PolicyKind::Frequency { half_life } => format!("frequency, half-life {half_life}"),
    }
}

/// Neurons that each token loads into a cache of `slots` slots that starts empty.
///
/// # Panics
/// When the memory of a slot of one byte cannot be had.
pub(super) fn loads(recorded: &Recorded, policy: PolicyKind, slots: u32) -> Vec<u64> {
    let groups = vec![recorded.neurons(); recorded.groups()];
    let config = CacheConfig { groups, slot_bytes: 1, policy };
    let mut cache = match SlotCache::new(&config, config.bytes_for(slots)) {
        Ok(cache) => cache,
        Err(error) => panic!("{slots} slots: {error}"),
    };
    let mut loads = Vec::with_capacity(recorded.tokens());
    for token in 0..recorded.tokens() {
        let before = cache.counters().misses;
        for (group, needed) in recorded.visits(token, slots) {
            visit(&mut cache, group, needed);
        }
        cache.end_token();
        loads.push(cache.counters().misses - before);
    }
    loads
}

fn visit(cache: &mut SlotCache, group: u32, needed: &[u32]) {
    let mut admission = Admission::new();
    let needed = UnitSet::from_unsorted(needed.to_vec());
    if let Err(error) = cache.admit(group, &needed, &mut admission) {
        unreachable!("a visit takes at most all slots, and no read is under way: {error}");
    }
    for missing in admission.missing.drain(..) {
        cache.fill(UnitKey { group, neuron: missing.neuron }, missing.lease);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recorded(needs: &[&[u32]]) -> Recorded {
        let sets = needs.iter().map(|need| UnitSet::from_unsorted(need.to_vec())).collect();
        Recorded::new(10, vec![sets])
    }

    #[test]
    fn a_cache_of_everything_loads_each_neuron_once_and_a_window_forgets() {
        let recorded = recorded(&[&[1, 2], &[2, 3], &[1, 3], &[9]]);
        assert_eq!(loads(&recorded, PolicyKind::OPEN_WINDOW, 10), [2, 1, 0, 1]);
        let last_token = PolicyKind::Window { tokens: NonZeroU32::new(1) };
        assert_eq!(loads(&recorded, last_token, 10), [2, 1, 1, 1]);
    }

    #[test]
    fn a_need_beyond_the_slots_is_loaded_in_parts() {
        assert_eq!(loads(&recorded(&[&[1, 2, 3], &[3]]), PolicyKind::OPEN_WINDOW, 2), [3, 0]);
    }

    #[test]
    fn every_policy_is_there_once() {
        let mut names: Vec<String> = others().into_iter().map(name).collect();
        names.push(name(PolicyKind::default()));
        names.sort();
        names.dedup();
        assert_eq!(names.len(), 1 + HALF_LIVES.len() + WINDOWS.len());
    }
}
