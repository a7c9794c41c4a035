//! Checkpoints of every family, converted and run, against reference logits.

mod active;
mod gguf;
mod grid;
mod same_weights;

use crate::model::{greedy, load, options};
use flint_convert::{ConvertOptions, convert};
use flint_engine::{Engine, OpenModel};
use flint_fixtures::{OracleReference, oracle};
use std::path::{Path, PathBuf};

/// The GGUF file of a fixture.
pub(crate) fn gguf_file(name: &str) -> PathBuf {
    gguf::file(name)
}

/// What an engine that computes in f32 has to meet.
pub(crate) const TOLERANCE: f32 = 5e-4;

/// Converts `checkpoint` into `dir`.
pub(crate) fn converted(checkpoint: &Path, dir: &Path) -> PathBuf {
    let out = dir.join("model.flint");
    let options = ConvertOptions {
        checkpoint: checkpoint.to_owned(),
        out: out.clone(),
        element: None,
        force: false,
        cancel: flint_engine::CancelToken::default(),
    };
    convert(&options, &mut |_| {}).unwrap();
    out
}

/// Logits after each of `ids`.
pub(crate) fn all_logits(engine: &mut Engine, ids: &[u32]) -> Vec<Vec<f32>> {
    crate::model::all_logits(engine, ids).unwrap()
}

/// The largest difference between two lists of logits.
pub(crate) fn distance(left: &[f32], right: &[f32]) -> f32 {
    assert_eq!(left.len(), right.len(), "as many logits");
    // Not `max`, which leaves NaN out.
    left.iter()
        .zip(right)
        .map(|(l, r)| (l - r).abs())
        .fold(0.0, |most, each| if most < each || each.is_nan() { each } else { most })
}

/// Checks everything that the reference records of the checkpoint `name`.
fn meets_the_reference(name: &str) {
    let checkpoint = oracle(name);
    meets(&checkpoint);
    // Used as it lies there, too.
    model_meets(&checkpoint, &OracleReference::read(&checkpoint).unwrap());
    let reference = OracleReference::read(&checkpoint).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let files = OpenModel::open(&converted(&checkpoint, dir.path())).unwrap();
    let sparse = files.architecture().feed_forward.activation.is_sparse();
    assert_eq!(sparse, reference.active_neurons.is_some(), "which families have exact zeros");
    if let Some(expected) = &reference.active_neurons {
        let prompt = reference.prompts.last().unwrap();
        assert_eq!(&active::neurons(&files, &prompt.ids), expected);
    }
}

/// Converts the checkpoint in `checkpoint` and checks logits and greedy tokens against its reference.
pub(crate) fn meets(checkpoint: &Path) {
    let reference = OracleReference::read(checkpoint).unwrap();
    let dir = tempfile::tempdir().unwrap();
    model_meets(&converted(checkpoint, dir.path()), &reference);
}

/// Checks logits and greedy tokens of the bundle or checkpoint `model`.
fn model_meets(model: &Path, reference: &OracleReference) {
    let lengths = reference.prompts.iter().map(|prompt| prompt.ids.len() + prompt.greedy.len());
    // Everything resident: the smallest models take less than the context beside them.
    let mut engine = load(model, &options(500.0), lengths.max().unwrap(), None);
    for (index, prompt) in reference.prompts.iter().enumerate() {
        let rows = all_logits(&mut engine, &prompt.ids);
        let last = distance(rows.last().unwrap(), &prompt.logits_last);
        assert!(last <= TOLERANCE, "prompt {index}: last logits differ by {last}");
        for (position, expected) in prompt.logits_all.iter().flatten().enumerate() {
            let far = distance(&rows[position], expected);
            assert!(far <= TOLERANCE, "prompt {index}: position {position} differs by {far}");
        }
        let decoded = greedy(&mut engine, &prompt.ids, prompt.greedy.len());
        assert_eq!(decoded.tokens, prompt.greedy, "prompt {index}");
    }
}

/// Checks a checkpoint that no bundle is made of.
fn meets_in_place(name: &str) {
    let checkpoint = oracle(name);
    model_meets(&checkpoint, &OracleReference::read(&checkpoint).unwrap());
    let dir = tempfile::tempdir().unwrap();
    let options = ConvertOptions {
        checkpoint,
        out: dir.path().join("model.flint"),
        element: None,
        force: false,
        cancel: flint_engine::CancelToken::default(),
    };
    let refused = convert(&options, &mut |_| {}).unwrap_err().to_string();
    assert!(refused.contains("mixture of experts"), "{refused}");
    assert!(!options.out.exists());
}

#[test]
fn mixtral_meets_the_reference() {
    meets_in_place("mixtral");
}

#[test]
fn qwen3_moe_meets_the_reference() {
    meets_in_place("qwen3-moe");
}

#[test]
fn olmoe_meets_the_reference() {
    meets_in_place("olmoe");
}

#[test]
fn opt_with_norms_before_meets_the_reference() {
    meets_the_reference("opt-post-ln-free");
}

#[test]
fn opt_with_norms_after_meets_the_reference() {
    meets_the_reference("opt-350m-style");
}

#[test]
fn falcon_7b_meets_the_reference() {
    meets_the_reference("falcon-7b-relu");
}

#[test]
fn falcon_40b_meets_the_reference() {
    meets_the_reference("falcon-40b-relu");
}

#[test]
fn persimmon_meets_the_reference() {
    meets_the_reference("persimmon-8b-relu2");
}

#[test]
fn phi_2_meets_the_reference() {
    meets_the_reference("phi-2-gelu");
}

#[test]
fn phi_2_with_relu_meets_the_reference() {
    meets_the_reference("phi-2-relu");
}

#[test]
fn llama_2_meets_the_reference() {
    meets_the_reference("llama-2");
}

#[test]
fn llama_with_relu_meets_the_reference() {
    meets_the_reference("llama-relu");
}

#[test]
fn llama_3_in_shards_meets_the_reference() {
    meets_the_reference("llama-gqa-sharded");
}

#[test]
fn mistral_meets_the_reference() {
    meets_the_reference("mistral");
}

#[test]
fn qwen2_meets_the_reference() {
    meets_the_reference("qwen2");
}

#[test]
fn qwen3_meets_the_reference() {
    meets_the_reference("qwen3");
}

#[test]
fn gemma_2_meets_the_reference() {
    meets_the_reference("gemma-2");
}
