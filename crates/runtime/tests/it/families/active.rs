//! Which neurons of a model are truly active, by the whole model in memory.

use candle_core::Tensor;
use flint_bundle::TensorEntry;
use flint_engine::OpenModel;
use flint_kernels::{Compute, Isa, KvElement, KvShape, KvStore, MatrixView, PagedKv, gather_rows};
use flint_model::{
    Batch, Decoder, FeedForward, InMemoryFeedForward, InMemoryWeights, MemoryGroup, ModelError,
    Pass, Weights,
};
use std::fs::File;
use std::os::unix::fs::FileExt;

/// Ascending indices, per layer, of the neurons that are not zero at the last of `ids`.
pub(super) fn neurons(files: &OpenModel, ids: &[u32]) -> Vec<Vec<u32>> {
    let architecture = files.architecture().clone();
    let compute = Compute::new(Isa::best(), 1).unwrap();
    let mut weights = InMemoryWeights::new(compute.clone());
    for spec in architecture.dense_tensors() {
        let entry = files.bundle().unwrap().tensor(&spec.role.to_string()).unwrap();
        weights.insert(spec.role, entry.element, &spec.dims, bytes(files, entry)).unwrap();
    }
    let layout = files.bundle().unwrap().shape().record;
    let kernel = architecture.feed_forward.activation;
    let groups = (0..architecture.layers).map(|layer| group(files, layer)).collect();
    let inner = InMemoryFeedForward::new(compute.clone(), layout, kernel, groups);
    let mut feed_forward = Capture { inner, active: vec![Vec::new(); architecture.layers] };
    let attention = &architecture.attention;
    let (kv_heads, head_dim) = (attention.kv_heads, attention.head_dim);
    let shape =
        KvShape { layers: architecture.layers, kv_heads, head_dim, element: KvElement::F32 };
    let mut kv = PagedKv::new(shape, ids.len(), 1);
    let batch = Batch::of_tokens(kv.sequence(), 0, ids, |_| false).unwrap();
    let decoder = Decoder::new(architecture, compute);
    let mut pass =
        Pass { weights: &mut weights, feed_forward: &mut feed_forward, kv: &mut kv, batch: &batch };
    let mut hidden = decoder.embed(pass.weights, &batch).unwrap();
    for layer in 0..decoder.architecture().layers {
        hidden = decoder.layer(&mut pass, layer, hidden).unwrap();
    }
    feed_forward.active
}

/// A feed-forward that notes which neurons were active at the last position.
struct Capture {
    inner: InMemoryFeedForward<Vec<u8>>,
    active: Vec<Vec<u32>>,
}

impl FeedForward for Capture {
    fn begin(&mut self, layer: usize, input: &Tensor) -> Result<(), ModelError> {
        self.inner.begin(layer, input)
    }

    fn finish(
        &mut self,
        layer: usize,
        input: &Tensor,
        weights: &mut dyn Weights,
    ) -> Result<Tensor, ModelError> {
        let all = self.inner.activations(layer, input)?;
        let last = &all[all.len() - all.len() / input.dim(0)?..];
        let active = last.iter().zip(0..).filter(|&(&activation, _)| activation != 0.0);
        self.active[layer] = active.map(|(_, neuron)| neuron).collect();
        self.inner.finish(layer, input, weights)
    }
}

fn bytes(files: &OpenModel, entry: &TensorEntry) -> Vec<u8> {
    let mut bytes = vec![0; entry.extent.len() as usize];
    files.bundle().unwrap().read_tensor_into(entry, &mut bytes).unwrap();
    bytes
}

fn group(files: &OpenModel, layer: usize) -> MemoryGroup<Vec<u8>> {
    let bundle = files.bundle().unwrap();
    let group = &bundle.groups()[layer];
    let neurons = group.neurons() as usize;
    let mut records = vec![0; group.extent().len() as usize];
    let file = File::open(bundle.neurons_path()).unwrap();
    file.read_exact_at(&mut records, group.extent().offset()).unwrap();
    let bias = |entry: Option<&TensorEntry>| {
        let entry = entry?;
        let bytes = bytes(files, entry);
        let view = MatrixView::new(entry.element, 1, neurons, &bytes).unwrap();
        let mut values = vec![0.0; neurons];
        gather_rows(&Compute::new(Isa::best(), 1).unwrap(), view, &[0], &mut values);
        Some(values)
    };
    MemoryGroup {
        records,
        neurons,
        gate_bias: bias(bundle.gate_bias(layer as u32)),
        up_bias: bias(bundle.up_bias(layer as u32)),
    }
}
