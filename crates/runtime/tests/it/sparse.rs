//! The sparse path with a predictor that is never wrong: the same tokens as exact, fewer bytes.

use crate::device::copy;
use crate::model::{Twin, all_logits, greedy, load, options, oracle, unseen_prompt};
use flint_dram_cache::PolicyKind;
use flint_engine::{MemoryBudget, Mode, NeuronPlan, RunOptions};
use flint_fixtures::tiny_opt_bundle;
use flint_geometry::UnitSet;
use flint_kernels::{Compute, KvElement};
use flint_predictor::{AllNeurons, Predictor, PredictorError};
use std::fs;
use std::num::NonZeroU32;

const TOKENS: usize = 40;

/// The oracle holds the rows that decide, 3 MiB of tiny-opt: room for it and some slots.
const BUDGET: f64 = 95.0;

fn sparse(policy: PolicyKind) -> RunOptions {
    RunOptions { mode: Some(Mode::Sparse), policy, ..options(BUDGET) }
}

#[test]
fn a_perfect_predictor_gives_the_tokens_of_exact_mode_with_fewer_bytes() {
    let prompt = unseen_prompt();
    let context = prompt.len() + TOKENS;
    let mut exact = load(&tiny_opt_bundle(), &options(BUDGET), context, None);
    let exact = greedy(&mut exact, &prompt, TOKENS);
    for policy in [PolicyKind::OPEN_WINDOW, PolicyKind::FREQUENCY] {
        let predictor = oracle(&tiny_opt_bundle());
        let mut engine = load(&tiny_opt_bundle(), &sparse(policy), context, Some(predictor));
        assert!(matches!(engine.plan().neurons, NeuronPlan::Sparse { .. }));
        assert!(!engine.plan().all_resident);
        let sparse = greedy(&mut engine, &prompt, TOKENS);
        assert_eq!(sparse.tokens, exact.tokens);
        let (few, all) = (sparse.stats.per_token, exact.stats.per_token);
        // Tenfold fewer neurons are computed; the exact run holds half of them pinned.
        assert!(few.neurons_predicted * 10.0 < all.neurons_predicted, "{few:?}");
        assert!(few.bytes_read * 4.0 < all.bytes_read, "{} {}", few.bytes_read, all.bytes_read);
        assert_eq!(few.neurons_active, few.neurons_predicted);
        assert!(few.hit_rate > 0.0 && few.hit_rate < 1.0);
    }
}

#[test]
fn computing_everything_by_the_sparse_path_is_exact_even_with_the_fewest_slots() {
    let prompt = unseen_prompt();
    let context = prompt.len() + 4;
    let mut exact = load(&tiny_opt_bundle(), &options(BUDGET), context, None);
    let expected = greedy(&mut exact, &prompt, 4).tokens;
    let everything: Box<dyn Predictor> = Box::new(AllNeurons::new(vec![1024; 6]));
    let options = RunOptions { mode: Some(Mode::Sparse), ..options(57.0) };
    let mut engine = load(&tiny_opt_bundle(), &options, context, Some(everything));
    let NeuronPlan::Sparse { config, bytes } = &engine.plan().neurons else { panic!("sparse") };
    let slots = config.slots_for(*bytes);
    assert!(slots < 1024, "a layer must take several rounds, {slots} slots");
    assert_eq!(greedy(&mut engine, &prompt, 4).tokens, expected);
}

/// Leaves out a third of what the oracle names, others at each position: a third by the input itself, so that
/// the answer for a position is the same in any chunk.
struct Forgetful(Box<dyn Predictor>);

impl Predictor for Forgetful {
    fn predict(
        &mut self,
        compute: &Compute,
        group: usize,
        input: &[f32],
        sets: &mut [UnitSet],
    ) -> Result<(), PredictorError> {
        self.0.predict(compute, group, input, sets)?;
        let width = input.len() / sets.len();
        for (set, row) in sets.iter_mut().zip(input.chunks_exact(width)) {
            let kept = set.iter().filter(|neuron| (neuron ^ row[0].to_bits()) % 3 != 0).collect();
            *set = UnitSet::from_sorted(kept).unwrap();
        }
        Ok(())
    }

    fn add_others(
        &mut self,
        _: &Compute,
        _: usize,
        _: &[UnitSet],
        _: &mut [f32],
    ) -> Result<(), PredictorError> {
        Ok(())
    }

    fn bytes(&self) -> u64 {
        self.0.bytes()
    }

    fn kind(&self) -> &'static str {
        "forgetful"
    }
}

#[test]
fn each_position_of_a_chunk_computes_its_own_set_alone() {
    let prompt = unseen_prompt();
    let logits = |chunk| {
        let predictor: Box<dyn Predictor> = Box::new(Forgetful(oracle(&tiny_opt_bundle())));
        let options = RunOptions { chunk, ..sparse(PolicyKind::OPEN_WINDOW) };
        let mut engine = load(&tiny_opt_bundle(), &options, prompt.len(), Some(predictor));
        all_logits(&mut engine, &prompt).unwrap()
    };
    let one_by_one = logits(1);
    assert_eq!(one_by_one, logits(7));
    assert_eq!(one_by_one, logits(64));
    assert_ne!(one_by_one, Twin::open(&tiny_opt_bundle()).logits(&prompt), "nothing was left out");
}

#[test]
fn a_longer_window_loads_less() {
    let prompt = unseen_prompt();
    let loaded = |k| {
        let policy = PolicyKind::Window { tokens: NonZeroU32::new(k) };
        let predictor = oracle(&tiny_opt_bundle());
        let options = RunOptions { memory: MemoryBudget::Percent(130.0), ..sparse(policy) };
        let mut engine = load(&tiny_opt_bundle(), &options, prompt.len() + 20, Some(predictor));
        let stats = greedy(&mut engine, &prompt, 20).stats;
        assert_eq!(stats.window, k);
        stats.per_token.neurons_loaded
    };
    assert!(loaded(1) > loaded(4) && loaded(4) > loaded(12));
}

#[test]
fn an_engine_goes_on_after_a_read_that_failed() {
    let directory = tempfile::tempdir().unwrap();
    let bundle = directory.path().join("tiny.flint");
    copy(&tiny_opt_bundle(), &bundle);
    let prompt = unseen_prompt();
    let expected = Twin::open(&bundle).greedy(&prompt, 4);
    let neurons = flint_engine::OpenModel::open(&bundle).unwrap().bundle().unwrap().neurons_path();
    let whole = fs::read(&neurons).unwrap();
    let mut wrong = whole.clone();
    // Every record of the fourth layer.
    wrong[3 << 20..4 << 20].iter_mut().for_each(|byte| *byte ^= 1);
    let mut engines = [
        load(&bundle, &options(60.0), prompt.len() + 4, None),
        load(&bundle, &sparse(PolicyKind::OPEN_WINDOW), prompt.len() + 4, Some(oracle(&bundle))),
    ];
    for engine in &mut engines {
        // In place: the engine holds the file open.
        fs::write(&neurons, &wrong).unwrap();
        let failed = all_logits(engine, &prompt).unwrap_err();
        assert!(failed.to_string().contains("layer 3"), "{failed}");
        assert_eq!(failed.exit_status(), 1);
        fs::write(&neurons, &whole).unwrap();
        assert_eq!(greedy(engine, &prompt, 4).tokens, expected);
    }
}

#[test]
fn what_a_chunk_needs_is_read_once() {
    let prompt = unseen_prompt();
    let read = |chunk| {
        let options = RunOptions { chunk, ..options(75.0) };
        let mut engine = load(&tiny_opt_bundle(), &options, prompt.len() + 1, None);
        greedy(&mut engine, &prompt, 1).stats.prefill_bytes_read as f64
    };
    let (one, all) = (read(1), read(64));
    // The ring reads ahead of the end, so a little more than one pass.
    assert!(all * (prompt.len() as f64 * 0.8) < one, "{all} of {one}");
}

#[test]
fn keys_and_values_in_f16_change_the_result_and_halve_the_cache() {
    let prompt = unseen_prompt();
    let run = |kv| {
        let options = RunOptions { kv, ..options(200.0) };
        let mut engine = load(&tiny_opt_bundle(), &options, 64, None);
        let bytes = engine.plan().kv_bytes;
        (all_logits(&mut engine, &prompt).unwrap().pop().unwrap(), bytes)
    };
    let (exact, bytes) = run(KvElement::F32);
    let (rounded, half) = run(KvElement::F16);
    assert_ne!(exact, rounded);
    assert_eq!(bytes, 2 * half);
    assert!(exact.iter().zip(&rounded).all(|(a, b)| (a - b).abs() < 0.1));
}

#[test]
fn a_run_at_its_floor_works_and_one_byte_less_is_refused() {
    let prompt = unseen_prompt();
    let context = prompt.len() + 3;
    let files = || flint_engine::OpenModel::open(&tiny_opt_bundle()).unwrap();
    let weights = files().bundle().unwrap().weights_bytes() as f64;
    let plan = |bytes: f64| {
        let options = options(bytes * 100.0 / weights);
        flint_engine::PlannedEngine::new(files(), options, Some(context))
    };
    let floor = plan(weights).unwrap().plan().floor_bytes as f64;
    assert!(plan(floor - 1.0).is_err());
    let mut engine = plan(floor + 0.5).unwrap().load(&mut |_, _| {}).unwrap();
    assert_eq!(engine.plan().available_bytes, floor as u64);
    let expected = Twin::open(&tiny_opt_bundle()).greedy(&prompt, 3);
    assert_eq!(greedy(&mut engine, &prompt, 3).tokens, expected);
}

#[test]
fn sparse_mode_without_predictors_is_refused() {
    let files = flint_engine::OpenModel::open(&tiny_opt_bundle()).unwrap();
    let options = RunOptions { mode: Some(Mode::Sparse), ..options(BUDGET) };
    let refused = flint_engine::PlannedEngine::new(files, options, Some(8));
    assert!(refused.is_err_and(|error| error.exit_status() == 2));
}
