//! Predictors made for a bundle: small enough, good enough, stored, and run by the sparse path.

use crate::device::copy;
use crate::model::{greedy, load, options, unseen_prompt};
use flint_convert::{CalibrateEvent, CalibrateOptions, PredictorKind, calibrate};
use flint_dram_cache::PolicyKind;
use flint_engine::{EngineError, Mode, OpenModel, PlannedEngine, RunOptions};
use flint_fixtures::{tiny_opt, tiny_opt_bundle};
use flint_flash_io::BackendChoice;
use flint_kernels::Isa;
use std::fs;
use std::num::NonZeroU32;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

/// Enough text for thresholds, little enough for seconds.
const TOKENS: usize = 1200;

fn text() -> Vec<u32> {
    let text = fs::read_to_string(tiny_opt().join("calibration.txt")).unwrap();
    let codec = OpenModel::open(&tiny_opt_bundle()).unwrap().codec().unwrap().unwrap();
    codec.encode(&text[..8_000], false).unwrap()
}

fn make(bundle: &Path, kind: PredictorKind) -> Vec<CalibrateEvent> {
    let options = CalibrateOptions {
        kind,
        tokens: Some(TOKENS),
        threads: Some(2),
        ..CalibrateOptions::new(bundle.to_owned())
    };
    let mut events = Vec::new();
    calibrate(&options, &text(), &mut |event| events.push(event)).unwrap();
    events
}

#[test]
fn every_kind_of_predictors_is_made_stored_and_run() {
    for kind in [PredictorKind::LowRank, PredictorKind::QuantizedGate, PredictorKind::Cascade] {
        let directory = tempfile::tempdir().unwrap();
        let bundle = directory.path().join("tiny.flint");
        copy(&tiny_opt_bundle(), &bundle);
        let events = make(&bundle, kind);
        assert!(matches!(events[0], CalibrateEvent::Planned { tokens: TOKENS, .. }));
        assert!(!directory.path().join("tiny.flint.calibration").exists());

        let files = OpenModel::open(&bundle).unwrap();
        files.bundle().unwrap().verify(&mut |_, _| {}).unwrap();
        let bytes = files.bundle().unwrap().predictors().unwrap().bytes();
        let neurons = files.bundle().unwrap().shape().neuron_bytes();
        // A low-bit copy of half of the neurons' rows at 2 bits is 1/16, with scales a little more. The second stage of
        // a cascade has 4 bits.
        let most = if kind == PredictorKind::Cascade { 2 * neurons } else { neurons };
        assert!(bytes * 8 <= most + neurons / 20, "{kind:?}: {bytes} of {neurons}");
        let found = files.bundle().unwrap().calibration().unwrap();
        for (layer, group) in found.groups.iter().enumerate() {
            assert!(group.recall > 0.9, "{kind:?} layer {layer}: recall {}", group.recall);
            assert!(group.predicted_mean < 1024.1);
        }
        let loads: Vec<f64> = found.loads_per_token.iter().map(|point| point.loads).collect();
        assert!(loads.is_sorted_by(|a, b| a >= b), "more slots load more: {loads:?}");
        assert!(found.perplexity_sparse.unwrap() < found.perplexity_exact.unwrap() * 1.2);

        let prompt = unseen_prompt();
        let run = |mode, percent: f64| {
            let options = RunOptions { mode, ..options(percent) };
            let mut engine = load(&bundle, &options, prompt.len() + 12, None);
            greedy(&mut engine, &prompt, 12)
        };
        let (sparse, exact) = (run(None, 75.0), run(Some(Mode::Exact), 75.0));
        assert_eq!((sparse.stats.mode, exact.stats.mode), ("sparse", "exact"));
        assert!(sparse.stats.quality_cost.is_some());
        assert!(sparse.stats.per_token.bytes_read < exact.stats.per_token.bytes_read);
        for percent in [40.0, 120.0, 1000.0] {
            assert_eq!(run(None, percent).tokens, sparse.tokens, "{kind:?} at {percent} %");
        }
        the_grid(&bundle, &prompt[..9]);
    }
}

/// The same tokens for every budget, backend, thread count, SIMD path, chunk, policy and window.
fn the_grid(bundle: &Path, prompt: &[u32]) {
    let run = |options: &RunOptions| {
        let mut engine = load(bundle, options, prompt.len() + 4, None);
        greedy(&mut engine, prompt, 4).tokens
    };
    let expected = run(&options(1000.0));
    let mut index = 0;
    for isa in Isa::available() {
        for io in [BackendChoice::Uring, BackendChoice::Threads] {
            for threads in [1, 2] {
                for chunk in [1, 7, 64] {
                    // Budgets, policies and windows of 1 to 8 alternate over the grid.
                    let tokens = NonZeroU32::new(index % 9);
                    let policy = match index % 2 {
                        0 => PolicyKind::FREQUENCY,
                        _ => PolicyKind::Window { tokens },
                    };
                    let budget = [45.0, 60.0, 75.0, 110.0][index as usize / 2 % 4];
                    let (threads, isa) = (Some(threads), Some(isa));
                    let options = RunOptions { io, threads, isa, chunk, policy, ..options(budget) };
                    assert_eq!(run(&options), expected, "{options:?}");
                    index += 1;
                }
            }
        }
    }
}

#[test]
fn an_interrupted_calibration_goes_on_and_makes_the_same_predictors() {
    let directory = tempfile::tempdir().unwrap();
    let [whole, interrupted] = ["whole.flint", "interrupted.flint"].map(|name| {
        let bundle = directory.path().join(name);
        copy(&tiny_opt_bundle(), &bundle);
        bundle
    });
    let options = |bundle: &Path| CalibrateOptions {
        tokens: Some(500),
        threads: Some(2),
        ..CalibrateOptions::new(bundle.to_owned())
    };
    let text = &text()[..500];
    calibrate(&options(&whole), text, &mut |_| {}).unwrap();
    let stopped = catch_unwind(AssertUnwindSafe(|| {
        calibrate(&options(&interrupted), text, &mut |event| {
            assert!(!matches!(event, CalibrateEvent::Trained { done: 3, .. }), "interrupted");
        })
    }));
    assert!(stopped.is_err());
    assert!(OpenModel::open(&interrupted).unwrap().bundle().unwrap().predictors().is_none());
    let work = directory.path().join("interrupted.flint.calibration");
    let first = fs::metadata(work.join("states-0")).unwrap().modified().unwrap();
    let mut seen = None;
    calibrate(&options(&interrupted), text, &mut |event| {
        if let CalibrateEvent::Collected { done: 6, .. } = event {
            seen = fs::metadata(work.join("states-0")).unwrap().modified().ok();
        }
    })
    .unwrap();
    assert_eq!(seen, Some(first), "what was collected was collected again");
    let blobs = |bundle: &Path| {
        let files = OpenModel::open(bundle).unwrap();
        (0..6)
            .map(|layer| files.bundle().unwrap().read_predictor(layer).unwrap())
            .collect::<Vec<_>>()
    };
    assert_eq!(blobs(&whole), blobs(&interrupted));
}

#[test]
fn a_budget_that_is_too_small_is_refused_before_predictors_are_read() {
    let directory = tempfile::tempdir().unwrap();
    let bundle = directory.path().join("tiny.flint");
    copy(&tiny_opt_bundle(), &bundle);
    make(&bundle, PredictorKind::QuantizedGate);
    let mut files = fs::read_dir(&bundle).unwrap().map(|entry| entry.unwrap().path());
    let name = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().into_owned();
    let predictors = files.find(|path| name(path).starts_with("predictors")).unwrap();
    let mut bytes = fs::read(&predictors).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&predictors, bytes).unwrap();
    let refused = |percent| {
        let files = OpenModel::open(&bundle).unwrap();
        PlannedEngine::new(files, options(percent), Some(16)).map(drop).unwrap_err()
    };
    assert!(matches!(refused(1.0), EngineError::BelowFloor { .. }), "{}", refused(1.0));
    assert!(refused(100.0).to_string().contains("checksum"), "{}", refused(100.0));
}
