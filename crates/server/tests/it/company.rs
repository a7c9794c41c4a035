//! An answer is the same alone and in company, whatever is shared, and whoever leaves.

use crate::house::{Answered, House, job, tokens};
use flint_engine::{DraftChoice, MemoryBudget, RunOptions, Sampling};
use flint_fixtures::tiny_opt_bundle;
use flint_server::{Ended, Job, Penalties, Refused, Update};
use proptest::prelude::*;
use std::time::{Duration, Instant};

const CONTEXT: usize = 160;

/// Requests of every kind: long and short, greedy and seeded, with common beginnings.
fn request() -> impl Strategy<Value = Job> {
    let sampling = (0.0f32..1.5, 0usize..50, 0.5f32..1.0, 0.0f32..0.1, any::<u64>(), any::<bool>());
    (1usize..100, 0usize..5, 0usize..40, 1usize..24, sampling, 0.0f32..0.5, any::<bool>()).prop_map(
        |(common, family, own, max_tokens, sampling, presence, logprobs)| {
            let (temperature, top_k, top_p, min_p, seed, greedy) = sampling;
            let mut prompt = tokens(common, family);
            prompt.extend(tokens(own, seed as usize % 1000));
            let sampled = Sampling { temperature, top_k, top_p, min_p, seed };
            Job {
                sampling: if greedy { Sampling::greedy() } else { sampled },
                penalties: Penalties { presence, ..Penalties::default() },
                logprobs: logprobs.then_some(3),
                ..job(prompt, max_tokens)
            }
        },
    )
}

/// What an answer says, without what it took.
fn said(answered: Answered) -> (String, Vec<flint_server::Chosen>, Ended, usize) {
    (answered.text, answered.tokens, answered.ended, answered.usage.generated)
}

fn alone_and_in_company(options: &RunOptions, requests: &[Job]) {
    alone_and_drafted(options, options, requests);
}

/// Answers in company with the options `in_company` are those that are given alone.
fn alone_and_drafted(options: &RunOptions, in_company: &RunOptions, requests: &[Job]) {
    let alone: Vec<_> = requests
        .iter()
        .map(|request| said(House::new(CONTEXT, options.clone()).answer(request.clone())))
        .collect();
    let house = House::new(CONTEXT, in_company.clone());
    for (round, group) in requests.chunks(8).enumerate() {
        let ask = |request: &Job| house.scheduler.ask(request.clone()).unwrap();
        let mut tickets: Vec<_> = group.iter().map(ask).collect();
        // Somebody whose answer nobody waits for is among them, and leaves.
        let mut leaving = house.scheduler.ask(job(tokens(90, 99), 60)).unwrap();
        if round % 2 == 0 {
            let _ = leaving.next_blocking();
        }
        drop(leaving);
        for (index, ticket) in tickets.drain(..).enumerate() {
            let at = round * 8 + index;
            assert_eq!(said(Answered::of(ticket)), alone[at], "request {at}: {:?}", requests[at]);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1, ..ProptestConfig::default() })]

    #[test]
    fn sixty_four_requests_are_answered_as_each_alone(requests in prop::collection::vec(request(), 64)) {
        let memory = MemoryBudget::Percent(1000.0);
        alone_and_in_company(&RunOptions { memory, ..RunOptions::default() }, &requests);
    }

    #[test]
    fn requests_are_answered_as_each_alone_from_flash(requests in prop::collection::vec(request(), 16)) {
        for percent in [110.0, 140.0] {
            let memory = MemoryBudget::Percent(percent);
            alone_and_in_company(&RunOptions { memory, ..RunOptions::default() }, &requests);
        }
    }
}

/// Texts that repeat themselves, so that there is something to look up, and drafts of any length.
#[test]
fn drafts_change_no_answer() {
    let prompts = (0..8).map(|i| tokens(3 + i % 4, i).into_iter().cycle().take(20 + i).collect());
    let requests = prompts.enumerate().map(|(i, prompt): (usize, Vec<u32>)| {
        let sampling = Sampling { temperature: 0.8, seed: i as u64, ..Sampling::greedy() };
        let sampling = if i % 2 == 0 { Sampling::greedy() } else { sampling };
        Job { sampling, logprobs: Some(2), ..job(prompt, 40) }
    });
    let requests: Vec<Job> = requests.collect();
    for percent in [120.0, 1000.0] {
        let options =
            RunOptions { memory: MemoryBudget::Percent(percent), ..RunOptions::default() };
        let copies = percent < 1000.0;
        let choice = if copies { DraftChoice::Substitute } else { DraftChoice::Lookup };
        for (draft, draft_tokens) in [(choice, Some(3)), (DraftChoice::Auto, None)] {
            let drafting = RunOptions { draft, draft_tokens, ..options.clone() };
            alone_and_drafted(&options, &drafting, &requests);
        }
    }
    // By the model itself as a small one, which is right as long as it follows every text.
    let options = RunOptions { memory: MemoryBudget::Percent(1000.0), ..RunOptions::default() };
    let (draft, draft_model) = (DraftChoice::Model, Some(tiny_opt_bundle()));
    let drafting = RunOptions { draft, draft_model, draft_tokens: Some(3), ..options.clone() };
    alone_and_drafted(&options, &drafting, &requests);
}

#[test]
fn what_was_computed_is_not_computed_again_and_changes_nothing() {
    let house = House::in_memory(CONTEXT);
    let prompt = tokens(100, 1);
    let first = house.answer(job(prompt.clone(), 20));
    assert_eq!(first.usage.cached, 0);
    let again = house.answer(job(prompt.clone(), 20));
    assert_eq!(again.usage.cached, 96);
    assert_eq!(said(again), said(first.clone()));
    // Another end: whole pages of what is common are kept.
    let mut other = prompt;
    other[70] += 1;
    let third = house.answer(job(other.clone(), 20));
    assert_eq!(third.usage.cached, 64);
    assert_eq!(said(third), said(House::in_memory(CONTEXT).answer(job(other, 20))));
}

#[test]
fn pages_of_old_requests_make_room_for_new_ones() {
    let house = House::in_memory(CONTEXT);
    for seed in 0..20 {
        assert_eq!(house.answer(job(tokens(CONTEXT - 8, seed), 8)).usage.generated, 8);
    }
    assert_eq!(house.answer(job(tokens(CONTEXT - 8, 19), 8)).usage.cached, 144);
    assert_eq!(house.answer(job(tokens(CONTEXT - 8, 0), 8)).usage.cached, 0);
    assert_eq!(house.metrics.requests_answered(), 22);
}

#[test]
fn who_leaves_is_gone_soon_wherever_the_request_is() {
    let house = House::in_memory(CONTEXT);
    let gone = |before: u64, more: u64| {
        let began = Instant::now();
        while house.metrics.requests_cancelled() < before + more {
            assert!(began.elapsed() < Duration::from_secs(60), "still there");
            std::thread::sleep(Duration::from_millis(1));
        }
    };
    // In its prompt, or before.
    drop(house.scheduler.ask(job(tokens(100, 1), 50)).unwrap());
    // In its answer.
    let mut ticket = house.scheduler.ask(job(tokens(20, 2), CONTEXT - 20)).unwrap();
    while !matches!(ticket.next_blocking().unwrap(), Update::Text { .. }) {}
    let before = house.metrics.requests_cancelled();
    drop(ticket);
    gone(before, 1);
    // In the queue: those before it are answered, it never begins.
    let many: Vec<_> =
        (0..12).map(|i| house.scheduler.ask(job(tokens(100, i), 50)).unwrap()).collect();
    drop(house.scheduler.ask(job(tokens(100, 50), 50)).unwrap());
    let last = house.scheduler.ask(job(tokens(10, 51), 3)).unwrap();
    assert_eq!(Answered::of(last).usage.generated, 3);
    many.into_iter().for_each(|ticket| assert_eq!(Answered::of(ticket).usage.generated, 50));
    assert_eq!(house.scheduler.waiting(), 0);
}

#[test]
fn the_queue_is_bounded_and_takes_nothing_once_it_is_closed() {
    let scheduler = flint_server::Scheduler::new(2, std::sync::Arc::default());
    let tickets = [(); 2].map(|()| scheduler.ask(job(vec![1], 1)).unwrap());
    assert_eq!(scheduler.ask(job(vec![1], 1)).unwrap_err(), Refused::Full { waiting: 2 });
    drop(tickets);
    assert_eq!(scheduler.waiting(), 0);
    drop(scheduler.ask(job(vec![1], 1)).unwrap());
    scheduler.close();
    assert_eq!(scheduler.ask(job(vec![1], 1)).unwrap_err(), Refused::Closing);
}

#[test]
fn a_stop_text_ends_an_answer_wherever_tokens_are_cut() {
    let house = House::in_memory(CONTEXT);
    let codec = crate::house::codec();
    let prompt = codec.encode("Once upon a time there was a little girl", true).unwrap();
    let whole = house.answer(Job { logprobs: Some(0), ..job(prompt.clone(), 40) });
    assert_eq!((whole.ended, whole.tokens.len()), (Ended::Length, 40));
    let characters: Vec<(usize, char)> = whole.text.char_indices().collect();
    for (from, len) in [(0, 1), (3, 2), (9, 5), (14, 1), (20, 12)] {
        let stop: String = characters[from..from + len].iter().map(|(_, c)| c).collect();
        let expected = &whole.text[..whole.text.find(&stop).unwrap()];
        let never = format!("{stop}\u{1}");
        let stops = vec![never, stop.clone()];
        let cut = house.answer(Job { stops, ..job(prompt.clone(), 40) });
        assert_eq!((cut.text.as_str(), cut.ended), (expected, Ended::Stop), "{stop:?}");
    }
}
