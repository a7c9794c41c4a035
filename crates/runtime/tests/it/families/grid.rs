//! The bits of every family do not depend on how it is run: budgets from the floor up, backends, threads, chunks,
//! SIMD paths; where neurons are left out, windows and policies too.

use super::converted;
use crate::model::{Twin, load, options, oracle};
use flint_convert::{CalibrateOptions, PredictorKind, calibrate};
use flint_dram_cache::PolicyKind;
use flint_engine::{CancelToken, Engine, MemoryBudget, Mode, OpenModel, PlannedEngine, RunOptions};
use flint_fixtures::{OracleReference, oracle as checkpoint};
use flint_flash_io::BackendChoice;
use flint_kernels::Isa;
use flint_predictor::Predictor;
use std::num::NonZeroU32;
use std::path::Path;

/// Tokens that are fed together, and after them one by one.
pub(super) const PROMPT: usize = 9;
pub(super) const MORE: usize = 2;

/// Budgets as parts of the way from the floor to everything in memory.
const BUDGETS: [f64; 4] = [0.0, 0.1, 0.5, 1.1];

/// Shares of neurons that models without exact zeros leave out.
const SPARSITIES: [f32; 2] = [0.3, 0.7];

pub(super) type Bits = Vec<Vec<u32>>;

fn bits(rows: &[Vec<f32>]) -> Bits {
    rows.iter().map(|row| row.iter().map(|logit| logit.to_bits()).collect()).collect()
}

/// Logits after each token.
fn logits(engine: &mut Engine, ids: &[u32]) -> Bits {
    let (prompt, more) = ids.split_at(PROMPT);
    let mut rows = Vec::new();
    let cancel = CancelToken::default();
    let mut sequence = engine.begin();
    engine.feed_all(&mut sequence, prompt, &cancel, &mut |row| rows.push(row.to_vec())).unwrap();
    for &id in more {
        rows.push(engine.feed(&mut sequence, &[id], &cancel, &mut |_| {}).unwrap());
    }
    engine.end(sequence);
    bits(&rows)
}

/// What must not matter, in every combination; budgets, windows and policies turn, so that each meets every value of
/// the others.
fn grid() -> Vec<(f64, RunOptions)> {
    let mut grid = Vec::new();
    for io in [BackendChoice::Uring, BackendChoice::Threads] {
        for threads in [1, 2] {
            for isa in Isa::available() {
                for chunk in [1, 4, 64] {
                    let index = grid.len();
                    let policy = match NonZeroU32::new(index as u32 % 9) {
                        None => PolicyKind::FREQUENCY,
                        tokens => PolicyKind::Window { tokens },
                    };
                    let (threads, isa) = (Some(threads), Some(isa));
                    let options = RunOptions { io, threads, isa, chunk, policy, ..options(1000.0) };
                    grid.push((BUDGETS[index % BUDGETS.len()], options));
                }
            }
        }
    }
    grid
}

/// The floor of a run and what holding everything takes, in percent of the weights. `options` has room for everything.
fn ends(bundle: &Path, options: RunOptions, predictor: &Predicted) -> [f64; 2] {
    let files = OpenModel::open(bundle).unwrap();
    let weights = files.weights_bytes() as f64;
    let context = PROMPT + MORE;
    let prepared = match predictor(bundle) {
        None => PlannedEngine::new(files, options, Some(context)),
        some => PlannedEngine::with_predictor(files, options, Some(context), some),
    };
    let prepared = prepared.unwrap();
    let plan = prepared.plan();
    // Half a byte more, or rounding could end below the floor.
    [plan.floor_bytes, plan.claimed_bytes()].map(|bytes| (bytes as f64 + 0.5) * 100.0 / weights)
}

/// Makes the caller's predictor for a run, where it has one.
pub(super) type Predicted = dyn Fn(&Path) -> Option<Box<dyn Predictor>>;

/// Runs the grid with `base`, which has room for everything; every run gives `expected`.
pub(super) fn run(
    bundle: &Path,
    ids: &[u32],
    base: &RunOptions,
    predictor: &Predicted,
    expected: &Bits,
) {
    // Threads and policies have buffers and tables of their own; nothing else moves the floor.
    let policies = [PolicyKind::FREQUENCY, PolicyKind::OPEN_WINDOW];
    let ends = [1, 2].map(|threads| {
        policies.map(|policy| {
            let options = RunOptions { threads: Some(threads), policy, ..base.clone() };
            ends(bundle, options, predictor)
        })
    });
    let (mut streamed, mut resident) = (0, 0);
    for (part, options) in grid() {
        let policy = usize::from(options.policy != PolicyKind::FREQUENCY);
        let [floor, all] = ends[options.threads.unwrap() - 1][policy];
        let memory = MemoryBudget::Percent(floor + (all - floor) * part);
        let (mode, sparsity, arithmetic) = (base.mode, base.sparsity, base.arithmetic);
        let options = RunOptions { mode, sparsity, arithmetic, memory, ..options };
        let mut engine = load(bundle, &options, ids.len(), predictor(bundle));
        assert_eq!(&logits(&mut engine, ids), expected, "{part} of the way: {options:?}");
        match engine.plan().all_resident {
            true => resident += 1,
            false => streamed += 1,
        }
    }
    let quarter = (streamed + resident) / BUDGETS.len();
    assert!(streamed >= 2 * quarter && resident >= quarter, "{streamed} streamed, {resident} held");
}

/// What a run with one thread, scalar code, single tokens and all in memory gives.
pub(super) fn plain(bundle: &Path, ids: &[u32], base: &RunOptions) -> Bits {
    let (threads, isa) = (Some(1), Some(Isa::Scalar));
    let options = RunOptions { threads, isa, chunk: 1, ..base.clone() };
    logits(&mut load(bundle, &options, ids.len(), None), ids)
}

/// Tokens that look random.
fn text(vocabulary: usize) -> Vec<u32> {
    let mut state = 7u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 33) as u32 % vocabulary as u32
    };
    (0..700).map(|_| next()).collect()
}

/// The grid of the reference checkpoint `name`: exact, with a predictor that is never wrong, with one that is, and
/// with neurons left out that are not zero.
fn holds(name: &str) {
    let dir = tempfile::tempdir().unwrap();
    let bundle = converted(&checkpoint(name), dir.path());
    let reference = OracleReference::read(&checkpoint(name)).unwrap();
    let ids = &reference.prompts.last().unwrap().ids[..PROMPT + MORE];
    let whole = bits(&Twin::open(&bundle).logits(ids));
    let exact = RunOptions { mode: Some(Mode::Exact), ..options(1000.0) };
    run(&bundle, ids, &exact, &|_| None, &whole);
    // Used as it lies there the down projection is another sum, so the bits are its own.
    let in_place = plain(&checkpoint(name), ids, &exact);
    run(&checkpoint(name), ids, &exact, &|_| None, &in_place);
    let files = OpenModel::open(&bundle).unwrap();
    let vocabulary = files.architecture().vocabulary;
    let mut making = CalibrateOptions {
        kind: PredictorKind::QuantizedGate,
        tokens: Some(600),
        threads: Some(1),
        ..CalibrateOptions::new(bundle.clone())
    };
    let sparse = RunOptions { mode: Some(Mode::Sparse), ..options(1000.0) };
    if files.architecture().feed_forward.activation.is_sparse() {
        run(&bundle, ids, &sparse, &|bundle| Some(oracle(bundle)), &whole);
        // Finds too few on purpose, so that what is left out shows.
        making.recall = 0.7;
        calibrate(&making, &text(vocabulary), &mut |_| {}).unwrap();
        let expected = plain(&bundle, ids, &sparse);
        assert_ne!(expected, whole, "nothing was left out");
        run(&bundle, ids, &sparse, &|_| None, &expected);
    } else {
        making.sparsities = SPARSITIES.to_vec();
        calibrate(&making, &text(vocabulary), &mut |_| {}).unwrap();
        // Asked for or not at all.
        assert_eq!(plain(&bundle, ids, &options(1000.0)), whole);
        for sparsity in SPARSITIES {
            let sparse = RunOptions { mode: None, sparsity: Some(sparsity), ..options(1000.0) };
            let expected = plain(&bundle, ids, &sparse);
            assert_ne!(expected, whole, "nothing was left out");
            run(&bundle, ids, &sparse, &|_| None, &expected);
        }
    }
}

macro_rules! families {
    ($($test:ident: $name:literal,)*) => {
        $(#[test]
        fn $test() {
            holds($name);
        })*
    };
}

families! {
    opt_with_norms_before: "opt-post-ln-free",
    opt_with_norms_after: "opt-350m-style",
    falcon_7b: "falcon-7b-relu",
    falcon_40b: "falcon-40b-relu",
    persimmon: "persimmon-8b-relu2",
    phi_2: "phi-2-gelu",
    phi_2_with_relu: "phi-2-relu",
    llama_2: "llama-2",
    llama_with_relu: "llama-relu",
    llama_3: "llama-gqa-sharded",
    mistral: "mistral",
    qwen2: "qwen2",
    qwen3: "qwen3",
    gemma_2: "gemma-2",
}
