//! The whole engine over devices that fail, on a virtual clock: the same tokens as without faults, or an error that
//! names the file and the offset.
//!
//! 500 schedules, or as many as `FLINT_FAULT_SCHEDULES` says; `FLINT_FAULT_SEED` replays one of them.

mod schedule;
mod simulation;

use crate::families::converted;
use crate::model::{greedy, oracle, request};
use flint_engine::{
    Controls, EngineError, Event, Generated, Guessing, MemoryBudget, Mode, ModelFiles, NeuronPlan,
    Prepared, RunOptions, generate,
};
use flint_fixtures::oracle as checkpoint;
use flint_flash_io::Faults;
use flint_predictor::Predictor;
use schedule::Schedule;
use simulation::Simulation;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Serial and parallel layers, plain and gated, tied and separate logits.
const MODELS: [&str; 4] = ["opt-350m-style", "falcon-7b-relu", "llama-relu", "phi-2-relu"];
const PROMPT: [u32; 7] = [5, 9, 31, 9, 17, 2, 40];
const TOKENS: usize = 6;
const CONTEXT: usize = PROMPT.len() + TOKENS;

/// A converted model, what it says without faults, and its budgets.
struct Subject {
    bundle: PathBuf,
    tokens: Vec<u32>,
    _dir: tempfile::TempDir,
}

impl Subject {
    fn new(name: &str) -> Subject {
        let dir = tempfile::tempdir().unwrap();
        let bundle = converted(&checkpoint(name), dir.path());
        let options = RunOptions { threads: Some(1), mode: Some(Mode::Exact), ..everything() };
        let prepared = prepare(&bundle, options).unwrap();
        let tokens = greedy(&mut prepared.load(&mut |_, _| {}).unwrap(), &PROMPT, TOKENS).tokens;
        assert_eq!(tokens.len(), TOKENS);
        Subject { bundle, tokens, _dir: dir }
    }

    /// The options with a budget part of the way from the floor to everything.
    fn with_budget(&self, options: &RunOptions, part: f64) -> RunOptions {
        let plan =
            prepare(&self.bundle, RunOptions { memory: everything().memory, ..options.clone() });
        let plan = plan.unwrap().plan().clone();
        let (floor, all) = (plan.floor_bytes as f64, plan.claimed_bytes() as f64);
        // Half a byte more, or rounding could end below the floor.
        let bytes = floor + part * (all - floor).max(0.0) + 0.5;
        let memory = MemoryBudget::Percent(100.0 * bytes / plan.weights_bytes as f64);
        RunOptions { memory, ..options.clone() }
    }

    fn run(&self, options: &RunOptions) -> Result<Generated, EngineError> {
        let mut engine = prepare(&self.bundle, options.clone())?.load(&mut |_, _| {})?;
        generate(&mut engine, None, &request(&PROMPT, TOKENS), &Controls::default(), &mut |_| {
            ControlFlow::Continue(())
        })
    }

    fn run_schedule(&self, schedule: &Schedule) -> Result<Generated, EngineError> {
        self.run(&self.with_budget(&schedule.options, schedule.budget))
    }
}

fn everything() -> RunOptions {
    RunOptions { memory: MemoryBudget::Percent(1000.0), ..RunOptions::default() }
}

/// With the true active neurons as prediction, sparse mode must say what exact mode says.
fn prepare(bundle: &Path, options: RunOptions) -> Result<Prepared, EngineError> {
    let files = ModelFiles::open(bundle).unwrap();
    let sparse = options.mode == Some(Mode::Sparse);
    let predictor: Option<Box<dyn Predictor>> = sparse.then(|| oracle(bundle));
    Prepared::with_predictor(files, options, Some(CONTEXT), predictor)
}

/// What an error is called in the count, after checking that it says where.
fn kind(error: &EngineError, subject: &Subject) -> &'static str {
    let text = error.to_string();
    let dir = subject.bundle.display().to_string();
    assert!(text.contains(&dir) && text.contains("offset "), "where? {text}");
    assert!(!text.contains('\n'), "more than a line: {text}");
    match text {
        text if text.contains("checksum") => "corrupt",
        text if text.contains("os error 5") => "EIO",
        text if text.contains("failed after") => "never ready",
        text => panic!("neither a checksum nor a failed read: {text}"),
    }
}

/// Runs one schedule and says how it ended. A wrong token is a failure of the test.
fn end(schedule: &Schedule, subject: &Subject, seed: u64, guesses: &mut f64) -> &'static str {
    let replay = || format!("replay with FLINT_FAULT_SEED={seed}: {schedule:?}");
    match subject.run_schedule(schedule) {
        Ok(generated) => {
            assert_eq!(generated.tokens, subject.tokens, "a wrong token; {}", replay());
            *guesses += generated.stats.per_token.guesses;
            "survived"
        }
        Err(error) => {
            let (eio, corrupt) = (schedule.faults.eio > 0, schedule.faults.corrupt > 0);
            let kind = kind(&error, subject);
            let possible = match kind {
                "EIO" => eio,
                "corrupt" => corrupt,
                _ => schedule.faults.again > 0,
            };
            assert!(possible, "{error} came of nothing; {}", replay());
            kind
        }
    }
}

fn subjects() -> Vec<Subject> {
    MODELS.map(Subject::new).into()
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

#[test]
fn every_schedule_ends_in_the_same_tokens_or_in_an_error_that_says_where() {
    let subjects = subjects();
    let seeds = match number("FLINT_FAULT_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("FLINT_FAULT_SCHEDULES").unwrap_or(500),
    };
    let many = seeds.end - seeds.start >= 500;
    let (mut ends, mut guesses) = (BTreeMap::new(), 0.0);
    for seed in seeds {
        let schedule = Schedule::of(seed, subjects.len());
        let end = end(&schedule, &subjects[schedule.model], seed, &mut guesses);
        *ends.entry(end).or_insert(0u64) += 1;
    }
    eprintln!("{ends:?}");
    let least = |end| ends.get(end).copied().unwrap_or(0) > 20;
    assert!(!many || ["survived", "EIO", "corrupt"].into_iter().all(least), "{ends:?}");
    assert!(!many || guesses > 100.0, "{guesses} guesses");
}

#[test]
fn a_seed_replays_the_whole_run() {
    let subjects = subjects();
    let story = |seed| {
        let schedule = Schedule::of(seed, subjects.len());
        match subjects[schedule.model].run_schedule(&schedule) {
            Ok(run) => {
                let stats = run.stats;
                format!("{:?} {} {:?}", run.tokens, stats.prefill_bytes_read, stats.per_token.reads)
            }
            Err(error) => error.to_string(),
        }
    };
    let stories: Vec<String> = (0..40).map(story).collect();
    assert_eq!(stories, (0..40).map(story).collect::<Vec<_>>());
    assert!(stories.iter().any(|story| story.starts_with('[')), "none survived");
    assert!(stories.iter().any(|story| !story.starts_with('[')), "none failed");
}

#[test]
fn no_schedule_leaks() {
    let subjects = subjects();
    // The first runs fill what is made once and kept: tables of the process, buffers of the thread.
    let run = |seed| {
        let schedule = Schedule::of(seed, subjects.len());
        let _ = subjects[schedule.model].run_schedule(&schedule).map(|run| run.tokens);
    };
    (0..20).for_each(run);
    for seed in 20..80 {
        let left = allocation_counter::measure(|| run(seed)).bytes_current;
        assert_eq!(left, 0, "schedule {seed} leaves {left} bytes behind");
    }
}

/// Options whose reads go to a device with `faults`.
fn over(faults: Faults, mode: Mode) -> RunOptions {
    let devices = Arc::new(Simulation::new(faults, 512, 1));
    let guesses = Guessing::Always;
    RunOptions { threads: Some(1), mode: Some(mode), guesses, devices, ..RunOptions::default() }
}

/// Drops requests on one engine, by choice and by faults, and returns how many guesses those made that ended well.
fn drop_requests(name: &str) -> f64 {
    let subject = Subject::new(name);
    // Late enough that guesses are on their way whenever a pass ends; failing often enough that most passes end early.
    let faults = Faults { delay_micros: 500, eio: 8, ..Faults::NONE };
    let options = subject.with_budget(&over(faults, Mode::Sparse), 0.9);
    let mut engine = prepare(&subject.bundle, options).unwrap().load(&mut |_, _| {}).unwrap();
    let (mut whole, mut failed, mut guesses) = (0, 0, 0.0);
    for stop_after in (1..=TOKENS).cycle().take(90) {
        let mut left = stop_after;
        let ended = generate(
            &mut engine,
            None,
            &request(&PROMPT, TOKENS),
            &Controls::default(),
            &mut |event| {
                left -= usize::from(matches!(event, Event::Token(..)));
                if left > 0 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            },
        );
        match ended {
            Ok(run) => {
                assert_eq!(run.tokens, subject.tokens[..stop_after]);
                guesses += run.stats.per_token.guesses;
                whole += 1;
            }
            Err(error) => {
                assert_eq!(kind(&error, &subject), "EIO");
                failed += 1;
            }
        }
    }
    assert!(whole > 5 && failed > 5, "{name}: {whole} ended as asked, {failed} failed");
    guesses
}

#[test]
fn a_request_dropped_mid_read_leaves_an_engine_that_goes_on() {
    let guesses = drop_requests("llama-relu");
    assert!(guesses > 20.0, "{guesses} guesses");
    // Here reads begin before attention, and rows of tables may fail beside them.
    drop_requests("falcon-7b-relu");
    drop_requests("opt-350m-style");
}

#[test]
fn a_full_queue_delays_and_loses_nothing() {
    let subject = Subject::new("llama-relu");
    let slow = Faults { delay_micros: 500, ..Faults::NONE };
    let run = |depth| {
        let options = RunOptions { depth: Some(depth), ..over(slow, Mode::Sparse) };
        subject.run(&subject.with_budget(&options, 0.1)).unwrap()
    };
    let (narrow, wide) = (run(1), run(64));
    assert!(narrow.stats.per_token.reads > 1.0, "nothing was queued");
    assert_eq!((&narrow.tokens, &wide.tokens), (&subject.tokens, &subject.tokens));
}

#[test]
fn exhausted_slots_are_used_again_within_a_layer() {
    let subject = Subject::new("llama-relu");
    let options = over(Faults { delay_micros: 50, ..Faults::NONE }, Mode::Sparse);
    let options = subject.with_budget(&options, 0.0);
    let prepared = prepare(&subject.bundle, options.clone()).unwrap();
    let NeuronPlan::Sparse { config, bytes } = &prepared.plan().neurons else { panic!("exact") };
    let slots = f64::from(config.slots_for(*bytes));
    let generated = subject.run(&options).unwrap();
    let per_layer = generated.stats.per_token.neurons_predicted / config.groups.len() as f64;
    assert!(per_layer > slots, "{per_layer} neurons of a layer fit {slots} slots");
    assert_eq!(generated.tokens, subject.tokens);
}

#[test]
fn a_corrupt_row_of_a_table_is_an_error_too() {
    let subject = Subject::new("opt-350m-style");
    let faults = Faults { corrupt: 1000, ..Faults::NONE };
    let devices = Arc::new(Simulation { only: "dense", ..Simulation::new(faults, 512, 1) });
    let options = RunOptions { devices, ..over(faults, Mode::Sparse) };
    // Only tables are not held.
    let text = subject.run(&subject.with_budget(&options, 0.9)).unwrap_err().to_string();
    assert!(
        text.contains("tensor 'embedding.positions' at offset") && text.contains("checksum"),
        "{text}"
    );
}
