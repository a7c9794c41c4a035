//! A smaller model that drafts changes how many passes a text takes, and nothing else.

use flint_engine::{
    CancelToken, Controls, DraftChoice, Engine, Event, Generated, MemoryBudget, OpenModel,
    PlannedEngine, Request, RunOptions, Sampling, generate,
};
use flint_fixtures::{gguf, tiny_opt_bundle};
use std::ops::ControlFlow;
use std::path::PathBuf;

const CONTEXT: usize = 64;

fn file(name: &str) -> PathBuf {
    gguf(name).join("model.gguf")
}

fn options(draft: DraftChoice, model: Option<&str>) -> RunOptions {
    RunOptions {
        memory: MemoryBudget::Percent(1000.0),
        threads: Some(2),
        draft,
        draft_model: model.map(file),
        ..RunOptions::default()
    }
}

fn prepare(model: &str, options: RunOptions) -> PlannedEngine {
    let files = OpenModel::open(&file(model)).unwrap();
    PlannedEngine::new(files, options, Some(CONTEXT)).unwrap()
}

fn load(model: &str, options: RunOptions) -> Engine {
    prepare(model, options).load(&mut |_, _| {}).unwrap()
}

fn run(engine: &mut Engine, prompt: Vec<u32>, temperature: f32) -> Generated {
    let request = Request {
        prompt,
        max_tokens: 32,
        sampling: Sampling { temperature, seed: 7, ..Sampling::greedy() },
        stop: Vec::new(),
        ignore_end: true,
    };
    let listen = &mut |_: Event<'_>| ControlFlow::Continue(());
    generate(engine, None, &request, &Controls::default(), listen).unwrap()
}

/// Longer than what goes into one pass with a draft, and short.
fn prompts() -> [Vec<u32>; 2] {
    [(3..30).collect(), vec![9, 4]]
}

#[test]
fn a_copy_of_the_model_is_always_right() {
    let mut plain = load("llama-q6_k", options(DraftChoice::Off, None));
    for draft_tokens in [Some(1), Some(4), None] {
        let options =
            RunOptions { draft_tokens, ..options(DraftChoice::Model, Some("llama-q6_k")) };
        let mut engine = load("llama-q6_k", options);
        for prompt in prompts() {
            for temperature in [0.0, 0.8] {
                let want = run(&mut plain, prompt.clone(), temperature);
                let got = run(&mut engine, prompt.clone(), temperature);
                assert_eq!(want.tokens, got.tokens, "{draft_tokens:?}");
                let stats = got.stats.draft.unwrap();
                assert_eq!(stats.passes + stats.accepted, 31);
                assert!(stats.accepted == stats.drafted, "{draft_tokens:?} {stats:?}");
                assert!(stats.drafted > 10, "{draft_tokens:?} {stats:?}");
            }
        }
    }
}

#[test]
fn other_models_that_are_mostly_wrong_leave_the_text_as_it_is() {
    let mut plain = load("llama-q6_k", options(DraftChoice::Off, None));
    for draft in [DraftChoice::Model, DraftChoice::Auto] {
        for model in ["phi2-f16", "llama-q5_k_m"] {
            let mut engine = load("llama-q6_k", options(draft.clone(), Some(model)));
            for prompt in prompts() {
                for temperature in [0.0, 0.8] {
                    let want = run(&mut plain, prompt.clone(), temperature);
                    let got = run(&mut engine, prompt.clone(), temperature);
                    assert_eq!(want.tokens, got.tokens, "{model}");
                    let obeyed = draft == DraftChoice::Model;
                    assert!(got.stats.draft.unwrap().drafted > 10 || !obeyed, "{model}");
                }
            }
        }
    }
}

/// Whatever the large model computes: all neurons that are streamed, or those that a predictor names.
#[test]
fn drafts_of_a_model_come_within_the_memory_of_the_run() {
    let alone = prepare("llama-q6_k", options(DraftChoice::Off, None));
    let floor = alone.plan().floor_bytes;
    let weights = alone.plan().weights_bytes as f64;
    let small = prepare("llama-q6_k", options(DraftChoice::Model, Some("llama-q5_k_m")));
    let model = small.plan().draft_model_bytes;
    assert!(model > 0 && small.plan().floor_bytes == floor + model);
    let percent = (small.plan().floor_bytes as f64 + weights / 8.0) * 100.0 / weights;
    let memory = MemoryBudget::Percent(percent);
    let mut plain = alone.load(&mut |_, _| {}).unwrap();
    for draft in [DraftChoice::Model, DraftChoice::Auto] {
        let tight = RunOptions { memory, ..options(draft, Some("llama-q5_k_m")) };
        let tight = prepare("llama-q6_k", tight);
        let plan = tight.plan().clone();
        assert!(!plan.all_resident && plan.copy_bytes() == 0);
        assert!(plan.claimed_bytes() <= plan.available_bytes);
        let mut heard = (0, 0);
        let mut engine = tight.load(&mut |done, total| heard = (done, total)).unwrap();
        assert!(heard.0 > heard.1 / 2 && heard.0 <= heard.1, "{heard:?}");
        for prompt in prompts() {
            let want = run(&mut plain, prompt.clone(), 0.0);
            assert_eq!(want.tokens, run(&mut engine, prompt, 0.0).tokens);
        }
    }
    // Less than the small model takes.
    let memory = MemoryBudget::Percent(floor as f64 * 100.0 / weights);
    let files = OpenModel::open(&file("llama-q6_k")).unwrap();
    let tight = RunOptions { memory, ..options(DraftChoice::Model, Some("llama-q5_k_m")) };
    let Err(error) = PlannedEngine::new(files, tight, Some(CONTEXT)) else { panic!("a plan") };
    assert_eq!(error.exit_status(), 2);
}

/// Sequences that are cut back, left and ended leave the small model no wrong text and no page.
#[test]
fn the_small_model_follows_texts_that_are_cut_and_ended() {
    let mut plain = load("llama-q6_k", options(DraftChoice::Off, None));
    let drafts = options(DraftChoice::Model, Some("llama-q6_k"));
    let mut engine = load("llama-q6_k", RunOptions { sequences: 1, ..drafts });
    let cancel = CancelToken::default();
    // A text that stays, in the only context that there is room for.
    let mut kept = engine.begin();
    let listen = &mut |_: Event<'_>| ControlFlow::Continue(());
    let request = Request {
        prompt: (3..12).collect(),
        max_tokens: 8,
        sampling: Sampling::greedy(),
        stop: Vec::new(),
        ignore_end: true,
    };
    let controls = Controls { cancel, ..Controls::default() };
    let first =
        flint_engine::generate_on(&mut engine, &mut kept, None, &request, &controls, listen)
            .unwrap();
    engine.truncate(&mut kept, 9);
    for prompt in [vec![40], vec![41, 42]] {
        let want = run(&mut plain, prompt.clone(), 0.0);
        let got = run(&mut engine, prompt, 0.0);
        assert_eq!(want.tokens, got.tokens);
        let stats = got.stats.draft.unwrap();
        assert!(stats.drafted > 8 && stats.drafted == stats.accepted, "{stats:?}");
    }
    engine.truncate(&mut kept, 0);
    let again =
        flint_engine::generate_on(&mut engine, &mut kept, None, &request, &controls, listen)
            .unwrap();
    assert_eq!(first.tokens, again.tokens);
    engine.end(kept);
}

#[test]
fn models_that_cannot_draft_are_refused() {
    let said = |model: &str, draft, path: Option<PathBuf>| {
        let files = OpenModel::open(&file(model)).unwrap();
        let options = RunOptions { draft_model: path, ..options(draft, None) };
        let Err(error) = PlannedEngine::new(files, options, Some(CONTEXT)) else {
            panic!("a plan for {model}")
        };
        assert_eq!(error.exit_status(), 2);
        error.to_string()
    };
    let none = said("llama-q6_k", DraftChoice::Model, None);
    assert!(none.contains("--draft-model MODEL"), "{none}");
    let other = said("llama-q6_k", DraftChoice::Auto, Some(file("qwen2-f16")));
    assert!(other.contains("qwen2-f16") && other.contains("missing in the model"), "{other}");
    let absent = said("llama-q6_k", DraftChoice::Auto, Some("nowhere.gguf".into()));
    assert!(absent.contains("--draft-model nowhere.gguf: "), "{absent}");
    let opt = said("llama-q6_k", DraftChoice::Model, Some(tiny_opt_bundle()));
    assert!(opt.contains("vocabulary"), "{opt}");
}
