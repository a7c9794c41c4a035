//! Every neuron is computed: pinned blocks at once, streamed blocks as they arrive, in ascending order.

use super::{NeuronMath, count_active};
use crate::plan::ExactPlan;
use crate::plan::MAX_NEURONS_PER_ROUND;
use crate::read_ahead::ReadAhead;
use crate::reads::Reads;
use crate::records::{LoadedBlock, RecordFile};
use crate::stats::PassCounters;
use crate::{CancelToken, EngineError};
use candle_core::Tensor;
use flint_kernels::ops;
use flint_model::ModelError;
use std::ops::Range;
use std::sync::Arc;

/// Part of the ring that is computed on at once, as a divisor.
const RING_SHARE: usize = 3;

/// The neurons of exact mode.
pub(crate) struct ExactNeurons {
    pub(super) effort: PassCounters,
    math: NeuronMath,
    plan: ExactPlan,
    file: Arc<RecordFile>,
    /// Pinned blocks of each layer: its first ones.
    pinned: Vec<Vec<LoadedBlock>>,
    /// The other blocks, layer after layer.
    stream: ReadAhead,
    /// Where in the stream each layer's blocks begin.
    first_streamed: Vec<usize>,
    acts: Vec<f32>,
}

impl ExactNeurons {
    /// `stream` reads, for each layer in turn, the blocks of `plan` that are not pinned.
    pub(crate) fn new(
        math: NeuronMath,
        plan: ExactPlan,
        file: Arc<RecordFile>,
        pinned: Vec<Vec<LoadedBlock>>,
        stream: ReadAhead,
    ) -> ExactNeurons {
        let mut before = 0;
        let first_streamed = pinned.iter().map(|pinned| {
            let first = before;
            before += plan.layout.per_layer() as usize - pinned.len();
            first
        });
        let first_streamed = first_streamed.collect();
        let (effort, acts) = (PassCounters::default(), Vec::new());
        ExactNeurons { effort, math, plan, file, pinned, stream, first_streamed, acts }
    }

    pub(super) fn reads(&self) -> &Reads {
        self.stream.reads()
    }

    pub(super) fn begin_pass(&mut self, cancel: &CancelToken) {
        self.stream.begin_pass(cancel);
    }

    pub(super) fn begin(&mut self, _: usize, _: &Tensor) -> Result<(), ModelError> {
        self.stream.go_on();
        Ok(())
    }

    pub(super) fn finish(&mut self, layer: usize, input: &Tensor) -> Result<Tensor, ModelError> {
        let positions = input.dim(0)?;
        let mut sum = vec![0.0; positions * self.math.layout.width()];
        ops::with_slice(input, |x| self.sum(layer, positions, x, &mut sum))?
            .map_err(ModelError::supplier)?;
        Ok(ops::from_vec(sum, (positions, self.math.layout.width()))?)
    }

    /// How neurons are computed.
    pub(crate) fn math(&self) -> &NeuronMath {
        &self.math
    }

    /// Which are pinned.
    pub(crate) fn plan(&self) -> &ExactPlan {
        &self.plan
    }

    /// Where they lie.
    pub(crate) fn file(&self) -> &RecordFile {
        &self.file
    }

    /// Adds what the pinned neurons of a layer give.
    fn add_pinned(&mut self, layer: usize, positions: usize, x: &[f32], sum: &mut [f32]) {
        let pinned = std::mem::take(&mut self.pinned[layer]);
        for blocks in pinned.chunks(self.together()) {
            self.add(layer, blocks, positions, x, sum);
        }
        self.pinned[layer] = pinned;
    }

    /// The same for a pass that does not count.
    pub(crate) fn add_pinned_uncounted(
        &mut self,
        layer: usize,
        positions: usize,
        x: &[f32],
        sum: &mut [f32],
    ) {
        let effort = self.effort;
        self.add_pinned(layer, positions, x, sum);
        self.effort = effort;
    }

    /// Blocks that are computed together.
    fn together(&self) -> usize {
        (MAX_NEURONS_PER_ROUND / self.plan.layout.block_neurons as usize).max(1)
    }

    fn sum(
        &mut self,
        layer: usize,
        positions: usize,
        x: &[f32],
        sum: &mut [f32],
    ) -> Result<(), EngineError> {
        self.add_pinned(layer, positions, x, sum);
        let together = self.together();
        let mut streamed = self.pinned[layer].len() as u32..self.plan.layout.per_layer();
        let mut scheduled = self.first_streamed[layer];
        while streamed.start < streamed.end {
            self.stream.reads().check()?;
            let blocks = self.arrived(layer, &mut streamed, scheduled, together)?;
            scheduled += blocks.len();
            self.file.check_blocks(&self.math.compute, &blocks)?;
            self.effort.neurons_loaded +=
                blocks.iter().map(|loaded| u64::from(loaded.block.count)).sum::<u64>();
            self.add(layer, &blocks, positions, x, sum);
        }
        Ok(())
    }

    /// Waits for the next of the `streamed` blocks, and takes those behind it that are there, too: a fast disk brings
    /// blocks sooner than threads are woken for each.
    fn arrived(
        &mut self,
        layer: usize,
        streamed: &mut Range<u32>,
        scheduled: usize,
        most: usize,
    ) -> Result<Vec<LoadedBlock>, EngineError> {
        // What is computed on is not read into meanwhile.
        let most = most.min(self.plan.ring as usize / RING_SHARE).max(1);
        let mut blocks = Vec::with_capacity(most);
        let mut next = Some(self.stream.take(scheduled)?);
        while let Some(records) = next {
            let block = self.plan.layout.block(layer as u32, streamed.start);
            blocks.push(LoadedBlock { block, records });
            streamed.start += 1;
            let more = blocks.len() < most && streamed.start < streamed.end;
            next = if more { self.stream.try_take()? } else { None };
        }
        Ok(blocks)
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
            .flat_map(|loaded| self.file.records(loaded.block, loaded.records.bytes()))
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
