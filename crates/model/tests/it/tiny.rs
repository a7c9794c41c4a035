//! Tiny models of made-up weights, all in memory.

use candle_core::Tensor;
use flint_geometry::DType;
use flint_kernels::{Compute, Isa, KvElement, KvShape, KvStore, PagedKv, ops};
use flint_model::{
    Architecture, Batch, Decoder, InMemoryFeedForward, InMemoryWeights, MemoryGroup, ModelError,
    Pass,
};

/// A model and everything that runs it, but for keys and values.
pub(crate) struct Tiny {
    pub(crate) decoder: Decoder,
    pub(crate) weights: InMemoryWeights<Vec<u8>>,
    pub(crate) feed_forward: InMemoryFeedForward<Vec<u8>>,
}

impl Tiny {
    pub(crate) fn new(architecture: Architecture, compute: Compute) -> Tiny {
        let mut made = Made(7);
        let mut weights = InMemoryWeights::new(compute.clone());
        for spec in architecture.dense_tensors() {
            let bytes = made.bytes(spec.dims.iter().product());
            weights.insert(spec.role, DType::F32, &spec.dims, bytes).unwrap();
        }
        weights.check(&architecture).unwrap();
        let biases = architecture.feed_forward.biases.into;
        let gated = architecture.feed_forward.gated;
        let layout =
            flint_geometry::RecordLayout::new(DType::F32, architecture.hidden as u32, gated)
                .unwrap();
        let groups = (0..architecture.layers).map(|layer| {
            let neurons = architecture.neurons(layer);
            let record = |made: &mut Made| {
                let mut record = made.bytes(layout.payload_bytes() / 4);
                record.resize(layout.stride() as usize, 0);
                record
            };
            MemoryGroup {
                records: (0..neurons).flat_map(|_| record(&mut made)).collect(),
                neurons,
                gate_bias: (biases && gated).then(|| made.numbers(neurons)),
                up_bias: biases.then(|| made.numbers(neurons)),
            }
        });
        let activation = architecture.feed_forward.activation;
        let groups = groups.collect();
        let feed_forward = InMemoryFeedForward::new(compute.clone(), layout, activation, groups);
        Tiny { decoder: Decoder::new(architecture, compute), weights, feed_forward }
    }

    /// Keys and values for it: `tokens` positions in all, in whole pages.
    pub(crate) fn store(&self, page_tokens: usize, tokens: usize) -> PagedKv {
        let attention = &self.decoder.architecture().attention;
        let shape = KvShape {
            layers: self.decoder.architecture().layers,
            kv_heads: attention.kv_heads,
            head_dim: attention.head_dim,
            element: KvElement::F32,
        };
        PagedKv::new(shape, page_tokens, tokens.div_ceil(page_tokens))
    }

    /// Runs a batch and gives the bits of the logits that it wants, row after row.
    pub(crate) fn step(
        &mut self,
        kv: &mut dyn KvStore,
        batch: &Batch,
    ) -> Result<Vec<Vec<u32>>, ModelError> {
        let Tiny { decoder, weights, feed_forward } = self;
        batch.check(decoder.architecture(), kv)?;
        batch.reserve(kv)?;
        let mut pass = Pass { weights, feed_forward, kv, batch };
        let mut hidden = decoder.embed(pass.weights, batch)?;
        for layer in 0..decoder.architecture().layers {
            hidden = decoder.layer(&mut pass, layer, hidden)?;
        }
        let wanted = decoder.wanted(batch, &hidden)?;
        Ok(bits(&decoder.logits(pass.weights, &wanted)?))
    }
}

/// The bits of each row of a tensor.
pub(crate) fn bits(tensor: &Tensor) -> Vec<Vec<u32>> {
    let width = tensor.dim(1).unwrap();
    let rows = |all: &[f32]| {
        all.chunks(width).map(|row| row.iter().map(|x| x.to_bits()).collect()).collect()
    };
    ops::with_slice(tensor, rows).unwrap()
}

pub(crate) fn compute(threads: usize) -> Compute {
    Compute::new(Isa::best(), threads).unwrap()
}

/// Numbers between -0.5 and 0.5 that look random and are the same on every run.
struct Made(u64);

impl Made {
    fn numbers(&mut self, count: usize) -> Vec<f32> {
        let mut next = || {
            let (factor, step) = (6_364_136_223_846_793_005, 1_442_695_040_888_963_407);
            self.0 = self.0.wrapping_mul(factor).wrapping_add(step);
            (self.0 >> 40) as f32 / (1 << 24) as f32 - 0.5
        };
        (0..count).map(|_| next()).collect()
    }

    fn bytes(&mut self, count: usize) -> Vec<u8> {
        self.numbers(count).iter().flat_map(|number| number.to_le_bytes()).collect()
    }
}
