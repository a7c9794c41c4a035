//! Every neuron is computed: pinned blocks at once, streamed blocks as they arrive, in ascending order.

use super::{NeuronMath, count_active};
use crate::RuntimeError;
use crate::block_stream::{BlockStream, LoadedBlock};
use crate::plan::ExactPlan;
use crate::records::RecordFile;
use crate::stats::Effort;
use candle_core::Tensor;
use flint_flash_io::Reader;
use flint_kernels::ops;
use flint_model::ModelError;
use std::sync::Arc;

/// The neurons of exact mode.
pub(crate) struct ExactNeurons {
    pub(super) effort: Effort,
    math: NeuronMath,
    plan: ExactPlan,
    file: Arc<RecordFile>,
    /// Pinned blocks of each layer: its first ones.
    pinned: Vec<Vec<LoadedBlock>>,
    stream: BlockStream,
    acts: Vec<f32>,
}

impl ExactNeurons {
    pub(crate) fn new(
        math: NeuronMath,
        plan: ExactPlan,
        file: Arc<RecordFile>,
        pinned: Vec<Vec<LoadedBlock>>,
        stream: BlockStream,
    ) -> ExactNeurons {
        let effort = Effort::default();
        ExactNeurons { effort, math, plan, file, pinned, stream, acts: Vec::new() }
    }

    pub(super) fn reader(&self) -> &Reader {
        self.stream.reader()
    }

    pub(super) fn begin(&mut self, _: usize, _: &Tensor) -> Result<(), ModelError> {
        self.stream.read_ahead();
        Ok(())
    }

    pub(super) fn finish(&mut self, layer: usize, input: &Tensor) -> Result<Tensor, ModelError> {
        let positions = input.dim(0)?;
        let mut sum = vec![0.0; positions * self.math.layout.width()];
        ops::with_slice(input, |x| self.sum(layer, positions, x, &mut sum))??;
        Ok(ops::from_vec(sum, (positions, self.math.layout.width()))?)
    }

    fn sum(
        &mut self,
        layer: usize,
        positions: usize,
        x: &[f32],
        sum: &mut [f32],
    ) -> Result<(), ModelError> {
        let layout = self.plan.layout;
        let pinned = std::mem::take(&mut self.pinned[layer]);
        self.add(layer, &pinned, positions, x, sum);
        let first_streamed = pinned.len() as u32;
        self.pinned[layer] = pinned;
        for index in first_streamed..layout.per_layer() {
            let block = layout.block(layer as u32, index);
            let loaded: Result<LoadedBlock, RuntimeError> = self.stream.take(block);
            let loaded = loaded.map_err(ModelError::supplier)?;
            self.effort.neurons_loaded += u64::from(block.count);
            self.add(layer, std::slice::from_ref(&loaded), positions, x, sum);
        }
        Ok(())
    }

    /// Computes consecutive blocks and adds them to `sum`.
    fn add(
        &mut self,
        layer: usize,
        blocks: &[LoadedBlock],
        positions: usize,
        x: &[f32],
        sum: &mut [f32],
    ) {
        let Some(first) = blocks.first().map(|loaded| loaded.block.first as usize) else { return };
        let records: Vec<&[u8]> = blocks
            .iter()
            .flat_map(|loaded| self.file.records(loaded.block, &loaded.lease[loaded.at.clone()]))
            .collect();
        let neurons = first..first + records.len();
        let biases = &self.math.biases[layer];
        let gate = biases.gate.as_ref().map(|bias| &bias[neurons.clone()]);
        let up = biases.up.as_ref().map(|bias| &bias[neurons]);
        self.acts.clear();
        self.acts.resize(positions * records.len(), 0.0);
        self.math.activate(&records, (gate, up), x, &mut self.acts);
        self.math.add_down(&records, &self.acts, sum);
        self.effort.neurons_predicted += self.acts.len() as u64;
        self.effort.neurons_active += count_active(&self.acts);
    }
}
