//! The cache: composes the memory, the map and the ranking; every record is in exactly one state.

use crate::admission::{Admission, Missing, Slot};
use crate::arena::Arena;
use crate::config::CacheConfig;
use crate::error::CacheError;
use crate::policy::{Policy, TICKS};
use crate::ranking::Ranking;
use crate::residency::{Place, Residency};
use flint_geometry::{UnitKey, UnitSet};
use flint_iobuf::Lease;

/// Token number at which time starts over: scores keep to 31 bits, with room for uses ahead of now.
const HORIZON: u32 = 1 << 26;

/// What a cache has done since it was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Needed records that caused no read: resident, or asked for by an earlier admission.
    pub hits: u64,
    /// Needed records that had to be read.
    pub misses: u64,
    /// Records that were given a slot before anybody knew that they are needed.
    pub guesses: u64,
    /// Records that left because their slot was wanted.
    pub evictions: u64,
    /// Records that left because no token of the window used them.
    pub expirations: u64,
}

/// Slots for records, what lies in them, and who leaves next. Sharing it shares the resident bytes.
#[derive(Debug)]
pub struct SlotCache {
    arena: Arena,
    residency: Residency,
    ranking: Ranking,
    policy: Box<dyn Policy>,
    /// The token that is being computed.
    now: u32,
    resident: usize,
    footprint: u64,
    counters: Counters,
}

impl SlotCache {
    /// A cache with as many slots as fit in `budget` bytes, map and bookkeeping included, though never
    /// more than there are records. The slots are not touched until they are filled.
    ///
    /// # Errors
    /// When not even one slot fits (nothing is reserved then), or when the system refuses the memory.
    ///
    /// # Panics
    /// When `config` has no records or slots of no bytes.
    pub fn new(config: &CacheConfig, budget: u64) -> Result<SlotCache, CacheError> {
        assert!(config.slot_bytes > 0, "a slot must hold a record");
        assert!(config.groups.iter().any(|&neurons| neurons > 0), "there must be records to hold");
        let slots = config.slots_for(budget);
        if slots == 0 {
            return Err(CacheError::BudgetTooSmall { budget, minimum: config.bytes_for(1) });
        }
        Ok(SlotCache {
            arena: Arena::new(slots, config.slot_bytes)?,
            residency: Residency::new(&config.groups),
            ranking: Ranking::new(&config.groups),
            policy: config.policy.build(),
            now: 0,
            resident: 0,
            footprint: config.bytes_for(slots),
            counters: Counters::default(),
        })
    }

    /// Slots in all.
    pub fn capacity(&self) -> usize {
        self.arena.slots()
    }

    /// Bytes accounted for: slots, map and bookkeeping.
    pub fn footprint(&self) -> u64 {
        self.footprint
    }

    /// Records that can be used now.
    pub fn resident(&self) -> usize {
        self.resident
    }

    /// What was done so far.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Splits what the visit of `group` needs into resident, pending and missing records, and gives the
    /// missing ones slots, for which others are evicted: never a record of `needed`, never one that is
    /// being read. A resident slot keeps its bytes until the next call of `admit` or
    /// [`end_token`](SlotCache::end_token).
    ///
    /// # Errors
    /// [`CacheError::NotEnoughSlots`], after which the cache is as it was and `out` is empty.
    ///
    /// # Panics
    /// When the group or a neuron does not exist, or when `out` still holds leases of the last call.
    pub fn admit(
        &mut self,
        group: u32,
        needed: &UnitSet,
        out: &mut Admission,
    ) -> Result<(), CacheError> {
        self.admit_beside(group, needed, &UnitSet::new(), out)
    }

    /// The same while records of `beside`, of the same group and none of them in `needed`, are still in
    /// use: those keep their slots too.
    ///
    /// # Errors
    /// As for [`SlotCache::admit`].
    ///
    /// # Panics
    /// As for [`SlotCache::admit`].
    pub fn admit_beside(
        &mut self,
        group: u32,
        needed: &UnitSet,
        beside: &UnitSet,
        out: &mut Admission,
    ) -> Result<(), CacheError> {
        self.split(group, needed, out);
        let used = beside.iter().filter(|&neuron| self.is_resident(group, neuron)).count();
        let available = self.arena.free() + self.resident - out.resident.len() - used;
        let missing = out.absent.len();
        if missing > available {
            out.clear();
            let slots = self.capacity();
            return Err(CacheError::NotEnoughSlots { group, missing, available, slots });
        }
        if missing > self.arena.free() {
            let count = missing - self.arena.free();
            self.hold(group, beside.iter());
            self.make_room(group, group, count, &out.resident);
            self.release(group, beside.iter());
        }
        self.use_residents(group, &out.resident);
        self.lend(group, out);
        self.counters.hits += (out.resident.len() + out.pending.len()) as u64;
        self.counters.misses += missing as u64;
        Ok(())
    }

    /// Gives slots to records of `wanted` that the next visit of `group` might need, as many as can be had
    /// without evicting any of `wanted`; none of them counts as used. Only `out.missing` is of interest;
    /// what comes of it ends in [`SlotCache::fill`] or [`SlotCache::abandon`] like any other.
    ///
    /// # Panics
    /// When the group or a neuron does not exist, or when `out` still holds leases of the last call.
    pub fn reserve(&mut self, group: u32, wanted: &UnitSet, most: usize, out: &mut Admission) {
        self.split(group, wanted, out);
        let available = self.arena.free() + self.resident - out.resident.len();
        out.absent.truncate(available.min(most));
        let missing = out.absent.len();
        if missing > self.arena.free() {
            // The visit is still to come, so the group before was the last one visited.
            let groups = self.ranking.groups() as u32;
            let visited = (group + groups - 1) % groups;
            self.make_room(visited, group, missing - self.arena.free(), &out.resident);
            self.release(group, out.resident.iter().map(|&(neuron, _)| neuron));
        }
        self.lend(group, out);
        self.counters.guesses += missing as u64;
    }

    /// Counts a use of the records of `used` that are resident as one by the next token: they outlast what
    /// was used by this one. For what the end of a prompt used, which is more than one token old as a whole.
    pub fn expect(&mut self, group: u32, used: &UnitSet) {
        let (policy, next) = (&self.policy, self.now + 1);
        for neuron in used.iter().filter(|&neuron| is_resident(&self.residency, group, neuron)) {
            let key = UnitKey { group, neuron };
            self.ranking.set(key, |earlier| policy.score(next, earlier));
        }
    }

    /// Takes back the lease of a missing record, whose bytes are now in place: it is resident.
    ///
    /// # Panics
    /// When no read of `key` is under way, or when `lease` is that of another slot.
    pub fn fill(&mut self, key: UnitKey, lease: Lease) {
        let slot = self.slot_being_read(key);
        self.arena.hold(slot, lease);
        self.residency.set(key, Place::Resident(slot));
        self.resident += 1;
        self.score(key);
    }

    /// Gives up the read of a missing record: it is absent again, and its slot free.
    ///
    /// # Panics
    /// When no read of `key` is under way, or when `lease` is that of another slot.
    pub fn abandon(&mut self, key: UnitKey, lease: Lease) {
        let slot = self.slot_being_read(key);
        self.arena.take_back(slot, lease);
        self.residency.set(key, Place::Absent);
    }

    /// The slot of a resident record.
    ///
    /// # Panics
    /// When there is no such record.
    pub fn lookup(&self, key: UnitKey) -> Option<Slot> {
        match self.residency.get(key) {
            Place::Resident(slot) => Some(slot),
            Place::Absent | Place::Reading(_) => None,
        }
    }

    /// Whether a record is resident or being read.
    ///
    /// # Panics
    /// When there is no such record.
    pub fn holds(&self, key: UnitKey) -> bool {
        self.residency.get(key) != Place::Absent
    }

    /// The bytes of a resident slot, padding included.
    ///
    /// # Panics
    /// When the slot holds no record: it is free, or lent to a reader.
    pub fn bytes(&self, slot: Slot) -> &[u8] {
        self.arena.bytes(slot)
    }

    /// Ends a token: what the policy's window no longer covers is freed.
    pub fn end_token(&mut self) {
        self.now += 1;
        if self.now == HORIZON {
            self.now /= 2;
            self.ranking.rebase(self.now);
        }
        let Some(window) = self.policy.window() else { return };
        let (residency, arena, resident) =
            (&mut self.residency, &mut self.arena, &mut self.resident);
        let before = *resident;
        self.ranking.evict_before(self.now.saturating_sub(window), |key| {
            free(residency, arena, resident, key);
        });
        self.counters.expirations += (before - self.resident) as u64;
    }

    /// Frees every slot that holds a record.
    pub fn clear(&mut self) {
        let (residency, arena, resident) =
            (&mut self.residency, &mut self.arena, &mut self.resident);
        self.ranking.evict_before(u32::MAX / TICKS, |key| free(residency, arena, resident, key));
    }

    /// Sorts `needed` into resident, pending and absent.
    fn split(&mut self, group: u32, needed: &UnitSet, out: &mut Admission) {
        assert!(out.missing.is_empty(), "leases of the last admission were not taken");
        out.clear();
        for neuron in needed.iter() {
            match self.residency.get(UnitKey { group, neuron }) {
                Place::Resident(slot) => out.resident.push((neuron, slot)),
                Place::Reading(slot) => out.pending.push((neuron, slot)),
                Place::Absent => out.absent.push(neuron),
            }
        }
    }

    /// Evicts `count` records as seen from a visit to `visited`, none of them in `keep` of `group`.
    fn make_room(&mut self, visited: u32, group: u32, count: usize, keep: &[(u32, Slot)]) {
        self.hold(group, keep.iter().map(|&(neuron, _)| neuron));
        let (residency, arena, resident) =
            (&mut self.residency, &mut self.arena, &mut self.resident);
        let evicted = self.ranking.evict(visited, count, |key| {
            free(residency, arena, resident, key);
        });
        assert_eq!(evicted, count, "a resident record has no score");
        self.counters.evictions += count as u64;
    }

    /// Keeps resident records from being evicted.
    fn hold(&mut self, group: u32, neurons: impl Iterator<Item = u32>) {
        for neuron in neurons.filter(|&neuron| is_resident(&self.residency, group, neuron)) {
            self.ranking.hold(UnitKey { group, neuron });
        }
    }

    /// Lets those go that were held and not used since.
    fn release(&mut self, group: u32, neurons: impl Iterator<Item = u32>) {
        for neuron in neurons.filter(|&neuron| is_resident(&self.residency, group, neuron)) {
            self.ranking.release(UnitKey { group, neuron });
        }
    }

    fn use_residents(&mut self, group: u32, used: &[(u32, Slot)]) {
        for &(neuron, _) in used {
            self.score(UnitKey { group, neuron });
        }
    }

    /// Counts a use of a resident record.
    fn score(&mut self, key: UnitKey) {
        let (policy, now) = (&self.policy, self.now);
        self.ranking.set(key, |earlier| policy.score(now, earlier));
    }

    fn is_resident(&self, group: u32, neuron: u32) -> bool {
        is_resident(&self.residency, group, neuron)
    }

    /// Gives each absent neuron of `out` a free slot.
    fn lend(&mut self, group: u32, out: &mut Admission) {
        for neuron in out.absent.drain(..) {
            let Some((slot, lease)) = self.arena.lend() else {
                unreachable!("room was made for every absent record")
            };
            self.residency.set(UnitKey { group, neuron }, Place::Reading(slot));
            out.missing.push(Missing { neuron, slot, lease });
        }
    }

    fn slot_being_read(&self, key: UnitKey) -> Slot {
        match self.residency.get(key) {
            Place::Reading(slot) => slot,
            place => panic!("no read of {key:?} is under way: it is {place:?}"),
        }
    }
}

fn is_resident(residency: &Residency, group: u32, neuron: u32) -> bool {
    matches!(residency.get(UnitKey { group, neuron }), Place::Resident(_))
}

/// Takes a resident record out of its slot.
fn free(residency: &mut Residency, arena: &mut Arena, resident: &mut usize, key: UnitKey) {
    if let Place::Resident(slot) = residency.get(key) {
        arena.release(slot);
        residency.set(key, Place::Absent);
        *resident -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PolicyKind;

    #[test]
    fn time_starts_over_without_changing_who_leaves() {
        for policy in [PolicyKind::OPEN_WINDOW, PolicyKind::FREQUENCY] {
            let config = CacheConfig { groups: vec![9], slot_bytes: 8, policy };
            let mut cache = SlotCache::new(&config, config.bytes_for(3)).unwrap();
            cache.now = HORIZON - 2;
            let mut out = Admission::new();
            let mut need = |cache: &mut SlotCache, neuron| {
                let needed = UnitSet::from_unsorted(vec![neuron]);
                cache.admit(0, &needed, &mut out).unwrap();
                for miss in out.missing.drain(..) {
                    cache.fill(UnitKey { group: 0, neuron: miss.neuron }, miss.lease);
                }
                cache.end_token();
            };
            // The time of 0 lies before the start over, that of 2 after it.
            for neuron in [0, 1, 2, 3] {
                need(&mut cache, neuron);
            }
            assert!(cache.now < HORIZON);
            let resident = |neuron| cache.lookup(UnitKey { group: 0, neuron }).is_some();
            assert_eq!([0, 1, 2, 3].map(resident), [false, true, true, true]);
        }
    }
}
