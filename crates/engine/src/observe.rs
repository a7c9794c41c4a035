//! What an engine holds and does, for those who watch it.

use crate::engine::Engine;
use crate::observed::{Counts, LayerHeld, LayerPass};
use crate::plan::{DenseCosts, NeuronPlan};
use flint_geometry::UnitSet;
use flint_model::TensorRole;

impl Engine {
    /// What was done so far.
    pub fn counts(&self) -> Counts {
        let effort = self.effort();
        Counts {
            passes: self.passes,
            rows: self.rows,
            reads: effort.reads,
            bytes_read: effort.bytes_read,
            neurons_computed: effort.neurons_predicted,
            neurons_read: effort.neurons_loaded,
            experts_computed: effort.experts_touched,
            experts_read: effort.experts_loaded,
            io_wait: effort.io_wait,
            choosing: effort.cache + effort.predictor,
        }
    }

    /// The experts that the last pass went through, by layer; nothing of models without.
    pub fn last_experts(&self) -> &[UnitSet] {
        self.neurons.last_experts()
    }

    /// What each layer took in the last pass.
    pub fn last_pass(&self) -> &[LayerPass] {
        &self.last_pass
    }

    /// What each layer holds in memory, as planned.
    pub fn layers_held(&self) -> Vec<LayerHeld> {
        let mut layers = vec![LayerHeld::default(); self.architecture().layers];
        let streamed = &self.plan.dense.body.matrices;
        for tensor in DenseCosts::of(&self.files, 1).tensors {
            let TensorRole::Layer(layer, _) = tensor.role else { continue };
            let bytes = tensor.rows * tensor.row_bytes;
            layers[layer].bytes += bytes;
            if streamed.iter().all(|&(role, _)| role != tensor.role) {
                layers[layer].held += bytes;
            }
        }
        if let Some(bundle) = self.files.records() {
            let count = layers.len() as u64;
            let bytes = bundle.shape().neuron_bytes() / count.max(1);
            for (index, layer) in (0..).zip(&mut layers) {
                layer.bytes += bytes;
                layer.held += match &self.plan.neurons {
                    NeuronPlan::Exact(exact) => {
                        let blocks = u64::from(exact.layout.per_layer()).max(1);
                        bytes * u64::from(exact.pinned_of(index)) / blocks
                    }
                    NeuronPlan::Sparse { bytes: slots, .. } => bytes.min(slots / count.max(1)),
                    NeuronPlan::Experts(_) => 0,
                };
            }
        }
        if let NeuronPlan::Experts(plan) = &self.plan.neurons {
            for (class, bytes) in &plan.caches {
                for &layer in &class.layers {
                    let count = class.layers.len() as u64;
                    layers[layer].bytes += class.bank_bytes / count;
                    layers[layer].held += bytes / count;
                }
            }
        }
        layers
    }
}
