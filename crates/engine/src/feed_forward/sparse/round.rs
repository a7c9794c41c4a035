//! Neurons of one layer that are computed together: where they are, and their activations in order.

use flint_dram_cache::Slot;
use flint_geometry::UnitSet;

/// Collects activations as records become ready, in any order, and gives them out ascending by neuron.
#[derive(Debug, Default)]
pub(super) struct Round {
    neurons: UnitSet,
    /// Where each neuron's record is; known once its activations are.
    slots: Vec<Option<Slot>>,
    /// positions x neurons.
    acts: Vec<f32>,
}

impl Round {
    /// Starts over with these neurons.
    pub(super) fn start(&mut self, neurons: UnitSet, positions: usize) {
        self.slots.clear();
        self.slots.resize(neurons.len(), None);
        self.acts.clear();
        self.acts.resize(positions * neurons.len(), 0.0);
        self.neurons = neurons;
    }

    /// The neurons of the round.
    pub(super) fn neurons(&self) -> &UnitSet {
        &self.neurons
    }

    /// Puts activations (positions x ready) of `ready` neurons, ascending, in their places.
    pub(super) fn put(&mut self, ready: &[(u32, Slot)], acts: &[f32]) {
        let all = self.neurons.len();
        let mut column = 0;
        for (from, &(neuron, slot)) in ready.iter().enumerate() {
            // Both lists ascend, so the search goes on where it stopped.
            let rest = &self.neurons.as_slice()[column..];
            column += rest.partition_point(|&other| other < neuron);
            self.slots[column] = Some(slot);
            for (row, some) in self.acts.chunks_exact_mut(all).zip(acts.chunks_exact(ready.len())) {
                row[column] = some[from];
            }
        }
    }

    /// Zeroes what a position did not predict: a neuron counts only where it was asked for, whoever else
    /// of the chunk asked for it.
    pub(super) fn keep_predicted(&mut self, sets: &[UnitSet]) {
        if let [_] = sets {
            return;
        }
        for (row, set) in self.acts.chunks_exact_mut(self.neurons.len()).zip(sets) {
            let mut wanted = set.iter().peekable();
            for (act, neuron) in row.iter_mut().zip(self.neurons.iter()) {
                while wanted.next_if(|&other| other < neuron).is_some() {}
                if wanted.peek() != Some(&neuron) {
                    *act = 0.0;
                }
            }
        }
    }

    /// positions x neurons, ascending by neuron.
    pub(super) fn acts(&self) -> &[f32] {
        &self.acts
    }

    /// Every neuron with its slot, ascending.
    pub(super) fn slots(&self) -> impl Iterator<Item = (u32, Slot)> + '_ {
        self.neurons.iter().zip(&self.slots).map(|(neuron, slot)| {
            let slot = slot.unwrap_or_else(|| unreachable!("neuron {neuron} was never computed"));
            (neuron, slot)
        })
    }
}
