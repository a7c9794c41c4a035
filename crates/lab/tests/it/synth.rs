//! Synthetic bundles at a tiny scale: written, read back, run, and held against what they were made for.

use flint_bundle::Bundle;
use flint_convert::PredictorKind;
use flint_engine::{MemoryBudget, Mode, OpenModel};
use flint_lab::Refused;
use flint_lab::synth::{
    LessonArgs, ReportArgs, SHAPES, Shape, SynthArgs, SynthEvent, report, synth, teach,
    teacher_forced_tokens,
};
use std::fs;
use std::path::Path;

/// Two layers, an eighth of the width.
const TINY: &str = "1/1024";

fn args(shape: Shape, out: &Path, seed: u64) -> SynthArgs {
    let (out, scale, predictor) = (out.to_owned(), TINY.parse().unwrap(), PredictorKind::Cascade);
    SynthArgs { shape, out, scale, seed, predictor, force: false }
}

fn make(shape: Shape, out: &Path, seed: u64) -> Bundle {
    synth(&args(shape, out, seed), &mut |_| {}).unwrap()
}

/// Every file of a bundle, by name.
fn files(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap());
    let mut files: Vec<_> = entries
        .map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap()))
        .collect();
    files.sort();
    files
}

#[test]
fn every_shape_behaves_as_published() {
    for shape in SHAPES {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("tiny.flint");
        make(shape, &out, 1);
        OpenModel::open(&out).unwrap();
        let args = ReportArgs { bundle: out, tokens: 192, memory: MemoryBudget::Auto };
        let report = report(&args).unwrap();
        assert!(report.passes(), "{report}");
        assert_eq!(report.stats.decode_tokens, 192);
    }
}

/// A short run of a bundle on its text.
fn lesson(bundle: &Path, mode: Mode, first_stage: bool) -> LessonArgs {
    LessonArgs {
        bundle: bundle.to_owned(),
        memory: MemoryBudget::Auto,
        mode,
        number: 8,
        prompt: 4,
        warm_up: 4,
        threads: Some(2),
        no_verify_reads: false,
        no_guesses: false,
        first_stage,
        window: None,
        json: false,
    }
}

#[test]
fn a_first_stage_is_the_predictor_that_would_be_alone() {
    let dir = tempfile::tempdir().unwrap();
    let (alone, both) = (dir.path().join("alone"), dir.path().join("both"));
    let order = SynthArgs { predictor: PredictorKind::LowRank, ..args(Shape::Opt, &alone, 1) };
    synth(&order, &mut |_| {}).unwrap();
    make(Shape::Opt, &both, 1);
    let predicted = |bundle: &Path, first_stage| {
        let taught = teach(&lesson(bundle, Mode::Sparse, first_stage)).unwrap();
        assert_eq!(taught.stats.forecast.is_none(), first_stage, "it is said of all stages");
        taught.stats.per_token.neurons_predicted
    };
    assert_eq!(predicted(&both, true), predicted(&alone, false));
    assert!(predicted(&both, false) < predicted(&both, true));
    let refused = teach(&lesson(&alone, Mode::Sparse, true)).unwrap_err();
    assert!(refused.is::<Refused>(), "{refused}");
    teach(&lesson(&alone, Mode::Exact, false)).unwrap();
    let refused = teach(&lesson(&alone, Mode::Exact, true)).unwrap_err();
    assert!(refused.to_string().contains("exact mode predicts nothing"), "{refused}");
}

#[test]
fn the_seed_alone_decides_the_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let make = |name: &str, seed| {
        let out = dir.path().join(name);
        make(Shape::Llama, &out, seed);
        files(&out)
    };
    let first = make("a", 7);
    assert!(first == make("b", 7), "the same seed gives the same bytes");
    let other = make("c", 8);
    assert!(first.iter().zip(&other).all(|(a, b)| a != b), "another seed gives others");
}

#[test]
fn the_text_is_known_from_the_bundle_alone() {
    let dir = tempfile::tempdir().unwrap();
    make(Shape::Opt, dir.path(), 3);
    let text = teacher_forced_tokens(dir.path(), 40).unwrap();
    assert_eq!(text[..10], teacher_forced_tokens(dir.path(), 10).unwrap());
    let tiny = flint_fixtures::tiny_opt_bundle();
    let error = teacher_forced_tokens(&tiny, 1).unwrap_err();
    assert!(error.is::<Refused>(), "{error}");
}

#[test]
fn a_bundle_is_not_replaced_unless_asked() {
    let dir = tempfile::tempdir().unwrap();
    make(Shape::Opt, dir.path(), 1);
    let before = files(dir.path());
    let again = args(Shape::Opt, dir.path(), 2);
    assert!(synth(&again, &mut |_| {}).is_err());
    assert!(before == files(dir.path()), "it is as it was");
    synth(&SynthArgs { force: true, ..again }, &mut |_| {}).unwrap();
    assert!(before != files(dir.path()));
}

#[test]
fn the_disk_needed_is_said_before_and_is_enough() {
    let dir = tempfile::tempdir().unwrap();
    let mut planned = 0;
    let made = synth(&args(Shape::Phi, dir.path(), 1), &mut |event| {
        if let SynthEvent::Planned { disk_bytes, .. } = event {
            planned = disk_bytes;
        }
    });
    let size = made.unwrap().file_bytes();
    assert!(size <= planned && planned < size + size / 4 + (8 << 20), "{size} of {planned}");
}
