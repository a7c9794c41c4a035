//! The fewest loads that any cache could do with, because this one knows the future.

use super::recorded::Recorded;
use flint_geometry::UnitKey;
use std::collections::{BTreeSet, HashMap};

/// The next use of what is not used again.
const NEVER: usize = usize::MAX;

/// What one layer of one token needs at once.
struct Visit<'a> {
    token: usize,
    group: u32,
    needed: &'a [u32],
}

impl Visit<'_> {
    fn keys(&self) -> impl Iterator<Item = UnitKey> {
        self.needed.iter().map(|&neuron| UnitKey { group: self.group, neuron })
    }
}

/// Neurons that each token loads into a cache of `slots` slots that starts empty and evicts the neuron whose
/// next use is farthest (Belady 1966), never one of the current visit. No other choice has fewer
/// loads up to any token; from a later token on, one that loaded more before could.
pub(super) fn loads(recorded: &Recorded, slots: u32) -> Vec<u64> {
    let visits = visits(recorded, slots);
    let mut loads = vec![0; recorded.tokens()];
    // Residents by their next use: those needed now are the ones whose next use is now.
    let mut residents = BTreeSet::new();
    for (now, (visit, next_uses)) in visits.iter().zip(next_uses(&visits)).enumerate() {
        let needed = visit.needed.len();
        let hits = visit.keys().filter(|&key| residents.remove(&(now, key))).count();
        loads[visit.token] += (needed - hits) as u64;
        while residents.len() + needed > slots as usize {
            residents.pop_last();
        }
        residents.extend(next_uses.into_iter().zip(visit.keys()));
    }
    loads
}

fn visits(recorded: &Recorded, slots: u32) -> Vec<Visit<'_>> {
    let of_token = |token| {
        let visits = recorded.visits(token, slots);
        visits.map(move |(group, needed)| Visit { token, group, needed })
    };
    (0..recorded.tokens()).flat_map(of_token).collect()
}

/// For each visit and each of its neurons, the number of the next visit that needs it.
fn next_uses(visits: &[Visit<'_>]) -> Vec<Vec<usize>> {
    let mut seen = HashMap::new();
    let mut uses: Vec<Vec<usize>> = Vec::with_capacity(visits.len());
    for (number, visit) in visits.iter().enumerate().rev() {
        uses.push(visit.keys().map(|key| seen.insert(key, number).unwrap_or(NEVER)).collect());
    }
    uses.reverse();
    uses
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::replay;
    use flint_dram_cache::PolicyKind;
    use flint_geometry::UnitSet;
    use proptest::prelude::*;

    /// Runs of `groups` groups of `neurons` neurons.
    fn runs(groups: usize, neurons: u32, tokens: usize) -> impl Strategy<Value = Recorded> {
        let neuron = 0..neurons;
        let set = proptest::collection::vec(neuron, 0..neurons as usize);
        let sets = set.prop_map(UnitSet::from_unsorted);
        (1..tokens).prop_flat_map(move |tokens| {
            let group = proptest::collection::vec(sets.clone(), tokens);
            let all = proptest::collection::vec(group, groups);
            all.prop_map(move |all| Recorded::new(neurons, all))
        })
    }

    /// The fewest loads by trying every choice of what to keep; states are bit sets of records.
    fn fewest(recorded: &Recorded, slots: u32) -> u64 {
        let mut states = HashMap::from([(0u32, 0u64)]);
        for visit in visits(recorded, slots) {
            let bit = |key: UnitKey| 1 << (key.group * recorded.neurons() + key.neuron);
            let needed: u32 = visit.keys().map(bit).sum();
            let mut after = HashMap::new();
            for (state, loads) in states {
                let loads = loads + u64::from((needed & !state).count_ones());
                let others = state & !needed;
                for keep in (0..=others).filter(|keep| keep & !others == 0) {
                    if (keep | needed).count_ones() <= slots {
                        let best = after.entry(keep | needed).or_insert(loads);
                        *best = loads.min(*best);
                    }
                }
            }
            states = after;
        }
        states.into_values().min().unwrap_or(0)
    }

    proptest! {
        #[test]
        fn no_choice_loads_fewer(recorded in runs(2, 4, 9), slots in 1u32..=8) {
            let total: u64 = loads(&recorded, slots).iter().sum();
            prop_assert_eq!(total, fewest(&recorded, slots));
        }

        #[test]
        fn no_policy_loads_fewer_up_to_any_token(recorded in runs(3, 12, 40), slots in 1u32..=36) {
            let optimum = loads(&recorded, slots);
            for policy in replay::others().into_iter().chain([PolicyKind::default()]) {
                let (mut policys, mut least) = (0, 0);
                for (loads, optimum) in replay::loads(&recorded, policy, slots).iter().zip(&optimum) {
                    (policys, least) = (policys + loads, least + optimum);
                    prop_assert!(policys >= least, "{:?}: {} < {}", policy, policys, least);
                }
            }
        }
    }

    #[test]
    fn what_is_needed_soonest_stays() {
        let needs = [&[0, 1][..], &[2], &[1], &[0]];
        let sets = needs.map(|need| UnitSet::from_unsorted(need.to_vec())).to_vec();
        // 2 takes the place of 0, whose use is farther than that of 1.
        assert_eq!(loads(&Recorded::new(3, vec![sets]), 2), [2, 1, 0, 1]);
    }
}
