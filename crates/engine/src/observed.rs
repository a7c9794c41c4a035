//! What whoever watches an engine is told.

use std::time::Duration;

/// A layer's weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LayerHeld {
    /// Bytes of all of them.
    pub bytes: u64,
    /// Bytes that stay in memory; in sparse mode the layer's share of all slots.
    pub held: u64,
}

/// What a layer took in a pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LayerPass {
    /// Bytes that came while it was computed, those that were read ahead for later layers among them.
    pub bytes_read: u64,
    /// How long it took.
    pub time: Duration,
}

/// Work so far; subtract two for an interval.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Counts {
    /// Forward passes.
    pub passes: u64,
    /// Rows that went through them.
    pub rows: u64,
    /// Requests to the device.
    pub reads: u64,
    /// Bytes asked of the device.
    pub bytes_read: u64,
    /// Neurons computed.
    pub neurons_computed: u64,
    /// Neurons read.
    pub neurons_read: u64,
    /// Experts that passes went through, each once for all of a pass's rows.
    pub experts_computed: u64,
    /// Experts that were read for them.
    pub experts_read: u64,
    /// Time in which passes stood still for reads.
    pub io_wait: Duration,
    /// Time of predictors, and for finding and freeing slots.
    pub choosing: Duration,
}
