//! Loading: dense weights, neuron biases, and the neurons that the plan keeps in memory.

mod dense;
mod resident;

use super::{Engine, PlannedEngine, Progress, draft_model};
use crate::draft::Drafter;
use crate::feed_forward::{
    ExactNeurons, ExpertNeurons, NeuronBiases, NeuronMath, Neurons, SparseNeurons,
};
use crate::plan::{ExactPlan, ExpertPlan, KvPages, NeuronPlan};
use crate::read_ahead::{self, ReadAhead};
use crate::reads::Reads;
use crate::records::{LoadedBlock, RecordFile};
use crate::stats::DraftEffort;
use crate::tensors::StoredTensor;
use crate::{Ablation, EngineError, OpenModel, Prefetching, RunOptions, substitute};
use flint_bundle::{Bundle, TensorEntry};
use flint_dram_cache::SlotCache;
use flint_flash_io::{Priority, RecordRead, Segment};
use flint_geometry::UnitSet;
use flint_iobuf::Pool;
use flint_kernels::{Compute, MatrixView, gather_rows};
use flint_model::{Decoder, MatrixFeedForward};
use flint_predictor::Predictor;
use resident::ResidentLoader;
use std::sync::Arc;

pub(super) fn load(prepared: PlannedEngine, progress: Progress<'_>) -> Result<Engine, EngineError> {
    let PlannedEngine { files, options, compute, reads, predictor, plan, work, .. } = prepared;
    let PlannedEngine { sparsity, rates, draft_model, .. } = prepared;
    let own = plan.resident_bytes + kept_bytes(&plan) + copied_bytes(&files, &plan);
    let total = own + draft_model.as_ref().map_or(0, |it| it.plan.resident_bytes);
    let mut loaded = Loaded { done: 0, total, progress };
    let weights = dense::load(&files, &options, &compute, &plan.dense, &reads, &mut loaded)?;
    tracing::debug!(bytes = loaded.done, "dense weights are in memory");
    let (files, path) = (Arc::new(files), reads.reader().report());
    let neurons = match &plan.neurons {
        NeuronPlan::Experts(experts) => {
            let of = (&*files, &options, &compute);
            let experts = load_experts(of, experts, reads.client(), &mut loaded)?;
            Neurons::Experts(Box::new(experts))
        }
        _ if files.records().is_none() => {
            Neurons::Matrices(MatrixFeedForward::new(&files.architecture, compute.clone()))
        }
        NeuronPlan::Exact(exact) => {
            let (file, math) = records(&files, &options, &compute, &reads)?;
            let reads = reads.client();
            Neurons::Exact(Box::new(load_exact(math, *exact, &file, reads, &mut loaded)?))
        }
        NeuronPlan::Sparse { config, bytes } => {
            let (of, cache) =
                (records(&files, &options, &compute, &reads)?, SlotCache::new(config, *bytes)?);
            let guess = if work.guesses { options.guesses } else { Prefetching::Never };
            let how = (predictor, guess, options.ablation, plan.all_resident);
            let sparse = load_sparse(of, cache, how, reads.client(), &mut loaded)?;
            Neurons::Sparse(Box::new(sparse))
        }
    };
    let heard = &mut |bytes| loaded.add(bytes);
    let substitutes = substitute::load(&files, &compute, &plan, &neurons, &reads, heard)?;
    let vocabulary = files.architecture.vocabulary;
    let draft_model = draft_model::load(draft_model, vocabulary, &mut loaded.more())?;
    tracing::debug!(bytes = loaded.done, "loaded");
    let kv = KvPages::of(&files.architecture, plan.context, &options).store();
    let decoder =
        Decoder::new(files.architecture.clone(), compute.clone()).in_context(plan.context);
    let (copies, fixed) = (substitutes.is_some(), options.draft_tokens);
    let drafter = Drafter::new(&options.draft, copies, draft_model, fixed);
    Ok(Engine {
        decoder,
        weights,
        neurons,
        kv,
        files,
        reads,
        path,
        plan,
        options,
        compute,
        work,
        rates,
        sparsity,
        passes: 0,
        last_pass: Vec::new(),
        rows: 0,
        substitutes,
        drafter,
        draft_effort: DraftEffort::default(),
    })
}

/// The neurons of sparse mode, with what is worth having in slots read: `how` are the predictor, when guesses are made, what is
/// left out to measure its worth, and whether all stay in memory.
fn load_sparse(
    (file, math): (Arc<RecordFile>, NeuronMath),
    cache: SlotCache,
    how: (Option<Box<dyn Predictor>>, Prefetching, Ablation, bool),
    reads: Reads,
    loaded: &mut Loaded<'_>,
) -> Result<SparseNeurons, EngineError> {
    let (Some(predictor), guess, ablation, all) = how else {
        return Err(EngineError::NoPredictors);
    };
    let own = Arc::clone(&file);
    let mut sparse = SparseNeurons::new(math, own, predictor, cache, reads, guess, ablation);
    if !ablation.no_reuse {
        preload(&mut sparse, &file, all, loaded)?;
    }
    Ok(sparse)
}

/// The experts, those that stay read.
fn load_experts(
    (files, options, compute): (&OpenModel, &RunOptions, &Compute),
    plan: &ExpertPlan,
    reads: Reads,
    loaded: &mut Loaded<'_>,
) -> Result<ExpertNeurons, EngineError> {
    let mut experts = ExpertNeurons::new(files, options, compute, plan, reads)?;
    if plan.all_resident() {
        for layer in 0..files.architecture.layers {
            loaded.add(experts.preload(layer)?);
        }
    }
    Ok(experts)
}

/// The file of neuron records, and how they are computed.
fn records(
    files: &Arc<OpenModel>,
    options: &RunOptions,
    compute: &Compute,
    reads: &Reads,
) -> Result<(Arc<RecordFile>, NeuronMath), EngineError> {
    let bundle = files.bundle()?;
    let math = NeuronMath {
        compute: compute.clone(),
        layout: bundle.shape().record,
        activation: files.architecture.feed_forward.activation,
        biases: biases(files, compute, reads)?,
    };
    Ok((
        Arc::new(RecordFile::new(bundle.clone(), files.neurons_file(), options.verify_reads)),
        math,
    ))
}

/// Bytes of neurons that are read while loading.
fn kept_bytes(plan: &crate::Plan) -> u64 {
    match &plan.neurons {
        NeuronPlan::Exact(exact) => exact.pinned * exact.layout.place_bytes as u64,
        NeuronPlan::Sparse { bytes, .. } if plan.all_resident => *bytes,
        NeuronPlan::Sparse { .. } => 0,
        NeuronPlan::Experts(experts) if experts.all_resident() => experts.bytes(),
        NeuronPlan::Experts(_) => 0,
    }
}

/// Bytes that are read while loading for copies: those that are kept, or what they are made of.
fn copied_bytes(files: &OpenModel, plan: &crate::Plan) -> u64 {
    let Some(copies) = &plan.substitute else { return 0 };
    let stored = files.stored_copies();
    let tensors = stored.unwrap_or(&files.tensors);
    let matrices = copies.matrices.iter().filter_map(|&role| tensors.get(role));
    let matrices: u64 = matrices.map(StoredTensor::bytes).sum();
    let blocks = match &plan.neurons {
        NeuronPlan::Exact(exact) if !exact.all_pinned() => match stored {
            Some(stored) => stored.neuron_bytes(),
            None => (exact.layout.blocks() - exact.pinned) * exact.layout.place_bytes as u64,
        },
        _ => 0,
    };
    matrices + blocks
}

pub(super) struct Loaded<'a> {
    done: u64,
    total: u64,
    progress: Progress<'a>,
}

impl Loaded<'_> {
    pub(super) fn add(&mut self, bytes: u64) {
        self.done += bytes;
        (self.progress)(self.done.min(self.total), self.total);
    }

    /// Hears of what is loaded after all that was.
    fn more(&mut self) -> impl FnMut(u64, u64) {
        let before = self.done;
        move |done, _| self.add((before + done).saturating_sub(self.done))
    }
}

fn biases(
    files: &OpenModel,
    compute: &Compute,
    reads: &Reads,
) -> Result<Vec<NeuronBiases>, EngineError> {
    let bundle = files.bundle()?;
    let layers = bundle.shape().layers;
    let mut biases: Vec<NeuronBiases> = (0..layers).map(|_| NeuronBiases::default()).collect();
    let (mut tensors, mut owners) = (Vec::new(), Vec::new());
    for layer in 0..layers {
        for (entry, gate) in [(bundle.gate_bias(layer), true), (bundle.up_bias(layer), false)] {
            tensors.extend(entry.map(StoredTensor::of_bundle));
            owners.extend(entry.map(|_| (layer as usize, gate)));
        }
    }
    let wanted: Vec<&StoredTensor> = tensors.iter().collect();
    let mut loader = ResidentLoader { tensors: &files.tensors, compute, reads: reads.client() };
    loader.read(&wanted, &mut |index, bytes| {
        let ((layer, gate), entry) = (owners[index], wanted[index]);
        let mut values = vec![0.0; entry.dims.iter().product::<u64>() as usize];
        let row = MatrixView::new(entry.dtype, 1, values.len(), &bytes)?;
        gather_rows(compute, row, &[0], &mut values);
        let own = &mut biases[layer];
        *(if gate { &mut own.gate } else { &mut own.up }) = Some(values);
        Ok(())
    })?;
    Ok(biases)
}

/// A bias of a bundle as f32; `None` where there is none.
///
/// # Errors
/// When it cannot be read or does not check.
pub fn read_bias(
    bundle: &Bundle,
    entry: Option<&TensorEntry>,
    compute: &Compute,
) -> Result<Option<Vec<f32>>, EngineError> {
    let Some(entry) = entry else { return Ok(None) };
    let mut bytes = vec![0; entry.extent.len() as usize];
    bundle.read_tensor_into(entry, &mut bytes)?;
    let mut values = vec![0.0; entry.dims.iter().product::<u64>() as usize];
    let row = MatrixView::new(entry.element, 1, values.len(), &bytes)?;
    gather_rows(compute, row, &[0], &mut values);
    Ok(Some(values))
}

fn load_exact(
    math: NeuronMath,
    plan: ExactPlan,
    file: &Arc<RecordFile>,
    mut reads: Reads,
    loaded: &mut Loaded<'_>,
) -> Result<ExactNeurons, EngineError> {
    let layout = plan.layout;
    let places = Pool::new(plan.pinned as u32, layout.place_bytes)?;
    let mut pinned = Vec::new();
    let mut schedule = Vec::new();
    for layer in 0..layout.layers {
        let count = plan.pinned_of(layer);
        pinned.push(read_blocks(layer, count, &plan, (file, &math.compute), &mut reads, &places)?);
        loaded.add(u64::from(count) * layout.place_bytes as u64);
        let streamed = (count..layout.per_layer()).map(|index| layout.block(layer, index));
        let segment = |block| Segment { file: file.file(), extent: file.block_extent(block) };
        schedule.extend(streamed.map(segment));
    }
    let ring = Pool::new(plan.ring as u32, layout.place_bytes)?;
    let stream = ReadAhead::cycle(reads, schedule, ring);
    Ok(ExactNeurons::new(math, plan, Arc::clone(file), pinned, stream))
}

/// Reads the first `count` blocks of `layer`.
fn read_blocks(
    layer: u32,
    count: u32,
    plan: &ExactPlan,
    (file, compute): (&RecordFile, &Compute),
    reads: &mut Reads,
    places: &Pool,
) -> Result<Vec<LoadedBlock>, EngineError> {
    let mut batch = Vec::new();
    for index in 0..count {
        let Some(into) = places.take() else { unreachable!("one place per pinned block") };
        let extent = file.block_extent(plan.layout.block(layer, index));
        batch.push(RecordRead::new(u64::from(index), file.file(), extent, into));
    }
    reads.submit(&mut batch, Priority::Demand);
    let mut blocks = Vec::new();
    while let Some(done) = reads.next()? {
        let block = plan.layout.block(layer, done.tag as u32);
        let records = read_ahead::Loaded::from_done(done)?;
        blocks.push(LoadedBlock { block, records });
    }
    file.check_blocks(compute, &blocks)?;
    blocks.sort_unstable_by_key(|loaded| loaded.block.first);
    Ok(blocks)
}

/// Reads into slots what is worth having there before the first token.
fn preload(
    sparse: &mut SparseNeurons,
    file: &RecordFile,
    all: bool,
    loaded: &mut Loaded<'_>,
) -> Result<(), EngineError> {
    let shape = *file.bundle().shape();
    if all {
        for layer in 0..shape.layers {
            sparse.preload(layer, &UnitSet::full(shape.neurons))?;
            loaded.add(shape.neuron_bytes() / u64::from(shape.layers));
        }
    } else if let Some(found) = file.bundle().calibration() {
        // Those that were needed most often: so that the first tokens are not the slowest.
        let each = sparse.slots() / shape.layers as usize;
        for (layer, group) in (0..).zip(&found.groups) {
            let known = group.hot.iter().filter(|&&neuron| neuron < shape.neurons);
            let hot = known.take(each).copied().collect();
            sparse.preload(layer, &UnitSet::from_unsorted(hot))?;
        }
    }
    Ok(())
}
