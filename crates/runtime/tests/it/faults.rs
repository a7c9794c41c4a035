//! The whole engine over devices that fail, on a virtual clock: the same tokens as without faults, or an error that
//! names the file and the offset.
//!
//! 500 schedules, or as many as `FLINT_FAULT_SCHEDULES` says; `FLINT_FAULT_SEED` replays one of them.

mod schedule;
mod simulation;

use crate::families::converted;
use crate::model::{greedy, oracle, request};
use flint_engine::{
    CancelToken, Controls, Engine, EngineError, Event, Generated, MemoryBudget, Mode, NeuronPlan,
    OpenModel, PlannedEngine, Prefetching, RunOptions, generate,
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
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Serial and parallel layers, plain and gated, tied and separate logits; experts.
const MODELS: [&str; 5] = ["opt-350m-style", "falcon-7b-relu", "llama-relu", "phi-2-relu", EXPERTS];
const EXPERTS: &str = "qwen3-moe";
const PROMPT: [u32; 7] = [5, 9, 31, 9, 17, 2, 40];
const TOKENS: usize = 6;
const CONTEXT: usize = PROMPT.len() + TOKENS;

/// A converted model, what it says without faults, and its budgets.
struct Subject {
    bundle: PathBuf,
    tokens: Vec<u32>,
    /// Whether it has experts: then it is a checkpoint with checksums, which has no sparse mode.
    experts: bool,
    _dir: tempfile::TempDir,
}

impl Subject {
    fn new(name: &str) -> Subject {
        let dir = tempfile::tempdir().unwrap();
        let experts = name == EXPERTS;
        let bundle = match experts {
            true => sealed(&checkpoint(name), dir.path()),
            false => converted(&checkpoint(name), dir.path()),
        };
        Subject::of(bundle, experts, dir)
    }

    fn of(bundle: PathBuf, experts: bool, dir: tempfile::TempDir) -> Subject {
        let options = RunOptions { threads: Some(1), mode: Some(Mode::Exact), ..everything() };
        let prepared = prepare(&bundle, options).unwrap();
        let tokens = greedy(&mut prepared.load(&mut |_, _| {}).unwrap(), &PROMPT, TOKENS).tokens;
        assert_eq!(tokens.len(), TOKENS);
        Subject { bundle, tokens, experts, _dir: dir }
    }

    /// The options in a mode that the model has.
    fn allowed(&self, options: &RunOptions) -> RunOptions {
        let mode = if self.experts { Some(Mode::Exact) } else { options.mode };
        RunOptions { mode, ..options.clone() }
    }

    /// The options with a budget part of the way from the floor to everything.
    fn with_budget(&self, options: &RunOptions, part: f64) -> RunOptions {
        let options = &self.allowed(options);
        let plan =
            prepare(&self.bundle, RunOptions { memory: everything().memory, ..options.clone() });
        let plan = plan.unwrap().plan().clone();
        let (floor, all) = (plan.floor_bytes as f64, plan.claimed_bytes() as f64);
        // Half a byte more, or rounding could end below the floor.
        let bytes = floor + part * (all - floor).max(0.0) + 0.5;
        let memory = MemoryBudget::Percent(100.0 * bytes / plan.weights_bytes as f64);
        RunOptions { memory, ..options.clone() }
    }

    fn load(&self, options: RunOptions) -> Result<Engine, EngineError> {
        let options = self.allowed(&options);
        prepare(&self.bundle, options)?.load(&mut |_, _| {})
    }

    fn run(&self, options: &RunOptions) -> Result<Generated, EngineError> {
        ask(&mut self.load(options.clone())?, &CancelToken::default())
    }

    /// Two requests on one engine; the first may be cancelled. How each ended, the second at last.
    fn run_schedule(&self, schedule: &Schedule) -> Result<[Ended; 2], EngineError> {
        let (device, options) = (&schedule.device, &schedule.options);
        // A schedule may be run again.
        device.ill.store(schedule.while_loading, Ordering::Relaxed);
        device.trigger.set(0, &CancelToken::default());
        let mut engine = self.load(self.with_budget(options, schedule.budget))?;
        device.ill.store(true, Ordering::Relaxed);
        let cancel = CancelToken::default();
        device.trigger.set(schedule.cancel_after.unwrap_or(0), &cancel);
        let first = ask(&mut engine, &cancel);
        device.trigger.set(0, &CancelToken::default());
        device.ill.store(!schedule.healed, Ordering::Relaxed);
        let mut second = ask(&mut engine, &CancelToken::default());
        // Each cycle may hold one read that went wrong before the device was well again: it is said once.
        for _ in 0..if schedule.healed { 3 } else { 0 } {
            if second.as_ref().is_err_and(|error| kind(error, self) != "hung") {
                second = ask(&mut engine, &CancelToken::default());
            }
        }
        Ok([first, second])
    }
}

/// A copy of a checkpoint in `dir`, with checksums beside its tensors.
fn sealed(checkpoint: &Path, dir: &Path) -> PathBuf {
    for file in std::fs::read_dir(checkpoint).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), dir.join(file.file_name())).unwrap();
    }
    OpenModel::open_unsealed(dir).unwrap().seal(&mut |_, _| {}).unwrap();
    dir.to_owned()
}

type Ended = Result<Generated, EngineError>;

fn ask(engine: &mut Engine, cancel: &CancelToken) -> Ended {
    let controls = Controls { cancel: cancel.clone(), ..Controls::default() };
    generate(engine, None, &request(&PROMPT, TOKENS), &controls, &mut |_| ControlFlow::Continue(()))
}

fn everything() -> RunOptions {
    RunOptions { memory: MemoryBudget::Percent(1000.0), ..RunOptions::default() }
}

/// With the true active neurons as prediction, sparse mode must say what exact mode says.
fn prepare(bundle: &Path, options: RunOptions) -> Result<PlannedEngine, EngineError> {
    let files = OpenModel::open(bundle).unwrap();
    let sparse = options.mode == Some(Mode::Sparse);
    let predictor: Option<Box<dyn Predictor>> = sparse.then(|| oracle(bundle));
    PlannedEngine::with_predictor(files, options, Some(CONTEXT), predictor)
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
        text if text.contains("has not answered for 60 s") => "hung",
        text => panic!("neither a checksum nor a failed read: {text}"),
    }
}

/// What may be said of a request: `faults` can happen to it, and `cancelled` may end it early. A wrong token is a failure
/// of the test.
fn judge(
    ended: &Ended,
    subject: &Subject,
    (faults, hang): (Faults, bool),
    cancelled: bool,
    replay: &str,
) -> &'static str {
    match ended {
        Ok(generated) if cancelled && generated.tokens.len() < TOKENS => {
            assert!(subject.tokens.starts_with(&generated.tokens), "a wrong token; {replay}");
            "cancelled"
        }
        Ok(generated) => {
            assert_eq!(generated.tokens, subject.tokens, "a wrong token; {replay}");
            "survived"
        }
        Err(error) => {
            let kind = kind(error, subject);
            let possible = match kind {
                "EIO" => faults.eio > 0,
                "corrupt" => faults.corrupt > 0,
                "hung" => hang,
                _ => faults.again > 0,
            };
            assert!(possible, "{error} came of nothing; {replay}");
            kind
        }
    }
}

/// Runs one schedule and says how each of its requests ended, and how many guesses and accepted drafts there were.
fn ends(schedule: &Schedule, subject: &Subject, seed: u64) -> (Vec<&'static str>, [f64; 2]) {
    let replay = format!("replay with FLINT_FAULT_SEED={seed}: {schedule:?}");
    let hang = schedule.faults.hang > 0;
    let [first, second] = match subject.run_schedule(schedule) {
        Ok(ended) => ended,
        Err(error) => {
            assert!(schedule.while_loading, "{error} while loading; {replay}");
            let ended = Err(error);
            return (
                vec![judge(&ended, subject, (schedule.faults, hang), false, &replay)],
                [0.0; 2],
            );
        }
    };
    let made = |ended: &Ended| {
        let counted = ended.as_ref().map(|run| &run.stats.per_token);
        counted.map_or([0.0; 2], |counted| [counted.guesses, counted.accepted])
    };
    let made = [made(&first), made(&second)];
    let cancelled = schedule.cancel_after.is_some();
    let one = judge(&first, subject, (schedule.faults, hang), cancelled, &replay);
    // What hung in the first request still hangs in the second one.
    let left = if schedule.healed { Faults::NONE } else { schedule.faults };
    let other = judge(&second, subject, (left, hang), false, &replay);
    (vec![one, other], [made[0][0] + made[1][0], made[0][1] + made[1][1]])
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
    let (mut ended, mut guesses, mut accepted) = (BTreeMap::new(), 0.0, 0.0);
    for seed in seeds {
        let schedule = Schedule::of(seed, subjects.len());
        let began = Instant::now();
        let (ends, [guessed, right]) = ends(&schedule, &subjects[schedule.model], seed);
        // Time is virtual; what is left is work.
        assert!(
            began.elapsed() < Duration::from_secs(30),
            "seed {seed} took {:?}",
            began.elapsed()
        );
        ends.into_iter().for_each(|end| *ended.entry(end).or_insert(0u64) += 1);
        (guesses, accepted) = (guesses + guessed, accepted + right);
    }
    eprintln!("{ended:?}");
    let least = |end| ended.get(end).copied().unwrap_or(0) > 20;
    let all = ["survived", "cancelled", "EIO", "corrupt", "hung"];
    assert!(!many || all.into_iter().all(least), "{ended:?}");
    assert!(!many || guesses > 100.0, "{guesses} guesses");
    assert!(!many || accepted > 4.0, "{accepted} accepted drafts per token");
}

#[test]
fn a_seed_replays_the_whole_run() {
    let subjects = subjects();
    let story = |seed| {
        let schedule = Schedule::of(seed, subjects.len());
        let told = |ended: Ended| match ended {
            Ok(run) => {
                let stats = run.stats;
                format!("{:?} {} {:?}", run.tokens, stats.prefill_bytes_read, stats.per_token.reads)
            }
            Err(error) => error.to_string(),
        };
        match subjects[schedule.model].run_schedule(&schedule) {
            Ok(ended) => ended.map(told).join(", then "),
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
        let _ = subjects[schedule.model].run_schedule(&schedule).is_ok();
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
    let guesses = Prefetching::Always;
    RunOptions { threads: Some(1), mode: Some(mode), guesses, devices, ..RunOptions::default() }
}

/// Drops requests on one engine, by choice and by faults, and returns how many guesses those made that ended well.
fn drop_requests(name: &str) -> f64 {
    let subject = Subject::new(name);
    // Late enough that guesses are on their way whenever a pass ends; failing often enough that most passes end early.
    let faults = Faults { delay_micros: 500, eio: 8, ..Faults::NONE };
    let device = Arc::new(Simulation::new(faults, 512, 1));
    let options = RunOptions { devices: device.clone(), ..over(faults, Mode::Sparse) };
    device.ill.store(false, Ordering::Relaxed);
    let mut engine = subject.load(subject.with_budget(&options, 0.9)).unwrap();
    device.ill.store(true, Ordering::Relaxed);
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
fn weights_that_stay_are_read_and_checked_like_the_others() {
    let subject = Subject::new("llama-relu");
    for (faults, said) in [
        (Faults { corrupt: 1000, ..Faults::NONE }, "checksum"),
        (Faults { eio: 1000, ..Faults::NONE }, "os error 5"),
        (Faults { hang: 1000, ..Faults::NONE }, "has not answered for 60 s"),
    ] {
        let text = subject.run(&subject.with_budget(&over(faults, Mode::Exact), 1.0)).unwrap_err();
        let text = text.to_string();
        assert!(text.contains(said) && text.contains("offset "), "{text}");
    }
}

#[test]
fn a_corrupt_row_of_a_table_is_an_error_too() {
    let subject = Subject::new("opt-350m-style");
    let faults = Faults { corrupt: 1000, ..Faults::NONE };
    let devices = Arc::new(Simulation { only: "dense", ..Simulation::new(faults, 512, 1) });
    let options = RunOptions { devices: devices.clone(), ..over(faults, Mode::Sparse) };
    // Only tables are not held; what is held was right when it was read.
    devices.ill.store(false, Ordering::Relaxed);
    let mut engine = subject.load(subject.with_budget(&options, 0.9)).unwrap();
    devices.ill.store(true, Ordering::Relaxed);
    let text = ask(&mut engine, &CancelToken::default()).unwrap_err().to_string();
    assert!(
        text.contains("tensor 'embedding.positions' at offset") && text.contains("checksum"),
        "{text}"
    );
}

#[test]
fn a_corrupt_expert_is_named_with_its_layer_tensor_and_offset() {
    // Its embeddings are its head, too, so they stay in memory.
    let dir = tempfile::tempdir().unwrap();
    let model = dir.path().join("model.gguf");
    std::fs::copy(crate::families::gguf_file("granitemoe-f16"), &model).unwrap();
    OpenModel::open_unsealed(&model).unwrap().seal(&mut |_, _| {}).unwrap();
    let subject = Subject::of(model, true, dir);
    let faults = Faults { corrupt: 1000, ..Faults::NONE };
    let devices = Arc::new(Simulation::new(faults, 512, 1));
    let options = RunOptions { devices: devices.clone(), ..over(faults, Mode::Exact) };
    devices.ill.store(false, Ordering::Relaxed);
    // All but experts is held.
    let mut engine = subject.load(subject.with_budget(&options, 0.6)).unwrap();
    assert!(engine.plan().dense.body.matrices.is_empty() && !engine.plan().all_resident);
    devices.ill.store(true, Ordering::Relaxed);
    let text = ask(&mut engine, &CancelToken::default()).unwrap_err().to_string();
    for part in ["expert ", "layer ", "tensor 'blk.", "offset ", "checksum"] {
        assert!(text.contains(part), "{part} in {text}");
    }
    devices.ill.store(false, Ordering::Relaxed);
    let again = ask(&mut engine, &CancelToken::default()).unwrap();
    assert_eq!(again.tokens, subject.tokens);
}
