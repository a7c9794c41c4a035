//! The memory of all slots: a lease lies here exactly while its slot is resident or free.

use crate::admission::Slot;
use flint_iobuf::{Lease, MapError, PAGE, Pool};

/// The leases of one pool. The index of a lease in its pool is its slot.
#[derive(Debug)]
pub(crate) struct Arena {
    /// By slot: present while the slot holds a record that may be read.
    resident: Vec<Option<Lease>>,
    /// Leases of slots that hold nothing; the last is handed out next.
    free: Vec<Lease>,
}

impl Arena {
    /// The map keeps a slot in 31 bits, one value of which says "no slot".
    pub(crate) const MOST_SLOTS: u32 = (1 << 31) - 1;

    /// Bytes of an arena: the slots in whole pages, two lists of leases, the pool's own list.
    pub(crate) fn bytes_for(slots: u32, slot_bytes: usize) -> u64 {
        let lists = size_of::<Option<Lease>>() + size_of::<Lease>() + size_of::<u32>();
        (slot_bytes as u64)
            .checked_mul(u64::from(slots))
            .and_then(|bytes| bytes.max(1).checked_next_multiple_of(PAGE as u64))
            .and_then(|bytes| bytes.checked_add(u64::from(slots) * lists as u64))
            .unwrap_or(u64::MAX)
    }

    pub(crate) fn new(slots: u32, slot_bytes: usize) -> Result<Arena, MapError> {
        let pool = Pool::new(slots, slot_bytes)?;
        let mut free = Vec::with_capacity(slots as usize);
        free.extend(std::iter::from_fn(|| pool.take()));
        // The last is handed out next: the lowest slots first.
        free.reverse();
        let resident = std::iter::repeat_with(|| None).take(slots as usize).collect();
        Ok(Arena { resident, free })
    }

    /// Slots in all.
    pub(crate) fn slots(&self) -> usize {
        self.resident.len()
    }

    /// Slots that hold nothing.
    pub(crate) fn free(&self) -> usize {
        self.free.len()
    }

    /// Takes the memory of a free slot.
    pub(crate) fn lend(&mut self) -> Option<(Slot, Lease)> {
        self.free.pop().map(|lease| (Slot(lease.index()), lease))
    }

    /// Takes back a lent lease whose bytes are a record.
    pub(crate) fn hold(&mut self, slot: Slot, lease: Lease) {
        assert_eq!(lease.index(), slot.0, "the lease of another slot came back");
        self.resident[slot.index()] = Some(lease);
    }

    /// Takes back a lent lease whose bytes are nothing.
    pub(crate) fn take_back(&mut self, slot: Slot, lease: Lease) {
        assert_eq!(lease.index(), slot.0, "the lease of another slot came back");
        self.free.push(lease);
    }

    /// Frees a resident slot.
    pub(crate) fn release(&mut self, slot: Slot) {
        if let Some(lease) = self.resident[slot.index()].take() {
            self.free.push(lease);
        }
    }

    /// The bytes of a resident slot.
    pub(crate) fn bytes(&self, slot: Slot) -> &[u8] {
        match &self.resident[slot.index()] {
            Some(lease) => lease,
            None => panic!("slot {} holds no record", slot.0),
        }
    }
}
