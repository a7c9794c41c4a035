//! The feed-forward over weights on flash: neurons, exact (pinned and streamed blocks) or sparse (predicted
//! neurons in slots), and experts.

mod exact;
mod experts;
mod sparse;

pub(crate) use exact::ExactNeurons;
pub(crate) use experts::ExpertNeurons;
pub(crate) use sparse::SparseNeurons;

use crate::stats::PassCounters;
use crate::{CancelToken, EngineError};
use candle_core::Tensor;
use flint_flash_io::Counters;
use flint_geometry::{RecordLayout, UnitSet};
use flint_kernels::{Activation, Compute, accumulate_down, activate};
use flint_model::{Batch, FeedForward, MatrixFeedForward, ModelError, Weights};

/// Either way to hold neurons.
pub(crate) enum Neurons {
    Exact(Box<ExactNeurons>),
    Sparse(Box<SparseNeurons>),
    /// Not records: matrices among the dense weights.
    Matrices(MatrixFeedForward),
    /// Not records: experts that a router names.
    Experts(Box<ExpertNeurons>),
}

impl Neurons {
    /// Begins a forward pass over `batch`, which `cancel` may end early.
    ///
    /// # Errors
    /// When what an earlier pass left in flight does not come back.
    pub(crate) fn begin_pass(
        &mut self,
        batch: &Batch,
        cancel: &CancelToken,
    ) -> Result<(), EngineError> {
        match self {
            Neurons::Exact(exact) => exact.begin_pass(cancel),
            Neurons::Sparse(sparse) => sparse.begin_pass(batch, cancel)?,
            Neurons::Matrices(_) => {}
            Neurons::Experts(experts) => experts.begin_pass(cancel)?,
        }
        Ok(())
    }

    /// Goes on with the pass for fewer rows, those of `batch`.
    pub(crate) fn narrow_pass(&mut self, batch: &Batch) {
        match self {
            Neurons::Exact(_) | Neurons::Matrices(_) | Neurons::Experts(_) => {}
            Neurons::Sparse(sparse) => sparse.note_rows(batch),
        }
    }

    /// Ends a forward pass: caches age in passes.
    pub(crate) fn end_pass(&mut self) {
        match self {
            Neurons::Exact(_) | Neurons::Matrices(_) => {}
            Neurons::Sparse(sparse) => sparse.end_pass(),
            Neurons::Experts(experts) => experts.end_pass(),
        }
    }

    /// After a pass that ended early. What it left in flight is waited for by the next pass.
    pub(crate) fn abandon_pass(&mut self) {
        match self {
            // The reads of the first are those of the next pass; the last settles when that begins.
            Neurons::Exact(_) | Neurons::Matrices(_) | Neurons::Experts(_) => {}
            Neurons::Sparse(sparse) => sparse.abandon_pass(),
        }
    }

    /// The experts that the last pass went through, by layer.
    pub(crate) fn last_experts(&self) -> &[UnitSet] {
        match self {
            Neurons::Experts(experts) => experts.last(),
            _ => &[],
        }
    }

    /// Bytes read so far.
    pub(crate) fn bytes_read(&self) -> u64 {
        match self {
            Neurons::Exact(exact) => exact.reads().counters().bytes_read,
            Neurons::Sparse(sparse) => sparse.reads().counters().bytes_read,
            Neurons::Matrices(_) => 0,
            Neurons::Experts(experts) => experts.reads().counters().bytes_read,
        }
    }

    /// What was done so far, but for the time in which the device was busy.
    pub(crate) fn effort(&self) -> PassCounters {
        let (own, reads) = match self {
            Neurons::Exact(exact) => (exact.effort, exact.reads()),
            Neurons::Sparse(sparse) => (sparse.effort(), sparse.reads()),
            Neurons::Matrices(_) => return PassCounters::default(),
            Neurons::Experts(experts) => {
                let (experts_touched, experts_loaded, cache) = experts.counts();
                let own = PassCounters {
                    experts_touched,
                    experts_loaded,
                    cache,
                    ..PassCounters::default()
                };
                (own, experts.reads())
            }
        };
        let Counters { device_reads, bytes_read, wait, .. } = reads.counters();
        PassCounters { reads: device_reads, bytes_read, io_wait: wait, ..own }
    }
}

impl FeedForward for Neurons {
    fn wants_prefetch(&self, rows: usize) -> bool {
        match self {
            Neurons::Exact(_) | Neurons::Matrices(_) | Neurons::Experts(_) => false,
            Neurons::Sparse(sparse) => sparse.wants_prefetch(rows),
        }
    }

    fn prefetch(&mut self, layer: usize, input: &Tensor) -> Result<(), ModelError> {
        match self {
            Neurons::Exact(_) | Neurons::Matrices(_) | Neurons::Experts(_) => Ok(()),
            Neurons::Sparse(sparse) => sparse.prefetch(layer, input),
        }
    }

    fn begin(&mut self, layer: usize, input: &Tensor) -> Result<(), ModelError> {
        match self {
            Neurons::Exact(exact) => exact.begin(layer, input),
            Neurons::Sparse(sparse) => sparse.begin(layer, input),
            Neurons::Matrices(matrices) => matrices.begin(layer, input),
            // Which experts are needed the router says, whose weights come with the call that finishes.
            Neurons::Experts(_) => Ok(()),
        }
    }

    fn finish(
        &mut self,
        layer: usize,
        input: &Tensor,
        weights: &mut dyn Weights,
    ) -> Result<Tensor, ModelError> {
        match self {
            Neurons::Exact(exact) => exact.finish(layer, input),
            Neurons::Sparse(sparse) => sparse.finish(layer, input),
            Neurons::Matrices(matrices) => matrices.finish(layer, input, weights),
            Neurons::Experts(experts) => experts.finish(layer, input, weights),
        }
    }
}

/// How the neurons of a model are computed, once their records are in memory.
#[derive(Debug)]
pub(crate) struct NeuronMath {
    pub(crate) compute: Compute,
    pub(crate) layout: RecordLayout,
    pub(crate) activation: Activation,
    pub(crate) biases: Vec<NeuronBiases>,
}

/// One number per neuron of a layer.
#[derive(Debug, Default)]
pub(crate) struct NeuronBiases {
    pub(crate) gate: Option<Vec<f32>>,
    pub(crate) up: Option<Vec<f32>>,
}

impl NeuronMath {
    /// Activations, positions x records; `biases` are those of the listed records.
    pub(crate) fn activate(
        &self,
        records: &[&[u8]],
        biases: (Option<&[f32]>, Option<&[f32]>),
        input: &[f32],
        acts: &mut [f32],
    ) {
        let (gate, up) = biases;
        activate(&self.compute, &self.layout, self.activation, records, gate, up, input, acts);
    }

    /// Adds activation x down column to `sum`, in the order of `records`.
    pub(crate) fn add_down(&self, records: &[&[u8]], acts: &[f32], sum: &mut [f32]) {
        accumulate_down(&self.compute, &self.layout, records, acts, sum);
    }
}

/// How many activations are not zero.
pub(crate) fn count_active(acts: &[f32]) -> u64 {
    acts.iter().filter(|&&act| act != 0.0).count() as u64
}
