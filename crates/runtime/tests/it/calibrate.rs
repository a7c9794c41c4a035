//! Predictors made for a bundle: small enough, good enough, stored, and run by the sparse path.

use crate::device::copy;
use crate::model::{greedy, load, options, unseen_prompt};
use flint_fixtures::{tiny_opt, tiny_opt_bundle};
use runtime::{
    CalibrateEvent, CalibrateOptions, Mode, ModelFiles, PredictorKind, RunOptions, calibrate,
};
use std::fs;
use std::path::Path;

/// Enough text for thresholds, little enough for seconds.
const TOKENS: usize = 1200;

fn text() -> Vec<u32> {
    let text = fs::read_to_string(tiny_opt().join("calibration.txt")).unwrap();
    let codec = ModelFiles::open(&tiny_opt_bundle()).unwrap().codec().unwrap().unwrap();
    codec.encode(&text[..8_000], false).unwrap()
}

fn make(bundle: &Path, kind: PredictorKind) -> Vec<CalibrateEvent> {
    let options = CalibrateOptions {
        kind,
        tokens: TOKENS,
        threads: Some(2),
        ..CalibrateOptions::new(bundle.to_owned())
    };
    let mut events = Vec::new();
    calibrate(&options, &text(), &mut |event| events.push(event)).unwrap();
    events
}

#[test]
fn both_kinds_of_predictors_are_made_stored_and_run() {
    for kind in [PredictorKind::LowRank, PredictorKind::GateCopy] {
        let directory = tempfile::tempdir().unwrap();
        let bundle = directory.path().join("tiny.flint");
        copy(&tiny_opt_bundle(), &bundle);
        let events = make(&bundle, kind);
        assert!(matches!(events[0], CalibrateEvent::Planned { tokens: TOKENS, .. }));
        assert!(!directory.path().join("tiny.flint.calibration").exists());

        let files = ModelFiles::open(&bundle).unwrap();
        files.bundle().verify(&mut |_, _| {}).unwrap();
        let bytes = files.bundle().predictors().unwrap().bytes();
        let neurons = files.bundle().shape().neuron_bytes();
        // A low-bit copy of half of the neurons' rows at 2 bits is 1/16, with scales a little more.
        assert!(bytes * 8 <= neurons + neurons / 20, "{kind:?}: {bytes} of {neurons}");
        let found = files.bundle().calibration().unwrap();
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
    }
}
