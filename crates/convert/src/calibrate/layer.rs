//! One layer in memory: its dense weights and neurons, computed whole, with what its neurons see kept.

use crate::CalibrateError;
use candle_core::Tensor;
use flint_bundle::Bundle;
use flint_engine::read_bias;
use flint_engine::{EngineError, OpenModel};
use flint_kernels::{Activation, Compute, DType, MatrixView, gather_rows, ops};
use flint_model::{
    FeedForward, InMemoryFeedForward, InMemoryWeights, MemoryGroup, ModelError, TensorRole, Weights,
};
use flint_predictor::{GateRows, NeuronRows};
use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;

/// The neurons of one layer.
pub(super) struct LayerNeurons {
    /// Records at the stride of the layout.
    pub(super) records: Vec<u8>,
    pub(super) gate_bias: Option<Vec<f32>>,
    pub(super) up_bias: Option<Vec<f32>>,
}

impl LayerNeurons {
    /// Reads the neurons of `layer`; the bundle was verified when it was written.
    pub(super) fn read(
        bundle: &Bundle,
        layer: usize,
        compute: &Compute,
    ) -> Result<LayerNeurons, CalibrateError> {
        let path = bundle.neurons_path();
        let fail = |cause| EngineError::File { path: path.clone(), cause };
        let extent = bundle.groups()[layer].extent();
        let mut records = vec![0; extent.len() as usize];
        let file = File::open(&path).map_err(fail)?;
        file.read_exact_at(&mut records, extent.offset()).map_err(fail)?;
        let gate_bias = read_bias(bundle, bundle.gate_bias(layer as u32), compute)?;
        let up_bias = read_bias(bundle, bundle.up_bias(layer as u32), compute)?;
        Ok(LayerNeurons { records, gate_bias, up_bias })
    }
}

/// Rows of one kind of a layer: those that decide which neurons are active (gate, or else up), or those that gates are
/// multiplied with.
pub(super) struct LayerRows {
    rows: Vec<u8>,
    bias: Option<Vec<f32>>,
    element: DType,
    neurons: usize,
    width: usize,
    activation: Activation,
}

impl LayerRows {
    /// Reads those that decide.
    pub(super) fn read(
        files: &OpenModel,
        layer: usize,
        compute: &Compute,
    ) -> Result<LayerRows, CalibrateError> {
        let layout = files.bundle()?.shape().record;
        let neurons = LayerNeurons::read(files.bundle()?, layer, compute)?;
        let row = layout.gate().unwrap_or(layout.up());
        let bias = if layout.is_gated() { &neurons.gate_bias } else { &neurons.up_bias };
        LayerRows::take(files, layer, &neurons.records, row, bias.clone())
    }

    /// The rows that lie at `row` in each record.
    fn take(
        files: &OpenModel,
        layer: usize,
        records: &[u8],
        row: Range<usize>,
        bias: Option<Vec<f32>>,
    ) -> Result<LayerRows, CalibrateError> {
        let layout = files.bundle()?.shape().record;
        let records = records.chunks_exact(layout.stride() as usize);
        Ok(LayerRows {
            rows: records.flat_map(|record| &record[row.clone()]).copied().collect(),
            bias,
            element: layout.element(),
            neurons: files.architecture().neurons(layer),
            width: layout.width(),
            activation: files.architecture().feed_forward.activation,
        })
    }

    fn matrix(&self) -> Result<MatrixView<'_>, CalibrateError> {
        Ok(MatrixView::new(self.element, self.neurons, self.width, &self.rows)?)
    }

    /// The rows as predictors learn from them.
    pub(super) fn deciding(&self) -> Result<GateRows<'_>, CalibrateError> {
        Ok(GateRows::new(self.matrix()?, self.bias.as_deref(), self.activation))
    }

    /// How long each row is.
    fn lengths(&self, compute: &Compute) -> Result<Vec<f32>, CalibrateError> {
        let rows = self.matrix()?;
        let mut row = vec![0.0; self.width];
        let length = |neuron: usize| {
            gather_rows(compute, rows, &[neuron as u32], &mut row);
            row.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>().sqrt() as f32
        };
        Ok((0..self.neurons).map(length).collect())
    }
}

/// All rows of a layer, its down columns, and how long these are.
pub(super) struct WholeRows {
    deciding: LayerRows,
    up: Option<LayerRows>,
    down: LayerRows,
    lengths: Vec<f32>,
}

impl WholeRows {
    /// Reads them.
    pub(super) fn read(
        files: &OpenModel,
        layer: usize,
        compute: &Compute,
    ) -> Result<WholeRows, CalibrateError> {
        let layout = files.bundle()?.shape().record;
        let LayerNeurons { records, gate_bias, up_bias } =
            LayerNeurons::read(files.bundle()?, layer, compute)?;
        let take = |row, bias| LayerRows::take(files, layer, &records, row, bias);
        let down = take(layout.down(), None)?;
        let lengths = down.lengths(compute)?;
        let up = take(layout.up(), up_bias)?;
        let (deciding, up) = match layout.gate() {
            Some(gate) => (take(gate, gate_bias)?, Some(up)),
            None => (up, None),
        };
        Ok(WholeRows { deciding, up, down, lengths })
    }

    /// As thresholds are set on them.
    pub(super) fn view(&self) -> Result<NeuronRows<'_>, CalibrateError> {
        let up = self.up.as_ref().map(LayerRows::deciding).transpose()?;
        let columns = (self.down.matrix()?, &self.lengths[..]);
        Ok(NeuronRows::new(self.deciding.deciding()?, up, columns))
    }
}

/// Dense weights that `wanted` picks.
pub(super) fn dense(
    files: &OpenModel,
    compute: &Compute,
    wanted: impl Fn(TensorRole) -> bool,
) -> Result<InMemoryWeights<Vec<u8>>, CalibrateError> {
    let mut weights = InMemoryWeights::new(compute.clone());
    for spec in files.architecture().dense_tensors() {
        let name = spec.role.to_string();
        let Some(entry) = files.bundle()?.tensor(&name).filter(|_| wanted(spec.role)) else {
            continue;
        };
        let mut bytes = vec![0; entry.extent.len() as usize];
        files.bundle()?.read_tensor_into(entry, &mut bytes)?;
        weights.insert(spec.role, entry.element, &spec.dims, bytes)?;
    }
    Ok(weights)
}

/// Computes every neuron of one layer and keeps what they saw.
pub(super) struct Capture {
    inner: InMemoryFeedForward<Vec<u8>>,
    /// positions x width of the last call.
    pub(super) input: Vec<f32>,
}

impl Capture {
    pub(super) fn new(
        files: &OpenModel,
        neurons: LayerNeurons,
        compute: &Compute,
    ) -> Result<Capture, CalibrateError> {
        let feed_forward = &files.architecture().feed_forward;
        let group = MemoryGroup {
            records: neurons.records,
            neurons: files.architecture().most_neurons(),
            gate_bias: neurons.gate_bias,
            up_bias: neurons.up_bias,
        };
        let (layout, activation) = (files.bundle()?.shape().record, feed_forward.activation);
        let inner = InMemoryFeedForward::new(compute.clone(), layout, activation, vec![group]);
        Ok(Capture { inner, input: Vec::new() })
    }
}

impl FeedForward for Capture {
    fn begin(&mut self, _: usize, input: &Tensor) -> Result<(), ModelError> {
        self.input.clear();
        ops::with_slice(input, |x| self.input.extend_from_slice(x))?;
        Ok(())
    }

    fn finish(
        &mut self,
        _: usize,
        input: &Tensor,
        weights: &mut dyn Weights,
    ) -> Result<Tensor, ModelError> {
        // The only group is that of the layer.
        self.inner.finish(0, input, weights)
    }
}
