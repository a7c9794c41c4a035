//! A loaded model within its memory plan, ready for sequences.

mod draft_model;
mod load;
mod substitute;

pub use load::read_bias;

use crate::dense::DenseWeights;
use crate::draft::Drafter;
use crate::expert_units::ExpertUnits;
use crate::feed_forward::Neurons;
use crate::forecast::measure_disk;
use crate::memory::MemoryBudget;
use crate::memory::warnings;
use crate::observed::LayerPass;
use crate::options::DEFAULT_ARITHMETIC;
use crate::plan::{
    BlockLayout, Costs, DenseCosts, ExpertCosts, KvPages, Plan, Widths, context, neuron_copy_bytes,
};
use crate::predictors::{self, bundled_predictor, stored_predictor_bytes};
use crate::reads::Reads;
use crate::stats::{DraftEffort, PassCounters, RunInfo, Stats};
use crate::substitute::Substitutes;
use crate::threads::available_threads;
use crate::{
    Choices, DiskRates, EngineError, ForecastReport, Mode, OpenModel, Rates, RunOptions, Sparsity,
    Work,
};
use flint_dram_cache::CacheConfig;
use flint_flash_io::{Options, PathReport, Reader};
use flint_geometry::UnitSet;
use flint_kernels::{Arithmetic, Compute, Isa, PagedKv};
use flint_model::{Architecture, Decoder};
use flint_predictor::Predictor;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use std::sync::Arc;

/// A loaded model.
pub struct Engine {
    pub(crate) decoder: Decoder,
    pub(crate) weights: DenseWeights,
    pub(crate) neurons: Neurons,
    pub(crate) kv: PagedKv,
    pub(crate) files: Arc<OpenModel>,
    /// The reader whose clients neurons and weights are.
    pub(crate) reads: Reads,
    /// Which way reads take, as planned.
    pub(crate) path: PathReport,
    pub(crate) plan: Plan,
    pub(crate) options: RunOptions,
    pub(crate) compute: Compute,
    pub(crate) work: Work,
    pub(crate) rates: Option<Rates>,
    pub(crate) sparsity: Option<Sparsity>,
    pub(crate) passes: u64,
    pub(crate) rows: u64,
    pub(crate) last_pass: Vec<LayerPass>,
    /// Low-bit copies of what is streamed, where drafts are made with them.
    pub(crate) substitutes: Option<Substitutes>,
    /// Those who draft, where drafts were asked for.
    pub(crate) drafter: Option<Drafter>,
    /// What drafts took and were worth.
    pub(crate) draft_effort: DraftEffort,
}

/// Everything that was decided before loading.
pub struct PlannedEngine {
    files: OpenModel,
    options: RunOptions,
    compute: Compute,
    reads: Reads,
    predictor: Option<Box<dyn Predictor>>,
    sparsity: Option<Sparsity>,
    plan: Plan,
    choices: Choices,
    work: Work,
    rates: Option<Rates>,
    /// A smaller model that drafts.
    draft_model: Option<Box<PlannedEngine>>,
}

/// Called with bytes loaded and bytes to load.
pub type Progress<'a> = &'a mut dyn FnMut(u64, u64);

impl PlannedEngine {
    /// Plans a run that needs `needed` tokens of context (all that the model has when `None`), with the
    /// bundle's own predictors, which are read to be timed. No weights are loaded yet.
    ///
    /// # Errors
    /// When the budget is below the floor, the context too long, or the mode not to be had.
    pub fn new(
        files: OpenModel,
        options: RunOptions,
        needed: Option<usize>,
    ) -> Result<PlannedEngine, EngineError> {
        refuse_what_cannot_fit(&files, &options, needed)?;
        let Some(sparsity) = options.sparsity else {
            let predictor = bundled_predictor(&files, options.mode)?;
            return PlannedEngine::with_predictor(files, options, needed, predictor);
        };
        let (predictor, sparsity) = predictors::chosen(&files, &options, sparsity)?;
        // What is loaded was measured with the first share that is stored.
        let first = predictors::sparsities(&files)?.first().map_or(sparsity, |first| *first);
        let others = f64::from((1.0 - sparsity.sparsity) / (1.0 - first.sparsity));
        let prepared = PlannedEngine::with_predictor(files, options, needed, Some(predictor))?;
        let work = prepared.work.clone().scaled(others);
        Ok(PlannedEngine { sparsity: Some(sparsity), work, ..prepared })
    }

    /// The same with a predictor of the caller's; `options.sparsity` is not looked at.
    ///
    /// # Errors
    /// As for [`PlannedEngine::new`].
    pub fn with_predictor(
        files: OpenModel,
        options: RunOptions,
        needed: Option<usize>,
        predictor: Option<Box<dyn Predictor>>,
    ) -> Result<PlannedEngine, EngineError> {
        let mode = match (options.mode, &predictor) {
            (Some(Mode::Sparse), None) => return Err(EngineError::NoPredictors),
            (Some(mode), _) => mode,
            (None, Some(_)) => Mode::Sparse,
            (None, None) => Mode::Exact,
        };
        let quantised = || files.bytes_by_dtype().iter().any(|(dtype, _)| dtype.is_quantised());
        let arithmetic = match (options.arithmetic, quantised()) {
            (None | Some(Arithmetic::F32), false) => Arithmetic::F32,
            (Some(asked), false) => return Err(EngineError::NothingQuantised { asked }),
            (asked, true) => asked.unwrap_or(DEFAULT_ARITHMETIC),
        };
        let threads = options.threads.unwrap_or_else(available_threads);
        let compute = Compute::new(options.isa.unwrap_or_else(Isa::best), threads)?;
        let predictor = predictor.filter(|_| mode == Mode::Sparse);
        let draft_model = draft_model::plan(&files, &options, needed)?;
        let disk = measure_disk(&files, &options)?;
        let record = files.read_bytes();
        let choices = Choices::of(&options, disk.as_ref(), record);
        let options = RunOptions {
            arithmetic: Some(arithmetic),
            depth: Some(choices.depth),
            max_gap: Some(choices.max_gap_bytes),
            ..options
        };
        let reads = open_reads(&files, &options)?;
        let context = context(&files.shape(), options.context, needed)?;
        let predictor_bytes = predictor.as_deref().map_or(0, Predictor::bytes);
        let mut costs = costs(&files, &options, mode, context, threads, reads.reader());
        (costs.predictor_bytes, costs.predictors_in_memory) = (predictor_bytes, predictor_bytes);
        costs.draft_model_bytes = draft_model.as_ref().map_or(0, |it| it.plan.claimed_bytes());
        let plan = Plan::make(&costs, options.memory)?;
        tracing::info!(?plan, path = ?reads.reader().report(), "planned");
        let work = Work::of(&files, &plan, &options, threads);
        let mut prepared = PlannedEngine {
            files,
            options,
            compute,
            reads,
            predictor,
            sparsity: None,
            plan,
            choices,
            work,
            rates: None,
            draft_model,
        };
        if let Some(disk) = disk {
            prepared.rates = prepared.measure(disk)?;
        }
        prepared.plan_substitutes(&costs)?;
        Ok(prepared)
    }

    fn measure(&mut self, disk: DiskRates) -> Result<Option<Rates>, EngineError> {
        let (compute, predictor) = (&self.compute, &mut self.predictor);
        let input = probe_input(self.files.architecture.hidden);
        let (layers, mut sets) = (self.files.architecture.layers, [UnitSet::new()]);
        let neurons = self.files.architecture.most_neurons() as f64;
        let mut sum = vec![0.0; input.len()];
        let missing = self.work.missing_share();
        Rates::measure(compute, self.plan.available_bytes, disk, missing, &mut |share| {
            let Some(predictor) = predictor else { return Ok(()) };
            let asked = |neuron: u32| f64::from(neuron) < share * neurons;
            (0..layers).try_for_each(|layer| {
                let set = &mut sets[0];
                if share < 1.0 {
                    predictor.predict_among(compute, layer, &input, &asked, set)?;
                } else {
                    predictor.predict(compute, layer, &input, std::slice::from_mut(set))?;
                    predictor.add_others(compute, layer, &sets, &mut sum)?;
                }
                Ok(())
            })
        })
    }

    /// How to read, and why.
    pub fn choices(&self) -> &Choices {
        &self.choices
    }

    /// What a token takes.
    pub fn work(&self) -> &Work {
        &self.work
    }

    /// What this machine does per second; `None` where it was not measured.
    pub fn rates(&self) -> Option<&Rates> {
        self.rates.as_ref()
    }

    /// Where memory will go.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Which neurons are not read although they are not zero, and what that costs: only where it was asked for.
    pub fn sparsity(&self) -> Option<&Sparsity> {
        self.sparsity.as_ref()
    }

    /// Which way reads will take.
    pub fn path(&self) -> PathReport {
        self.reads.reader().report()
    }

    /// The open bundle.
    pub fn files(&self) -> &OpenModel {
        &self.files
    }

    /// What may break the memory limit, in sentences for the user.
    pub fn warnings(&self) -> Vec<String> {
        warnings(self.plan.whole_process_bytes())
    }

    /// What is known of the statistics already.
    pub(crate) fn setting(&self) -> RunInfo {
        let PlannedEngine { files, options, compute, plan, .. } = self;
        RunInfo::new(plan, self.path(), files, options, compute, self.sparsity.as_ref())
    }

    /// Loads what the plan keeps in memory.
    ///
    /// # Errors
    /// When the bundle cannot be read or does not check, or the system refuses memory.
    pub fn load(self, progress: Progress<'_>) -> Result<Engine, EngineError> {
        load::load(self, progress)
    }
}

impl Engine {
    /// Where memory went.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Which neurons are not read although they are not zero, and what that costs: only where it was asked for.
    pub fn sparsity(&self) -> Option<&Sparsity> {
        self.sparsity.as_ref()
    }

    /// What the model is.
    pub fn architecture(&self) -> &Architecture {
        self.decoder.architecture()
    }

    /// Which way reads take.
    pub fn path(&self) -> PathReport {
        self.path.clone()
    }

    /// The open model.
    pub fn files(&self) -> &OpenModel {
        &self.files
    }

    /// Pages of keys and values that no sequence holds.
    pub fn kv_pages_free(&self) -> usize {
        self.kv.pages_free()
    }

    /// The forecast beside what came, where both are known.
    pub(crate) fn forecast_report(&self, stats: &Stats) -> Option<ForecastReport> {
        let before = self.rates.as_ref().filter(|_| stats.decode_tokens > 0)?;
        Some(ForecastReport::of(&self.work, before, stats))
    }

    /// What is known of the statistics before the first token.
    pub(crate) fn setting(&self) -> RunInfo {
        let (plan, chosen) = (&self.plan, self.sparsity.as_ref());
        RunInfo::new(plan, self.path(), &self.files, &self.options, &self.compute, chosen)
    }

    /// What was done so far.
    pub(crate) fn effort(&self) -> PassCounters {
        let (io_busy, drafts) = (self.reads.counters().busy, self.draft_effort);
        let passes = self.passes;
        PassCounters { passes, io_busy, drafts, ..self.neurons.effort() + self.weights.effort() }
    }
}

/// Numbers of mean zero and variance one, as a norm makes them before its weights.
fn probe_input(width: usize) -> Vec<f32> {
    let mut random = ChaCha8Rng::seed_from_u64(0);
    // Evenly in -sqrt(3) .. sqrt(3): the variance is one.
    let mut next = || (random.next_u32() as f32 / u32::MAX as f32 - 0.5) * 12.0f32.sqrt();
    (0..width).map(|_| next()).collect()
}

/// The least and the most memory that a run makes use of, process included, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Needs {
    /// Below this a run is refused.
    pub least: u64,
    /// With this nothing is read while it runs.
    pub most: u64,
    /// Tokens of context that both are for.
    pub context: usize,
}

/// What a run in exact mode with `context` tokens of context needs, or with all of the model's where that is less. Only
/// opens files.
///
/// # Errors
/// When a file cannot be opened.
pub fn needs(
    files: &OpenModel,
    options: &RunOptions,
    context: usize,
) -> Result<Needs, EngineError> {
    let context = context.min(files.architecture.context);
    let threads = options.threads.unwrap_or_else(available_threads);
    let reads = open_reads(files, options)?;
    let costs = costs(files, options, Mode::Exact, context, threads, reads.reader());
    // As much as a plan can be asked for.
    let plan = Plan::make(&costs, MemoryBudget::Absolute(i64::MAX as u64))?;
    let least = plan.floor_bytes + plan.process_bytes;
    Ok(Needs { least, most: plan.claimed_bytes() + plan.process_bytes, context })
}

/// The reader of all files of the model.
fn open_reads(files: &OpenModel, options: &RunOptions) -> Result<Reads, EngineError> {
    let (max_requests, merge) = Choices::merge(options);
    let reading = Options {
        backend: options.io,
        min_alignment: options.io_alignment,
        max_requests,
        merge,
        ..Options::default()
    };
    let reader = options.devices.open(&files.read_files(), reading).map_err(EngineError::Open)?;
    Ok(Reads::new(reader, options.read_timeout))
}

/// Plans with the predictors' lengths in the manifest: they are a good part of some budgets, so a budget that is too
/// small must be refused before they are read.
fn refuse_what_cannot_fit(
    files: &OpenModel,
    options: &RunOptions,
    needed: Option<usize>,
) -> Result<(), EngineError> {
    let stored = files.records().map_or(0, stored_predictor_bytes);
    if stored == 0 || options.mode == Some(Mode::Exact) {
        return Ok(());
    }
    let threads = options.threads.unwrap_or_else(available_threads);
    let reads = open_reads(files, options)?;
    let context = context(&files.shape(), options.context, needed)?;
    let costs = costs(files, options, Mode::Sparse, context, threads, reads.reader());
    Plan::make(&Costs { predictor_bytes: stored, ..costs }, options.memory).map(drop)
}

/// What the experts take, where the model has some.
fn expert_costs(files: &OpenModel, options: &RunOptions, reader: &Reader) -> Option<ExpertCosts> {
    files.architecture.experts.as_ref()?;
    // Every matrix was found when the model was opened.
    let units = ExpertUnits::of(&files.tensors, &files.architecture).ok()?;
    Some(ExpertCosts::of(&units, reader, options.policy))
}

/// What a run takes, but for its predictors.
fn costs(
    files: &OpenModel,
    options: &RunOptions,
    mode: Mode,
    context: usize,
    threads: usize,
    reader: &Reader,
) -> Costs {
    let (shape, architecture) = (files.shape(), &files.architecture);
    let records = u64::from(shape.layers) * u64::from(shape.neurons);
    Costs {
        mode,
        sequences: options.sequences.max(1),
        context,
        chunk: options.chunk,
        weights_bytes: files.weights_bytes(),
        dense: DenseCosts::of(files, u64::from(reader.report().alignment)),
        predictor_bytes: 0,
        predictors_in_memory: 0,
        kv_bytes: KvPages::of(architecture, context, options).bytes(),
        draft_model_bytes: 0,
        tables_bytes: records * size_of::<u32>() as u64,
        widths: Widths::of(architecture, context, threads),
        nothing_resident: options.ablation.nothing_resident && mode == Mode::Exact,
        neuron_copy: neuron_copy_bytes(&shape),
        blocks: match files.records() {
            Some(_) => BlockLayout::new(&shape, |bytes| reader.lease_bytes(bytes)),
            None => BlockLayout::NONE,
        },
        experts: expert_costs(files, options, reader),
        cache: CacheConfig {
            groups: vec![shape.neurons; shape.layers as usize],
            slot_bytes: reader.lease_bytes(shape.record.payload_bytes()),
            policy: options.policy,
        },
    }
}
