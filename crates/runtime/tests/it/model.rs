//! Running a model in a test: open, plan, load, decode greedily; and the twin that holds everything.

use flint_engine::{
    CancelToken, Controls, Engine, EngineError, Generated, MemoryBudget, OpenModel, PlannedEngine,
    Request, RunOptions, Sampling, generate,
};
use flint_fixtures::tiny_opt_bundle;
use flint_geometry::DType;
use flint_kernels::{
    Arithmetic, Compute, Isa, KvElement, KvShape, KvStore, MatrixView, PagedKv, gather_rows, ops,
};
use flint_model::{
    Batch, Decoder, InMemoryFeedForward, InMemoryWeights, MemoryGroup, Pass, TensorRole, TensorSpec,
};
use flint_predictor::{Oracle, OracleGroup, Predictor};
use std::fs::File;
use std::ops::ControlFlow;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// A prompt that is not in `reference.json`, as tokens of tiny-opt: "The little fox ran into the wood
/// and hid himself from the hunter, but".
pub(crate) fn unseen_prompt() -> Vec<u32> {
    let files = OpenModel::open(&tiny_opt_bundle()).unwrap();
    let codec = files.codec().unwrap().unwrap();
    codec
        .encode("The little fox ran into the wood and hid himself from the hunter, but", true)
        .unwrap()
}

/// Options that leave nothing to the machine the test runs on.
pub(crate) fn options(percent: f64) -> RunOptions {
    RunOptions {
        memory: MemoryBudget::Percent(percent),
        threads: Some(2),
        isa: Some(Isa::best()),
        // References were computed from dequantised weights.
        arithmetic: Some(Arithmetic::F32),
        ..RunOptions::default()
    }
}

pub(crate) fn load(
    bundle: &Path,
    options: &RunOptions,
    context: usize,
    predictor: Option<Box<dyn Predictor>>,
) -> Engine {
    let files = OpenModel::open(bundle).unwrap();
    let prepared = match predictor {
        None => PlannedEngine::new(files, options.clone(), Some(context)),
        some => PlannedEngine::with_predictor(files, options.clone(), Some(context), some),
    };
    prepared.unwrap().load(&mut |_, _| {}).unwrap()
}

/// Decodes greedily from `prompt`.
pub(crate) fn greedy(engine: &mut Engine, prompt: &[u32], tokens: usize) -> Generated {
    generate(engine, None, &request(prompt, tokens), &Controls::default(), &mut |_| {
        ControlFlow::Continue(())
    })
    .unwrap()
}

/// Logits after each of `ids`, on a sequence of its own.
pub(crate) fn all_logits(engine: &mut Engine, ids: &[u32]) -> Result<Vec<Vec<f32>>, EngineError> {
    let mut rows = Vec::new();
    engine.with_sequence(|engine, sequence| {
        let cancel = CancelToken::default();
        engine.feed_all(sequence, ids, &cancel, &mut |row| rows.push(row.to_vec()))
    })?;
    Ok(rows)
}

pub(crate) fn request(prompt: &[u32], tokens: usize) -> Request {
    Request {
        prompt: prompt.to_vec(),
        max_tokens: tokens,
        sampling: Sampling::greedy(),
        stop: Vec::new(),
        ignore_end: true,
    }
}

/// The whole model in memory, with no plan, stream or cache: the slow obvious twin.
pub(crate) struct Twin {
    decoder: Decoder,
    weights: InMemoryWeights<Vec<u8>>,
    feed_forward: InMemoryFeedForward<Vec<u8>>,
}

impl Twin {
    pub(crate) fn open(bundle: &Path) -> Twin {
        let files = OpenModel::open(bundle).unwrap();
        let architecture = files.architecture().clone();
        let compute = Compute::new(Isa::Scalar, 1).unwrap();
        let mut weights = InMemoryWeights::new(compute.clone());
        for TensorSpec { role, dims } in architecture.dense_tensors() {
            let (element, bytes) = tensor(&files, role);
            weights.insert(role, element, &dims, bytes).unwrap();
        }
        let groups = (0..architecture.layers).map(|layer| group(&files, layer)).collect();
        let feed_forward = InMemoryFeedForward::new(
            compute.clone(),
            files.bundle().unwrap().shape().record,
            architecture.feed_forward.activation,
            groups,
        );
        Twin { decoder: Decoder::new(architecture, compute), weights, feed_forward }
    }

    /// Logits after each of `tokens`, computed in one pass.
    pub(crate) fn logits(&mut self, tokens: &[u32]) -> Vec<Vec<f32>> {
        let architecture = self.decoder.architecture().clone();
        let attention = &architecture.attention;
        let (kv_heads, head_dim) = (attention.kv_heads, attention.head_dim);
        let layers = architecture.layers;
        let shape = KvShape { layers, kv_heads, head_dim, element: KvElement::F32 };
        // One piece, as if there were no pages.
        let mut kv = PagedKv::new(shape, tokens.len(), 1);
        let batch = Batch::of_tokens(kv.sequence(), 0, tokens, |_| true).unwrap();
        let mut pass = Pass {
            weights: &mut self.weights,
            feed_forward: &mut self.feed_forward,
            kv: &mut kv,
            batch: &batch,
        };
        let mut hidden = self.decoder.embed(pass.weights, &batch).unwrap();
        for layer in 0..architecture.layers {
            hidden = self.decoder.layer(&mut pass, layer, hidden).unwrap();
        }
        let logits = self.decoder.logits(pass.weights, &hidden).unwrap();
        let rows = |all: &[f32]| all.chunks(architecture.vocabulary).map(<[f32]>::to_vec).collect();
        ops::with_slice(&logits, rows).unwrap()
    }

    /// Greedy decoding, everything computed anew for each token.
    pub(crate) fn greedy(&mut self, prompt: &[u32], tokens: usize) -> Vec<u32> {
        let mut all = prompt.to_vec();
        for _ in 0..tokens {
            let last = self.logits(&all).pop().unwrap();
            let best = (0..last.len()).max_by(|&a, &b| last[a].total_cmp(&last[b]).then(b.cmp(&a)));
            all.push(best.unwrap() as u32);
        }
        all.split_off(prompt.len())
    }
}

fn tensor(files: &OpenModel, role: TensorRole) -> (DType, Vec<u8>) {
    let entry = files.bundle().unwrap().tensor(&role.to_string()).unwrap();
    let mut bytes = vec![0; entry.extent.len() as usize];
    files.bundle().unwrap().read_tensor_into(entry, &mut bytes).unwrap();
    (entry.element, bytes)
}

fn group(files: &OpenModel, layer: usize) -> MemoryGroup<Vec<u8>> {
    let bundle = files.bundle().unwrap();
    let group = &bundle.groups()[layer];
    let mut records = vec![0; group.extent().len() as usize];
    let file = File::open(bundle.neurons_path()).unwrap();
    file.read_exact_at(&mut records, group.extent().offset()).unwrap();
    let bias = |entry: Option<&flint_bundle::TensorEntry>| {
        let entry = entry?;
        let mut bytes = vec![0; entry.extent.len() as usize];
        bundle.read_tensor_into(entry, &mut bytes).unwrap();
        let view = MatrixView::new(entry.element, 1, group.neurons() as usize, &bytes).unwrap();
        let mut values = vec![0.0; group.neurons() as usize];
        gather_rows(&Compute::new(Isa::Scalar, 1).unwrap(), view, &[0], &mut values);
        Some(values)
    };
    MemoryGroup {
        records,
        neurons: group.neurons() as usize,
        gate_bias: bias(bundle.gate_bias(layer as u32)),
        up_bias: bias(bundle.up_bias(layer as u32)),
    }
}

/// A predictor that knows the truly active neurons of a bundle.
pub(crate) fn oracle(bundle: &Path) -> Box<dyn Predictor> {
    let files = OpenModel::open(bundle).unwrap();
    let layout = files.bundle().unwrap().shape().record;
    let deciding = layout.gate().unwrap_or(layout.up());
    let groups = (0..files.architecture().layers).map(|layer| {
        let group = group(&files, layer);
        let records = group.records.chunks_exact(layout.stride() as usize);
        OracleGroup {
            element: layout.element(),
            neurons: group.neurons,
            width: layout.width(),
            rows: records.flat_map(|record| record[deciding.clone()].to_vec()).collect(),
            bias: if layout.is_gated() { group.gate_bias } else { group.up_bias },
        }
    });
    Box::new(Oracle::new(files.architecture().feed_forward.activation, groups.collect()))
}
