//! The answer to one need: what is resident, what is on its way, what must be read.

use flint_iobuf::Lease;

/// A place for one record in DRAM.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot(pub(crate) u32);

impl Slot {
    /// Index of the slot, below [`SlotCache::capacity`](crate::SlotCache::capacity).
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// A needed record that must be read, with the memory for it.
#[derive(Debug)]
pub struct Missing {
    /// Index of the neuron inside its group.
    pub neuron: u32,
    /// The slot that will hold the record.
    pub slot: Slot,
    /// The memory of the slot, for whoever reads the record. It comes back through
    /// [`SlotCache::fill`](crate::SlotCache::fill) or [`SlotCache::abandon`](crate::SlotCache::abandon).
    pub lease: Lease,
}

/// What [`SlotCache::admit`](crate::SlotCache::admit) found. Every list ascends by neuron. Reuse one
/// value: its memory is kept from call to call.
#[derive(Debug, Default)]
pub struct Admission {
    /// Neurons whose records can be used now, with their slots.
    pub resident: Vec<(u32, Slot)>,
    /// Neurons whose records an earlier admission asked for and whose read is still under way.
    pub pending: Vec<(u32, Slot)>,
    /// Neurons whose records must be read. To be taken out (`drain`) before the next admission.
    pub missing: Vec<Missing>,
    /// Neurons without a slot, while the cache looks for slots.
    pub(crate) absent: Vec<u32>,
}

impl Admission {
    /// An empty answer without memory.
    pub fn new() -> Admission {
        Admission::default()
    }

    /// Empties the lists and keeps their memory.
    pub(crate) fn clear(&mut self) {
        self.resident.clear();
        self.pending.clear();
        self.absent.clear();
    }
}
