//! From checkpoint to bundle: nothing is lost, nothing half-written, encodings as asked.

use crate::model::Twin;
use flint_convert::{ConvertEvent, ConvertOptions, convert};
use flint_engine::OpenModel;
use flint_fixtures::{OracleReference, oracle, tiny_opt, tiny_opt_bundle};
use flint_geometry::DType;
use std::fs;
use std::path::Path;

fn convert_to(checkpoint: &Path, out: &Path, element: Option<DType>) -> OpenModel {
    let options = ConvertOptions {
        checkpoint: checkpoint.to_owned(),
        out: out.to_owned(),
        element,
        force: false,
        cancel: flint_engine::CancelToken::default(),
    };
    convert(&options, &mut |_| {}).unwrap();
    OpenModel::open(out).unwrap()
}

#[test]
fn the_bundle_that_ships_is_what_convert_makes_of_the_checkpoint_that_ships() {
    let directory = tempfile::tempdir().unwrap();
    let made = convert_to(&tiny_opt(), &directory.path().join("tiny.flint"), None);
    let ships = OpenModel::open(&tiny_opt_bundle()).unwrap();
    assert_eq!(made.architecture(), ships.architecture());
    for (made, ships) in [
        (made.bundle().unwrap().neurons_path(), ships.bundle().unwrap().neurons_path()),
        (made.bundle().unwrap().dense_path(), ships.bundle().unwrap().dense_path()),
    ] {
        assert!(fs::read(made).unwrap() == fs::read(ships).unwrap());
    }
}

#[test]
fn both_shapes_of_opt_give_the_logits_of_the_reference() {
    for name in ["opt-post-ln-free", "opt-350m-style"] {
        let directory = tempfile::tempdir().unwrap();
        let out = directory.path().join("model.flint");
        convert_to(&oracle(name), &out, None);
        let mut twin = Twin::open(&out);
        for prompt in OracleReference::read(&oracle(name)).unwrap().prompts {
            let rows = twin.logits(&prompt.ids);
            let expected = prompt.logits_all.unwrap_or_else(|| vec![prompt.logits_last]);
            let last = rows.len() - expected.len();
            for (row, expected) in rows[last..].iter().zip(&expected) {
                let off = row.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
                assert!(off <= 5e-4, "{name}: off by {off}");
            }
            assert_eq!(twin.greedy(&prompt.ids, prompt.greedy.len()), prompt.greedy, "{name}");
        }
    }
}

#[test]
fn weights_are_stored_as_asked() {
    let directory = tempfile::tempdir().unwrap();
    let kept = convert_to(&oracle("opt-post-ln-free"), &directory.path().join("kept"), None);
    let prompt = [57, 301, 18];
    let exact = Twin::open(&directory.path().join("kept")).logits(&prompt);
    assert_eq!(kept.bundle().unwrap().shape().record.element(), DType::F16);
    for (name, element, tolerance) in [("f32", DType::F32, 0.0), ("bf16", DType::Bf16, 1.0)] {
        let out = directory.path().join(name);
        let made = convert_to(&oracle("opt-post-ln-free"), &out, Some(element));
        assert_eq!(made.bundle().unwrap().shape().record.element(), element);
        let dense = made.bundle().unwrap().tensor("layers.0.query.weight").unwrap();
        assert_eq!(dense.element, element);
        let logits = Twin::open(&out).logits(&prompt);
        for (row, exact) in logits.iter().zip(&exact) {
            // Widened numbers are the same numbers, so the results are the same bits.
            assert!(row.iter().zip(exact).all(|(a, b)| (a - b).abs() <= tolerance), "{name}");
        }
    }
}

#[test]
fn the_disk_it_needs_is_said_first_and_is_enough() {
    let directory = tempfile::tempdir().unwrap();
    let mut events = Vec::new();
    let options = ConvertOptions {
        checkpoint: oracle("opt-350m-style"),
        out: directory.path().join("model.flint"),
        element: None,
        force: false,
        cancel: flint_engine::CancelToken::default(),
    };
    let bundle = convert(&options, &mut |event| events.push(event)).unwrap();
    let ConvertEvent::Planned { disk_bytes, .. } = events[0] else { panic!("{:?}", events[0]) };
    assert!(bundle.file_bytes() <= disk_bytes, "{} of {disk_bytes}", bundle.file_bytes());
    assert!(matches!(events.last(), Some(ConvertEvent::Verified { done, total }) if done == total));
}

#[test]
fn a_bundle_that_exists_is_replaced_only_when_asked() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("model.flint");
    convert_to(&oracle("opt-post-ln-free"), &out, None);
    let again = |force| {
        let checkpoint = oracle("opt-350m-style");
        convert(
            &ConvertOptions {
                checkpoint,
                out: out.clone(),
                element: None,
                force,
                cancel: flint_engine::CancelToken::default(),
            },
            &mut |_| {},
        )
    };
    let first = OpenModel::open(&out).unwrap().architecture().clone();
    assert!(again(false).is_err_and(|error| error.exit_status() == 2));
    assert_eq!(*OpenModel::open(&out).unwrap().architecture(), first);
    again(true).unwrap();
    assert_ne!(*OpenModel::open(&out).unwrap().architecture(), first);
}
