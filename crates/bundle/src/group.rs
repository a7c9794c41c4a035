//! A neuron group: where its records lie, in which order, and what each must hash to.

use flint_geometry::{Extent, RecordLayout};

/// The feed-forward of one layer: its records in stored order.
///
/// A *neuron* is an index of the model, a *position* counts records from the start of the group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    pub(crate) record: RecordLayout,
    /// First byte in the neurons file.
    pub(crate) start: u64,
    /// Index of the gate bias in the tensor table.
    pub(crate) gate_bias: Option<u32>,
    /// Index of the up bias in the tensor table.
    pub(crate) up_bias: Option<u32>,
    /// Neuron at each position; empty when ascending.
    order: Vec<u32>,
    /// Position of each neuron; empty when ascending.
    positions: Vec<u32>,
    /// CRC-32C of each record's payload, by position.
    crcs: Vec<u32>,
}

impl Group {
    /// A group without biases whose `order` is empty or a permutation, with a checksum per record.
    pub(crate) fn new(
        record: RecordLayout,
        start: u64,
        mut order: Vec<u32>,
        crcs: Vec<u32>,
    ) -> Group {
        if order.iter().copied().eq(0..order.len() as u32) {
            order.clear();
        }
        let mut positions = vec![0; order.len()];
        for (position, &neuron) in (0u32..).zip(&order) {
            positions[neuron as usize] = position;
        }
        Group { record, start, gate_bias: None, up_bias: None, order, positions, crcs }
    }

    /// How many neurons the group has.
    pub fn neurons(&self) -> u32 {
        self.crcs.len() as u32
    }

    /// All records with the padding after each, in the neurons file.
    pub fn extent(&self) -> Extent {
        self.within(0, u64::from(self.neurons()) * self.record.stride())
    }

    /// The payload of the record at `position`, in the neurons file.
    ///
    /// # Panics
    /// When the group has no such position.
    pub fn record_extent(&self, position: u32) -> Extent {
        assert!(position < self.neurons(), "no position {position} in {}", self.neurons());
        let offset = u64::from(position) * self.record.stride();
        self.within(offset, self.record.payload_bytes() as u64)
    }

    /// CRC-32C of the payload of the record at `position`.
    ///
    /// # Panics
    /// When the group has no such position.
    pub fn record_crc(&self, position: u32) -> u32 {
        self.crcs[position as usize]
    }

    /// Which neuron is stored at `position`.
    ///
    /// # Panics
    /// When the group has no such position.
    pub fn neuron_at(&self, position: u32) -> u32 {
        assert!(position < self.neurons(), "no position {position} in {}", self.neurons());
        self.order.get(position as usize).copied().unwrap_or(position)
    }

    /// Where `neuron` is stored.
    ///
    /// # Panics
    /// When the group has no such neuron.
    pub fn position_of(&self, neuron: u32) -> u32 {
        assert!(neuron < self.neurons(), "no neuron {neuron} in {}", self.neurons());
        self.positions.get(neuron as usize).copied().unwrap_or(neuron)
    }

    /// Neuron at each position; empty when ascending.
    pub(crate) fn order(&self) -> &[u32] {
        &self.order
    }

    /// Checksums by position.
    pub(crate) fn crcs(&self) -> &[u32] {
        &self.crcs
    }

    fn within(&self, offset: u64, len: u64) -> Extent {
        // The whole group lies inside a file whose length was checked, so its offsets fit.
        Extent::new(self.start + offset, len)
            .unwrap_or_else(|| unreachable!("a group inside its file"))
    }
}
