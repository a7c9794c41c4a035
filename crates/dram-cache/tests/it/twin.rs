//! The slow obvious twin: a list of entries, searched from end to end.

use flint_dram_cache::{Policy, PolicyKind, TICKS};
use flint_geometry::UnitKey;
use std::cmp::Reverse;

/// A record in a slot, or on its way into one.
pub(crate) struct Entry {
    pub(crate) key: UnitKey,
    pub(crate) reading: bool,
    /// What its bytes were filled with.
    pub(crate) mark: u8,
    /// The tokens that used it since it is resident.
    uses: Vec<u32>,
}

pub(crate) struct Twin {
    pub(crate) entries: Vec<Entry>,
    groups: u32,
    capacity: usize,
    kind: PolicyKind,
    policy: Box<dyn Policy>,
    pub(crate) now: u32,
}

/// The neurons of one need.
#[derive(Debug, PartialEq)]
pub(crate) struct Split {
    pub(crate) resident: Vec<u32>,
    pub(crate) pending: Vec<u32>,
    pub(crate) missing: Vec<u32>,
}

impl Twin {
    pub(crate) fn new(groups: u32, capacity: usize, kind: PolicyKind) -> Twin {
        let (entries, policy) = (Vec::new(), kind.build());
        Twin { entries, groups, capacity, kind, policy, now: 0 }
    }

    pub(crate) fn find(&mut self, key: UnitKey) -> Option<&mut Entry> {
        self.entries.iter_mut().find(|entry| entry.key == key)
    }

    /// `None` when there are too few slots.
    pub(crate) fn admit(&mut self, group: u32, needed: &[u32], beside: &[u32]) -> Option<Split> {
        let split = self.split(group, needed);
        let kept = |entry: &Entry| {
            let neuron = &entry.key.neuron;
            let used = needed.contains(neuron) || beside.contains(neuron);
            entry.reading || entry.key.group == group && used
        };
        let occupied = self.entries.iter().filter(|entry| kept(entry)).count();
        if occupied + split.missing.len() > self.capacity {
            return None;
        }
        self.make_room(group, split.missing.len(), kept);
        self.touch(group, &split.resident, self.now);
        self.begin(group, &split.missing);
        Some(split)
    }

    /// As many records as can be had, up to `most`, are begun; returns them.
    pub(crate) fn reserve(&mut self, group: u32, wanted: &[u32], most: usize) -> Vec<u32> {
        let mut missing = self.split(group, wanted).missing;
        let kept = |entry: &Entry| {
            entry.reading || entry.key.group == group && wanted.contains(&entry.key.neuron)
        };
        let occupied = self.entries.iter().filter(|entry| kept(entry)).count();
        missing.truncate(most.min(self.capacity - occupied));
        let before = (group + self.groups - 1) % self.groups;
        self.make_room(before, missing.len(), kept);
        self.begin(group, &missing);
        missing
    }

    /// Counts a use at `now`.
    pub(crate) fn touch(&mut self, group: u32, used: &[u32], now: u32) {
        for &neuron in used {
            if let Some(entry) = self.find(UnitKey { group, neuron }).filter(|e| !e.reading) {
                entry.uses.push(now);
            }
        }
    }

    fn split(&mut self, group: u32, needed: &[u32]) -> Split {
        let mut split = Split { resident: vec![], pending: vec![], missing: vec![] };
        for &neuron in needed {
            match self.find(UnitKey { group, neuron }) {
                Some(entry) if entry.reading => split.pending.push(neuron),
                Some(_) => split.resident.push(neuron),
                None => split.missing.push(neuron),
            }
        }
        split
    }

    fn make_room(&mut self, visiting: u32, missing: usize, mut kept: impl FnMut(&Entry) -> bool) {
        while self.entries.len() + missing > self.capacity {
            let victim = self.victim(visiting, &mut kept);
            self.entries.swap_remove(victim);
        }
    }

    fn begin(&mut self, group: u32, missing: &[u32]) {
        for &neuron in missing {
            let key = UnitKey { group, neuron };
            self.entries.push(Entry { key, reading: true, mark: 0, uses: vec![] });
        }
    }

    pub(crate) fn fill(&mut self, key: UnitKey, mark: u8) {
        let now = self.now;
        let entry = self.find(key).unwrap();
        (entry.reading, entry.mark) = (false, mark);
        entry.uses.push(now);
    }

    pub(crate) fn remove(&mut self, key: UnitKey) {
        self.entries.retain(|entry| entry.key != key);
    }

    pub(crate) fn end_token(&mut self) {
        self.now += 1;
        if let PolicyKind::Window { tokens: Some(tokens) } = self.kind {
            let now = self.now;
            let covered = |token: &u32| token + tokens.get() >= now;
            self.entries.retain(|entry| entry.reading || entry.uses.iter().any(covered));
        }
    }

    fn victim(&self, visiting: u32, kept: &mut impl FnMut(&Entry) -> bool) -> usize {
        let groups = self.groups;
        let worth = |entry: &Entry| {
            let group = entry.key.group;
            let distance = (group + groups - visiting - 1) % groups;
            // How it will stand at its next visit: later in this token, or in the next.
            let age = self.now + u32::from(group <= visiting) + 100_000 - self.token(&entry.uses);
            (Reverse(age), Reverse(distance), entry.key.neuron)
        };
        let candidates = self.entries.iter().enumerate().filter(|(_, entry)| !kept(entry));
        candidates.min_by_key(|(_, entry)| worth(entry)).unwrap().0
    }

    /// The token that a record's uses are worth.
    fn token(&self, uses: &[u32]) -> u32 {
        match self.kind {
            // The last in time, which may have been said earlier: a use that is expected.
            PolicyKind::Window { .. } => *uses.iter().max().unwrap(),
            PolicyKind::Frequency { .. } => {
                let score =
                    uses.iter().fold(None, |score, &token| Some(self.policy.score(token, score)));
                score.unwrap() / TICKS
            }
        }
    }
}
