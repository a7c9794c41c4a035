//! Numbers that are not finite end a request with an error that says where, not with tokens of nothing.

use flint_engine::{
    CancelToken, Controls, Engine, EngineError, MemoryBudget, OpenModel, PlannedEngine, Request,
    RunOptions, Sampling, generate,
};
use flint_fixtures::oracle;
use flint_kernels::KvElement;
use half::bf16;
use std::fs;
use std::ops::ControlFlow;
use std::path::Path;

/// A model of the family Qwen2 in which one tensor is all `value`.
fn model(directory: &Path, tensor: &str, value: f32) -> OpenModel {
    for file in fs::read_dir(oracle("qwen2")).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), directory.join(file.file_name())).unwrap();
    }
    let path = directory.join("model.safetensors");
    let mut bytes = fs::read(&path).unwrap();
    let start = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let header: serde_json::Value = serde_json::from_slice(&bytes[8..start]).unwrap();
    assert_eq!(header[tensor]["dtype"], "BF16");
    let offsets = &header[tensor]["data_offsets"];
    let at = |index: usize| start + offsets[index].as_u64().unwrap() as usize;
    for number in bytes[at(0)..at(1)].chunks_exact_mut(2) {
        number.copy_from_slice(&bf16::from_f32(value).to_le_bytes());
    }
    fs::write(&path, bytes).unwrap();
    OpenModel::open(directory).unwrap()
}

fn load(files: OpenModel, kv: KvElement) -> Engine {
    let memory = MemoryBudget::Percent(1000.0);
    let options = RunOptions { memory, kv, threads: Some(1), ..RunOptions::default() };
    PlannedEngine::new(files, options, Some(32)).unwrap().load(&mut |_, _| {}).unwrap()
}

fn run(engine: &mut Engine) -> Result<Vec<u32>, EngineError> {
    let request = Request {
        prompt: vec![57, 301, 18, 344, 129, 301, 76],
        max_tokens: 4,
        sampling: Sampling::greedy(),
        stop: Vec::new(),
        ignore_end: true,
    };
    let listen = &mut |_: flint_engine::Event<'_>| ControlFlow::Continue(());
    Ok(generate(engine, None, &request, &Controls::default(), listen)?.tokens)
}

#[test]
fn keys_beyond_f16_are_an_error_that_names_the_way_out() {
    let directory = tempfile::tempdir().unwrap();
    let bias = "model.layers.1.self_attn.k_proj.bias";
    let files = || model(directory.path(), bias, 9e4);
    let mut engine = load(files(), KvElement::F16);
    let error = run(&mut engine).unwrap_err();
    let said = error.to_string();
    assert!(said.contains("layer 1") && said.contains("--kv f32"), "{said}");
    assert_eq!(error.exit_status(), 1);
    assert_eq!(engine.kv_pages_free(), 2, "nothing of it is kept");
    assert_eq!(run(&mut load(files(), KvElement::F32)).unwrap().len(), 4);
}

#[test]
fn logits_that_are_not_finite_are_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let files = model(directory.path(), "model.norm.weight", f32::NAN);
    let mut engine = load(files, KvElement::F32);
    let error = run(&mut engine).unwrap_err();
    assert!(error.to_string().contains("NaN"), "{error}");
    assert_eq!(error.exit_status(), 1);
    let mut sequence = engine.begin();
    let fed = engine.feed(&mut sequence, &[5, 6], &CancelToken::default(), &mut |_| {});
    assert!(fed.is_err() && sequence.is_empty());
    engine.end(sequence);
}
