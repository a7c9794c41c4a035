//! A given text read token by token: as generation reads what it chose itself.

use crate::model::{greedy, load, options, oracle, unseen_prompt};
use flint_engine::{
    EngineError, ForcedDecode, ForcedDrafts, Mode, Prefetching, RunOptions, teacher_force,
};
use flint_fixtures::tiny_opt_bundle;

const TOKENS: usize = 24;

#[test]
fn reading_what_was_generated_costs_what_generating_it_did() {
    let prompt = unseen_prompt();
    let context = prompt.len() + TOKENS;
    // What is guessed depends on how fast the disk is, and so does what is loaded.
    let mode = Some(Mode::Sparse);
    let options = RunOptions { mode, guesses: Prefetching::Never, ..options(95.0) };
    let engine = || load(&tiny_opt_bundle(), &options, context, Some(oracle(&tiny_opt_bundle())));
    let generated = greedy(&mut engine(), &prompt, TOKENS);
    // The last token was chosen and not read.
    let tokens = generated.tokens[..TOKENS - 1].to_vec();
    let mut fed = Vec::new();
    let all = ForcedDecode {
        prompt: prompt.clone(),
        warm_up: Vec::new(),
        tokens: tokens.clone(),
        drafts: None,
    };
    let taught = teacher_force(&mut engine(), &all, &mut |count| fed.push(count)).unwrap();
    let (a, b) = (taught.per_token, generated.stats.per_token);
    assert_eq!((a.neurons_loaded, a.neurons_predicted), (b.neurons_loaded, b.neurons_predicted));
    assert!(a.neurons_loaded > 0.0);
    assert_eq!(fed, (1..TOKENS).collect::<Vec<_>>());

    let (warm_up, counted) = tokens.split_at(10);
    let half =
        ForcedDecode { prompt, warm_up: warm_up.to_vec(), tokens: counted.to_vec(), drafts: None };
    let taught = teacher_force(&mut engine(), &half, &mut |_| {}).unwrap();
    assert_eq!((taught.decode_tokens, taught.prefill_tokens), (13, half.prompt.len() as u64));
    let loaded = taught.per_token.neurons_loaded * 13.0;
    assert!(loaded < a.neurons_loaded * 23.0, "what warmed up the cache is not counted");
}

#[test]
fn what_drafts_share_is_read_once_and_what_is_wrong_is_taken_back() {
    let prompt = unseen_prompt();
    let mode = Some(Mode::Sparse);
    let options = RunOptions { mode, guesses: Prefetching::Never, ..options(95.0) };
    let context = prompt.len() + TOKENS;
    let read = |share: Option<f64>| {
        let mut engine =
            load(&tiny_opt_bundle(), &options, context, Some(oracle(&tiny_opt_bundle())));
        let tokens = greedy(&mut engine, &prompt, TOKENS).tokens;
        let drafts = share.map(|share| ForcedDrafts { tokens: 4, share });
        let lesson = ForcedDecode { prompt: prompt.clone(), warm_up: Vec::new(), tokens, drafts };
        let mut heard = 0;
        let stats = teacher_force(&mut engine, &lesson, &mut |count| heard = count).unwrap();
        assert_eq!((heard, stats.decode_tokens), (TOKENS, TOKENS as u64));
        stats.per_token
    };
    let (alone, right, wrong) = (read(None), read(Some(1.0)), read(Some(0.0)));
    assert_eq!(alone.tokens_per_pass, 1.0);
    assert!((right.tokens_per_pass - 24.0 / 5.0).abs() < 1e-9, "{}", right.tokens_per_pass);
    assert_eq!(wrong.tokens_per_pass, 1.0);
    // Each token has its own set; those of tokens that are taken back are computed for nothing.
    assert_eq!(right.neurons_predicted, alone.neurons_predicted);
    assert!(wrong.neurons_predicted > alone.neurons_predicted);
}

#[test]
fn a_lesson_needs_a_prompt() {
    let nothing =
        ForcedDecode { prompt: Vec::new(), warm_up: Vec::new(), tokens: vec![5], drafts: None };
    let mut engine = load(&tiny_opt_bundle(), &options(95.0), 8, None);
    let error = teacher_force(&mut engine, &nothing, &mut |_| {}).unwrap_err();
    assert!(matches!(error, EngineError::EmptyPrompt));
}
