//! Drafts change how many passes a text takes, and nothing else.

use crate::model::{CONTEXT, WAYS, Way, load, options, tokens};
use flint_engine::{
    CancelToken, Controls, DraftChoice, Engine, Event, Finish, Generated, Request, RunOptions,
    Sampling, generate_on,
};
use proptest::prelude::*;
use std::ops::ControlFlow;
use std::thread;
use std::time::Duration;

/// A text that repeats itself, so that there is something to look up.
fn periodic(seed: usize, period: usize, length: usize) -> Vec<u32> {
    tokens(period, seed).into_iter().cycle().take(length).collect()
}

fn sampled(temperature: f32, seed: u64) -> Sampling {
    Sampling { temperature, seed, top_k: 3, ..Sampling::greedy() }
}

fn request(prompt: Vec<u32>, max_tokens: usize, sampling: Sampling) -> Request {
    Request { prompt, max_tokens, sampling, stop: Vec::new(), ignore_end: true }
}

/// Generates on a sequence of its own, and gives its tokens afterwards, too.
fn run(engine: &mut Engine, request: &Request, controls: &Controls) -> (Generated, Vec<u32>) {
    let mut sequence = engine.begin();
    let listen = &mut |_: Event<'_>| ControlFlow::Continue(());
    let done = generate_on(engine, &mut sequence, None, request, controls, listen).unwrap();
    let fed = sequence.tokens().to_vec();
    engine.end(sequence);
    (done, fed)
}

fn drafting(way: Way, draft_tokens: Option<usize>) -> RunOptions {
    RunOptions { draft: DraftChoice::Lookup, draft_tokens, ..options(way) }
}

/// Both runs end alike, and hold the same of the text.
fn assert_alike(plain: &(Generated, Vec<u32>), drafted: &(Generated, Vec<u32>), what: &str) {
    assert_eq!(plain.0.tokens, drafted.0.tokens, "{what}");
    assert_eq!(plain.0.finish, drafted.0.finish, "{what}");
    assert_eq!(plain.1, drafted.1, "{what}");
}

#[test]
fn drafts_of_any_length_leave_the_text_as_it_is() {
    for way in WAYS {
        let mut plain = load(way, options(way));
        let (mut drafted, mut accepted) = (0, 0);
        for draft_tokens in [None, Some(1), Some(3), Some(8)] {
            let mut engine = load(way, drafting(way, draft_tokens));
            for (seed, period) in [(3, 2), (7, 5), (11, 9)] {
                for sampling in [Sampling::greedy(), sampled(0.8, 7)] {
                    let request = request(periodic(seed, period, 20), 24, sampling);
                    let want = run(&mut plain, &request, &Controls::default());
                    let got = run(&mut engine, &request, &Controls::default());
                    assert_alike(&want, &got, &format!("{way:?} {draft_tokens:?} {request:?}"));
                    let stats = got.0.stats.draft.unwrap();
                    assert_eq!(stats.passes + stats.accepted, 23, "{way:?} {stats:?}");
                    drafted += stats.drafted;
                    accepted += stats.accepted;
                }
            }
            assert_eq!(engine.kv_pages_free(), plain.kv_pages_free());
        }
        assert!(drafted > accepted && accepted > 0, "{way:?}: {accepted} of {drafted}");
    }
}

#[test]
fn a_text_ends_where_it_would_end_without_drafts() {
    let way = Way::Held;
    let (mut plain, mut engine) = (load(way, options(way)), load(way, drafting(way, Some(8))));
    // As many tokens as were asked for, or as many as there is room for.
    for (max_tokens, finish) in [(0, Finish::Length), (1, Finish::Length), (40, Finish::Context)] {
        let request = request(periodic(3, 2, 20), max_tokens, Sampling::greedy());
        let want = run(&mut plain, &request, &Controls::default());
        assert_eq!(want.0.finish, finish);
        assert_alike(&want, &run(&mut engine, &request, &Controls::default()), "length");
    }
    // The listener has enough, at every token.
    let request = request(periodic(3, 2, 20), 24, Sampling::greedy());
    for enough in 1..24 {
        let until = |engine: &mut Engine| {
            let (mut sequence, mut heard) = (engine.begin(), 0);
            let listen = &mut |event: Event<'_>| {
                heard += usize::from(matches!(event, Event::Token(..)));
                if heard == enough { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            };
            let none = Controls::default();
            let done = generate_on(engine, &mut sequence, None, &request, &none, listen).unwrap();
            let fed = sequence.tokens().to_vec();
            engine.end(sequence);
            (done, fed)
        };
        assert_alike(&until(&mut plain), &until(&mut engine), "enough");
    }
}

#[test]
fn a_draft_needs_no_page_that_the_text_alone_would_not_need() {
    let tight = |draft| RunOptions { kv_page: 1, sequences: 1, draft, ..options(Way::Held) };
    let draft_tokens = Some(8);
    let mut engine = load(Way::Held, RunOptions { draft_tokens, ..tight(DraftChoice::Lookup) });
    let request = request(periodic(3, 2, 20), 12, Sampling::greedy());
    let want = run(&mut load(Way::Held, tight(DraftChoice::Off)), &request, &Controls::default());
    // Another sequence has all pages but those for the prompt and what is generated.
    let mut other = engine.begin();
    let taken = tokens(CONTEXT - 31, 5);
    engine.feed(&mut other, &taken, &CancelToken::default(), &mut |_| {}).unwrap();
    assert_alike(&want, &run(&mut engine, &request, &Controls::default()), "pages");
    engine.end(other);
}

/// At any moment, from another thread: what was generated until then is a part of the whole, and the next request is answered.
#[test]
fn a_run_with_drafts_may_be_cancelled_at_any_moment() {
    for way in WAYS {
        let mut engine = load(way, drafting(way, Some(4)));
        let request = request(periodic(3, 2, 20), 24, Sampling::greedy());
        let want = run(&mut load(way, options(way)), &request, &Controls::default()).0.tokens;
        for turn in 0..12u32 {
            let controls = Controls::default();
            let (ended, fed) = thread::scope(|scope| {
                scope.spawn(|| {
                    thread::sleep(Duration::from_micros(u64::from(turn * turn) * 300));
                    controls.cancel.cancel();
                });
                run(&mut engine, &request, &controls)
            });
            assert_eq!(ended.tokens, want[..ended.tokens.len()], "{way:?}");
            let whole = [&request.prompt[..], &want].concat();
            assert!(whole.starts_with(&fed), "{way:?}: {fed:?}");
        }
        assert_eq!(run(&mut engine, &request, &Controls::default()).0.tokens, want, "{way:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn texts_are_the_same_for_all_prompts_budgets_and_threads(
        seed in 0usize..500, period in 1usize..12, length in 1usize..24, budget in 0usize..3,
        threads in 1usize..3, draft_tokens in prop::option::of(1usize..9), warm: bool, chunk in 1usize..40,
    ) {
        let way = WAYS[budget];
        let sampling = if warm { sampled(0.8, seed as u64) } else { Sampling::greedy() };
        let request = request(periodic(seed, period, length), 20, sampling);
        let want = run(&mut load(way, options(way)), &request, &Controls::default());
        let options = RunOptions { threads: Some(threads), chunk, ..drafting(way, draft_tokens) };
        let got = run(&mut load(way, options), &request, &Controls::default());
        prop_assert_eq!(want.0.tokens, got.0.tokens);
        prop_assert_eq!(want.1, got.1);
    }
}
