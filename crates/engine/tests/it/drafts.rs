//! Drafts change how many passes a text takes, and nothing else.

use crate::model::{CONTEXT, WAYS, Way, load, options, third, tokens};
use flint_engine::{
    CancelToken, Controls, DraftChoice, Engine, Event, Finish, Generated, MemoryBudget, Mode,
    OpenModel, PlannedEngine, Request, RunOptions, Sampling, generate_on,
};
use flint_fixtures::{oracle, tiny_opt_bundle};
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
        for draft_tokens in [None, Some(1), Some(8)] {
            let mut engine = load(way, drafting(way, draft_tokens));
            for (seed, period) in [(3, 2), (11, 9)] {
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

/// Budgets in percent that leave most of tiny-opt on the device, with copies of that beside what stays.
const TIGHT: [f64; 3] = [90.0, 105.0, 120.0];

#[test]
fn copies_in_four_bits_draft_and_leave_the_text_as_it_is() {
    let mut plain = load(Way::Held, options(Way::Held));
    for percent in TIGHT {
        let memory = MemoryBudget::Percent(percent);
        let (mut drafted, mut accepted) = (0, 0);
        for (draft, draft_tokens) in [
            (DraftChoice::Substitute, None),
            (DraftChoice::Substitute, Some(4)),
            (DraftChoice::Auto, None),
        ] {
            let engine_chooses = draft == DraftChoice::Auto;
            let options = RunOptions { memory, draft, draft_tokens, ..options(Way::Streamed) };
            let mut engine = load(Way::Streamed, options);
            let plan = engine.plan();
            let copies = plan.copy_bytes() > 0;
            assert!(copies || engine_chooses, "{percent} %");
            assert!(plan.claimed_bytes() <= plan.available_bytes);
            for sampling in [Sampling::greedy(), sampled(0.8, 7)] {
                let request = request(tokens(12, 3), 24, sampling);
                let want = run(&mut plain, &request, &Controls::default());
                let got = run(&mut engine, &request, &Controls::default());
                assert_alike(&want, &got, &format!("{percent} % {draft_tokens:?} {sampling:?}"));
                let stats = got.0.stats.draft.unwrap();
                (drafted, accepted) = (drafted + stats.drafted, accepted + stats.accepted);
            }
        }
        // tiny-opt was never quantised.
        assert!(accepted * 2 > drafted && accepted > 40, "{percent} %: {accepted} of {drafted}");
    }
}

/// Every weight is a matrix there, the head among what is streamed.
#[test]
fn copies_are_made_of_files_that_are_used_as_they_lie() {
    for model in ["mistral", "qwen3", "gemma-2"] {
        let load = |memory, draft| {
            let files = OpenModel::open(&oracle(model)).unwrap();
            let draft_tokens = Some(3);
            let options = RunOptions { memory, draft, draft_tokens, ..options(Way::Streamed) };
            let prepared = PlannedEngine::new(files, options, Some(CONTEXT)).unwrap();
            let floor = prepared.plan().floor_bytes;
            (prepared, floor)
        };
        let (plain, floor) = load(MemoryBudget::Percent(1000.0), DraftChoice::Off);
        let weights = plain.plan().weights_bytes as f64;
        let percent = (floor as f64 + weights * 0.75) * 100.0 / weights;
        let (drafting, _) = load(MemoryBudget::Percent(percent), DraftChoice::Substitute);
        let copies = drafting.plan().substitute.clone().unwrap();
        assert!(!copies.matrices.is_empty(), "{model}");
        let mut plain = plain.load(&mut |_, _| {}).unwrap();
        let mut engine = drafting.load(&mut |_, _| {}).unwrap();
        for sampling in [Sampling::greedy(), sampled(0.8, 1)] {
            let request = request((5..17).collect(), 24, sampling);
            let want = run(&mut plain, &request, &Controls::default());
            let got = run(&mut engine, &request, &Controls::default());
            assert_alike(&want, &got, model);
            assert!(got.0.stats.draft.unwrap().drafted > 20, "{model}");
        }
    }
}

#[test]
fn copies_that_cannot_be_had_are_refused_where_they_were_asked_for() {
    let prepare = |percent, mode| {
        let files = OpenModel::open(&tiny_opt_bundle()).unwrap();
        let memory = MemoryBudget::Percent(percent);
        let (draft, mode) = (DraftChoice::Substitute, Some(mode));
        let options = RunOptions { memory, draft, mode, ..options(Way::Held) };
        PlannedEngine::with_predictor(files, options, Some(CONTEXT), Some(third()))
    };
    // Nothing is streamed, so there is nothing to copy.
    let held = prepare(1000.0, Mode::Exact).unwrap();
    assert_eq!(held.plan().copy_bytes(), 0);
    let said = |percent, mode| match prepare(percent, mode) {
        Ok(_) => panic!("there is a plan for {percent} %"),
        Err(error) => {
            assert_eq!(error.exit_status(), 2);
            error.to_string()
        }
    };
    assert!(said(120.0, Mode::Sparse).contains("--mode exact"));
    let floor = held.plan().floor_bytes as f64 * 100.0 / held.plan().weights_bytes as f64;
    let least = said(floor.ceil(), Mode::Exact);
    assert!(least.contains("bytes more of --memory"), "{least}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn texts_are_the_same_for_all_prompts_budgets_and_threads(
        seed in 0usize..500, period in 1usize..12, length in 1usize..24, budget in 0usize..3,
        threads in 1usize..3, draft_tokens in prop::option::of(1usize..9), warm: bool, chunk in 1usize..40,
        auto: bool,
    ) {
        let way = WAYS[budget];
        let sampling = if warm { sampled(0.8, seed as u64) } else { Sampling::greedy() };
        let request = request(periodic(seed, period, length), 20, sampling);
        let want = run(&mut load(way, options(way)), &request, &Controls::default());
        let draft = if auto { DraftChoice::Auto } else { DraftChoice::Lookup };
        let options =
            RunOptions { threads: Some(threads), chunk, draft, ..drafting(way, draft_tokens) };
        let got = run(&mut load(way, options), &request, &Controls::default());
        prop_assert_eq!(want.0.tokens, got.0.tokens);
        prop_assert_eq!(want.1, got.1);
    }
}
