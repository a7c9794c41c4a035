//! A memory control group that allows the budget, the overhead of the process and 32 MiB, page cache included
//! and without swap: everything goes through, and nothing is killed. Skipped aloud where no group can be made.

use crate::program::flint;
use flint_engine::OpenModel;
use flint_fixtures::{ControlGroup, Outcome, tiny_opt, tiny_opt_bundle};
use serde_json::Value;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const MIB: u64 = 1 << 20;

/// For the kernel's memory of the process, and for page cache that it must take back meanwhile.
const BESIDE: u64 = 32 * MIB;

/// The fixed overhead of a process beside its tokenizer, by the contract.
const PROCESS: u64 = 64 * MIB;

/// Longer than anything that runs here.
const PATIENCE: Duration = Duration::from_secs(300);

/// Runs flint where it, its page cache and what the kernel holds for it may take `limit` bytes, without swap.
/// `None`, said aloud, where that cannot be had.
fn run_in(limit: u64, arguments: &[&str]) -> Option<Outcome> {
    let group = ControlGroup::new(Some(limit));
    let group = group.inspect_err(|error| flint_fixtures::skip(error)).ok()?;
    let mut command = Command::new(env!("CARGO_BIN_EXE_flint"));
    command.args(arguments).env_remove("RUST_LOG");
    Some(group.run(command, Some(PATIENCE), &mut |_| {}).unwrap())
}

/// Runs flint where all of it may take `limit` bytes; it must not be killed for that.
fn within(limit: u64, arguments: &[&str]) -> Option<Outcome> {
    let outcome = run_in(limit, arguments)?;
    assert_eq!(outcome.memory_kills, 0, "{arguments:?} in {limit}: {outcome:?}");
    assert!(outcome.group_peak <= limit, "{outcome:?}");
    assert!(outcome.status.success(), "{arguments:?} in {limit}: {outcome:?}");
    Some(outcome)
}

fn json(output: &[u8]) -> Value {
    let text = String::from_utf8_lossy(output);
    serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text}"))
}

#[test]
fn the_group_holds_what_is_put_into_it() {
    // A third of what the program takes: where this passes, the others mean nothing.
    let model = tiny_opt_bundle();
    let run = ["generate", "-m", model.to_str().unwrap(), "--tokens", "0,5", "--memory", "100%"];
    let Some(outcome) = run_in(6 * MIB, &run) else { return };
    assert!(outcome.memory_kills > 0 && !outcome.status.success(), "{outcome:?}");
}

#[test]
fn generate_goes_through_in_its_budget_and_the_overhead_of_the_process() {
    let model = tiny_opt_bundle();
    let model = model.to_str().unwrap();
    let mut expected = None;
    for percent in ["60%", "80%", "100%"] {
        let run = ["--tokens", "0,5,6,7", "-n", "60", "--temp", "0", "--ignore-eos", "--json"];
        let run = [&["generate", "-m", model, "--memory", percent], &run[..]].concat();
        let free = flint(&run).output().unwrap();
        let stats = &json(&free.stdout)["stats"];
        let bytes = |field: &str| stats[field].as_u64().unwrap();
        let limit = bytes("memory_budget_bytes") + bytes("process_bytes") + BESIDE;
        let Some(outcome) = within(limit, &run) else { return };
        let found = json(&outcome.stdout);
        let peak = found["stats"]["peak_rss_bytes"].as_u64().unwrap();
        assert!(peak <= limit - BESIDE, "{percent}: {peak} of {limit}");
        let tokens = expected.get_or_insert_with(|| found["tokens"].clone());
        assert_eq!(found["tokens"], *tokens, "{percent}");
        eprintln!("{percent}: group peak {} of {limit}, process peak {peak}", outcome.group_peak);
    }
}

#[test]
fn auto_takes_what_the_group_leaves_and_goes_through() {
    let model = tiny_opt_bundle();
    let model = model.to_str().unwrap();
    // Less than the model, so the limit is felt.
    let weights = OpenModel::open(&tiny_opt_bundle()).unwrap().bundle().unwrap().weights_bytes();
    let limit = weights + 26 * MIB;
    let Some(outcome) = within(limit, &["plan", "-m", model, "--json"]) else { return };
    let plan = json(&outcome.stdout);
    let budget = plan["memory_budget_bytes"].as_u64().unwrap();
    assert!(plan["bound"].as_str().unwrap().contains("control group"), "{plan}");
    assert!(budget <= limit && budget > limit / 4, "{budget} of {limit}");
    let run = ["generate", "-m", model, "--tokens", "0,5", "-n", "60", "--json"];
    within(limit, &run).unwrap();
}

#[test]
fn convert_goes_through_in_little_memory() {
    let home = tempfile::tempdir().unwrap();
    let from = tiny_opt();
    let from = from.to_str().unwrap();
    let out = |name: &str| home.path().join(name).to_str().unwrap().to_owned();
    let plain = out("plain.flint");
    let run = ["convert", from, "--out", &plain, "--no-predictor"];
    let Some(outcome) = within(PROCESS + BESIDE, &run) else { return };
    eprintln!("writing: group peak {} of {}", outcome.group_peak, PROCESS + BESIDE);
    let predicting = out("predicting.flint");
    // A short text: what is measured on the rest of a long one takes minutes.
    let text = std::fs::read_to_string(tiny_opt().join("calibration.txt")).unwrap();
    let short = out("short.txt");
    std::fs::write(&short, &text[..8_000]).unwrap();
    let run = ["convert", from, "--out", &predicting, "--calibrate-tokens", "1000"];
    let run = [&run[..], &["--predictor", "gate-copy", "--calibrate", &short]].concat();
    let whole = OpenModel::open(Path::new(&plain)).unwrap().bundle().unwrap().weights_bytes();
    let outcome = within(whole + PROCESS + BESIDE, &run).unwrap();
    eprintln!("with predictors: group peak {} of {}", outcome.group_peak, whole + PROCESS + BESIDE);
    for bundle in [&plain, &predicting] {
        let checked = flint(&["verify", bundle]).output().unwrap();
        assert!(checked.status.success(), "{checked:?}");
    }
}

/// Names a bundle of at least 1 GB, such as `cargo xtask synth opt-6.7b --scale 1/8` writes: too much for every run
/// of the tests.
const LARGE_BUNDLE: &str = "FLINT_LARGE_BUNDLE";

#[test]
fn a_bundle_of_a_gigabyte_goes_through_at_every_share_from_its_floor_on() {
    let Ok(model) = std::env::var(LARGE_BUNDLE) else {
        flint_fixtures::skip(format_args!("name a bundle of at least 1 GB in {LARGE_BUNDLE}"));
        return;
    };
    let files = OpenModel::open(Path::new(&model)).unwrap();
    let weights = files.bundle().unwrap().weights_bytes();
    assert!(weights >= 1_000_000_000, "{weights} bytes are less than a gigabyte");
    let mut modes = vec!["exact"];
    modes.extend(files.bundle().unwrap().predictors().map(|_| "sparse"));
    for mode in modes {
        let run = |memory: &str| {
            let tokens = ["generate", "-m", &model, "--tokens", "5,6,7", "-n", "6", "--temp", "0"];
            let how = ["--ignore-eos", "--json", "--mode", mode, "--memory", memory];
            tokens.iter().chain(&how).map(|&part| part.to_owned()).collect::<Vec<_>>()
        };
        let refused = flint(&parts(&run("0.01%"))).output().unwrap();
        let line = String::from_utf8(refused.stderr).unwrap();
        let floor = line.split("at least ").nth(1).unwrap().split('%').next().unwrap().to_owned();
        let mut expected = None;
        let least: f64 = floor.parse().unwrap();
        let shares = ["25", "50", "75", "100"];
        let above = shares.into_iter().filter(|share| share.parse::<f64>().unwrap() > least);
        for percent in [floor.as_str()].into_iter().chain(above) {
            let memory = format!("{percent}%");
            let budget = weights as f64 * percent.parse::<f64>().unwrap() / 100.0;
            let limit = budget as u64 + PROCESS + BESIDE;
            let Some(outcome) = within(limit, &parts(&run(&memory))) else { return };
            let found = json(&outcome.stdout);
            let peak = found["stats"]["peak_rss_bytes"].as_u64().unwrap();
            eprintln!(
                "{mode} {memory}: group peak {} of {limit}, process peak {peak}",
                outcome.group_peak
            );
            let tokens = expected.get_or_insert_with(|| found["tokens"].clone());
            assert_eq!(found["tokens"], *tokens, "{mode} {memory}");
        }
    }
}

fn parts(run: &[String]) -> Vec<&str> {
    run.iter().map(String::as_str).collect()
}
