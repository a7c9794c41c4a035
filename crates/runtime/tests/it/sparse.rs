//! The sparse path with a predictor that is never wrong: the same tokens as exact, fewer bytes.

use crate::model::{Twin, greedy, load, options, oracle, unseen_prompt};
use flint_dram_cache::PolicyKind;
use flint_fixtures::tiny_opt_bundle;
use flint_predictor::{Everything, Predictor};
use runtime::{Mode, NeuronPlan, RunOptions};

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
    for policy in [PolicyKind::default(), PolicyKind::FREQUENCY] {
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
    let everything: Box<dyn Predictor> = Box::new(Everything::new(vec![1024; 6]));
    let options = RunOptions { mode: Some(Mode::Sparse), ..options(57.0) };
    let mut engine = load(&tiny_opt_bundle(), &options, context, Some(everything));
    let NeuronPlan::Sparse { config, bytes } = &engine.plan().neurons else { panic!("sparse") };
    let slots = config.slots_for(*bytes);
    assert!(slots < 1024, "a layer must take several rounds, {slots} slots");
    assert_eq!(greedy(&mut engine, &prompt, 4).tokens, expected);
}

#[test]
fn a_run_at_its_floor_works_and_one_byte_less_is_refused() {
    let prompt = unseen_prompt();
    let context = prompt.len() + 3;
    let files = || runtime::ModelFiles::open(&tiny_opt_bundle()).unwrap();
    let weights = files().bundle().weights_bytes() as f64;
    let plan = |bytes: f64| {
        let options = options(bytes * 100.0 / weights);
        runtime::Prepared::new(files(), options, Some(context))
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
    let files = runtime::ModelFiles::open(&tiny_opt_bundle()).unwrap();
    let options = RunOptions { mode: Some(Mode::Sparse), ..options(BUDGET) };
    let refused = runtime::Prepared::new(files, options, Some(8));
    assert!(refused.is_err_and(|error| error.exit_status() == 2));
}
