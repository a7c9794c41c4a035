//! Random schedules: the cache does what the twin does, step by step. The fuzz target of the cache uses this file too.

use crate::twin::{Split, Twin};
use crate::{cache, key, set};
use flint_dram_cache::{Admission, Missing, PolicyKind, SlotCache};
use flint_geometry::UnitKey;
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::num::{NonZeroU8, NonZeroU32};

const GROUPS: u32 = 5;
/// More than a block of the sweep, so that its borders are crossed.
const NEURONS: u32 = 150;

#[derive(Debug, Clone)]
pub(crate) enum Step {
    Admit {
        group: u32,
        needed: BTreeSet<u32>,
        /// What is still in use of the same group.
        beside: BTreeSet<u32>,
    },
    Reserve {
        group: u32,
        wanted: BTreeSet<u32>,
        most: usize,
    },
    Expect {
        group: u32,
        used: BTreeSet<u32>,
    },
    /// The read under way with this number, modulo how many there are, comes back.
    Fill(usize),
    /// It fails, and its lease comes back.
    Abandon(usize),
    /// It is given up while somebody still holds its lease.
    FillAll,
    EndToken,
    Clear,
}

pub(crate) fn step() -> impl Strategy<Value = Step> {
    // Few hot neurons and many cold ones.
    let neuron = prop_oneof![3 => 0..12u32, 1 => 60..68u32, 1 => 0..NEURONS];
    let some = || proptest::collection::btree_set(neuron.clone(), 0..14);
    let few = proptest::collection::btree_set(neuron.clone(), 0..4);
    prop_oneof![
        6 => (0..GROUPS, some(), few)
            .prop_map(|(group, needed, beside)| Step::Admit { group, needed, beside }),
        2 => (0..GROUPS, some(), 0..9usize)
            .prop_map(|(group, wanted, most)| Step::Reserve { group, wanted, most }),
        1 => (0..GROUPS, some()).prop_map(|(group, used)| Step::Expect { group, used }),
        3 => (0..100usize).prop_map(Step::Fill),
        1 => (0..100usize).prop_map(Step::Abandon),
        4 => Just(Step::FillAll),
        2 => Just(Step::EndToken),
        1 => Just(Step::Clear),
    ]
}

pub(crate) fn policy() -> impl Strategy<Value = PolicyKind> {
    prop_oneof![
        (0..6u32).prop_map(|k| PolicyKind::Window { tokens: NonZeroU32::new(k) }),
        (1..40u8).prop_map(|h| PolicyKind::Frequency { half_life: NonZeroU8::new(h).unwrap() }),
    ]
}

/// The cache, its twin, and the reads between them.
struct Pair {
    cache: SlotCache,
    twin: Twin,
    out: Admission,
    under_way: Vec<(UnitKey, Missing)>,
    mark: u8,
}

impl Pair {
    fn step(&mut self, step: &Step) {
        match step {
            Step::Admit { group, needed, beside } => self.admit(*group, needed, beside),
            Step::Reserve { group, wanted, most } => {
                let wanted: Vec<u32> = wanted.iter().copied().collect();
                self.cache.reserve(*group, &set(&wanted), *most, &mut self.out);
                let got: Vec<u32> = self.out.missing.iter().map(|miss| miss.neuron).collect();
                assert_eq!(got, self.twin.reserve(*group, &wanted, *most));
                self.begin(*group);
            }
            Step::Expect { group, used } => {
                let used: Vec<u32> = used.iter().copied().collect();
                self.twin.touch(*group, &used, self.twin.now + 1);
                self.cache.expect(*group, &set(&used));
            }
            Step::Fill(number) => self.fill(*number),
            Step::Abandon(number) => {
                if let Some((key, miss)) = self.pick(*number) {
                    self.twin.remove(key);
                    self.cache.abandon(key, miss.lease);
                }
            }
            Step::FillAll => (0..self.under_way.len()).for_each(|_| self.fill(0)),
            Step::Clear => {
                self.twin.entries.retain(|entry| entry.reading);
                self.cache.clear();
            }
            Step::EndToken => {
                self.twin.end_token();
                self.cache.end_token();
            }
        }
        self.compare();
    }

    fn pick(&mut self, number: usize) -> Option<(UnitKey, Missing)> {
        let count = self.under_way.len();
        (count > 0).then(|| self.under_way.swap_remove(number % count))
    }

    fn fill(&mut self, number: usize) {
        if let Some((key, mut miss)) = self.pick(number) {
            self.mark = self.mark.wrapping_add(1);
            miss.lease.fill(self.mark);
            self.twin.fill(key, self.mark);
            self.cache.fill(key, miss.lease);
        }
    }

    fn admit(&mut self, group: u32, needed: &BTreeSet<u32>, beside: &BTreeSet<u32>) {
        let beside: Vec<u32> = beside.difference(needed).copied().collect();
        let needed: Vec<u32> = needed.iter().copied().collect();
        let admitted = self.cache.admit_beside(group, &set(&needed), &set(&beside), &mut self.out);
        let got = admitted.ok().map(|()| Split {
            resident: self.out.resident.iter().map(|&(neuron, _)| neuron).collect(),
            pending: self.out.pending.iter().map(|&(neuron, _)| neuron).collect(),
            missing: self.out.missing.iter().map(|miss| miss.neuron).collect(),
        });
        assert_eq!(got, self.twin.admit(group, &needed, &beside));
        for &(neuron, slot) in &self.out.resident {
            assert_eq!(self.cache.lookup(key(group, neuron)), Some(slot));
        }
        for &(neuron, slot) in &self.out.pending {
            let read = self.under_way.iter().find(|(other, _)| *other == key(group, neuron));
            assert_eq!(read.unwrap().1.slot, slot);
        }
        self.begin(group);
    }

    fn begin(&mut self, group: u32) {
        for miss in self.out.missing.drain(..) {
            self.under_way.push((key(group, miss.neuron), miss));
        }
    }

    fn compare(&self) {
        let mut slots: Vec<usize> = self.under_way.iter().map(|(_, m)| m.slot.index()).collect();
        for group in 0..GROUPS {
            for neuron in 0..NEURONS {
                let key = key(group, neuron);
                let expected = self.twin.entries.iter().find(|e| e.key == key && !e.reading);
                let known = self.twin.entries.iter().any(|e| e.key == key);
                assert_eq!(self.cache.holds(key), known, "{key:?}");
                let slot = self.cache.lookup(key);
                assert_eq!(slot.is_some(), expected.is_some(), "{key:?}");
                if let (Some(slot), Some(entry)) = (slot, expected) {
                    assert!(self.cache.bytes(slot).iter().all(|&byte| byte == entry.mark));
                    slots.push(slot.index());
                }
            }
        }
        assert_eq!(self.cache.resident(), slots.len() - self.under_way.len());
        assert!(slots.len() <= self.cache.capacity());
        let distinct: BTreeSet<usize> = slots.iter().copied().collect();
        assert_eq!(distinct.len(), slots.len(), "a slot holds one record");
    }
}

/// Takes a cache and its twin through `steps`.
pub(crate) fn replay(policy: PolicyKind, slots: u32, steps: &[Step]) {
    let mut pair = Pair {
        cache: cache(&[NEURONS; GROUPS as usize], slots, policy),
        twin: Twin::new(GROUPS, slots as usize, policy),
        out: Admission::new(),
        under_way: vec![],
        mark: 0,
    };
    steps.iter().for_each(|step| pair.step(step));
}

proptest! {
    #[test]
    fn the_cache_agrees_with_its_twin(
        policy in policy(),
        slots in 1..60u32,
        steps in proptest::collection::vec(step(), 1..120),
    ) {
        replay(policy, slots, &steps);
    }
}
