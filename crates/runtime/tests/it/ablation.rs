//! What is left out of the method, or added to it, changes what a token costs and never the token.

use crate::model::{greedy, load, options, oracle, unseen_prompt};
use flint_dram_cache::PolicyKind;
use flint_engine::{Ablation, Generated, Mode, Prefetching, RunOptions};
use flint_fixtures::tiny_opt_bundle;
use std::num::NonZeroU32;

const TOKENS: usize = 12;
/// Room for the oracle and half of the neurons, so that some are read for every token.
const BUDGET: f64 = 105.0;

fn run(options: &RunOptions) -> Generated {
    let prompt = unseen_prompt();
    let context = prompt.len() + TOKENS;
    let predictor = (options.mode == Some(Mode::Sparse)).then(|| oracle(&tiny_opt_bundle()));
    let mut engine = load(&tiny_opt_bundle(), options, context, predictor);
    greedy(&mut engine, &prompt, TOKENS)
}

fn sparse(ablation: Ablation) -> Generated {
    let policy = PolicyKind::Window { tokens: NonZeroU32::new(4) };
    let mode = Some(Mode::Sparse);
    run(&RunOptions { mode, policy, ablation, guesses: Prefetching::Never, ..options(BUDGET) })
}

#[test]
fn each_part_of_the_method_saves_something_and_changes_nothing() {
    let all = sparse(Ablation::default());
    let cost = all.stats.per_token;
    assert!(cost.neurons_loaded > 0.0, "a run that reads nothing shows nothing");
    let without = |ablation| {
        let run = sparse(ablation);
        assert_eq!(run.tokens, all.tokens, "{ablation:?}");
        run.stats.per_token
    };
    let forgetful = without(Ablation { no_reuse: true, ..Ablation::default() });
    assert_eq!(forgetful.neurons_loaded, forgetful.neurons_predicted);
    assert!(forgetful.neurons_loaded > 1.2 * cost.neurons_loaded);
    let single = Ablation { no_merging: true, ..Ablation::default() };
    let singles = without(single);
    // A token's rows of the embedding tables are reads too.
    assert!(singles.reads >= singles.neurons_loaded);
    assert!(cost.reads < singles.reads, "neighbours are read together");
    let serial = without(Ablation { no_overlap: true, ..Ablation::default() });
    assert_eq!(serial.neurons_loaded, cost.neurons_loaded);
}

#[test]
fn without_anything_resident_exact_mode_reads_the_whole_model_for_each_token() {
    let exact = RunOptions { mode: Some(Mode::Exact), ..options(1000.0) };
    let nothing = Ablation { nothing_resident: true, ..Ablation::default() };
    let (held, naive) = (run(&exact), run(&RunOptions { ablation: nothing, ..exact }));
    assert_eq!(naive.tokens, held.tokens);
    assert_eq!(held.stats.per_token.bytes_read, 0.0);
    assert!(held.stats.matrix_bytes_per_second.is_some_and(|rate| rate > 1e6));
    assert_eq!(naive.stats.matrix_bytes_per_second, None, "nothing is multiplied in memory");
    let weights = held.stats.weights_bytes as f64;
    let read = naive.stats.per_token.bytes_read;
    // All but norms, biases, and tables of which a token needs a row; what is read ahead at the end comes on top.
    assert!((0.8 * weights..1.3 * weights).contains(&read), "{read} of {weights}");
}

#[test]
fn guesses_come_true_mostly_and_never_change_a_token() {
    let with = |guesses| {
        let mode = Some(Mode::Sparse);
        run(&RunOptions { mode, guesses, ..options(BUDGET) })
    };
    let (with, without) = (with(Prefetching::Always), with(Prefetching::Never));
    assert_eq!(with.tokens, without.tokens);
    assert_eq!(
        with.tokens,
        self::run(&RunOptions { mode: Some(Mode::Sparse), ..options(BUDGET) }).tokens
    );
    let stats = with.stats.per_token;
    assert!(stats.guesses > 0.0, "{stats:?}");
    assert!(stats.guess_ms > 0.0 && stats.guess_ms < stats.predictor_ms, "{stats:?}");
    assert!(stats.guesses_right > 0.3 * stats.guesses, "{stats:?}");
    let without = without.stats.per_token;
    assert_eq!((without.guesses, without.guess_ms), (0.0, 0.0));
}
