//! Mixtures of experts: what is read of them, and when.

use crate::families::gguf_file;
use crate::model::request;
use flint_engine::{
    Controls, Engine, MemoryBudget, NeuronPlan, OpenModel, PlannedEngine, RunOptions, Stats,
    generate,
};
use std::ops::ControlFlow;
use std::path::Path;

/// Tokens of the prompt, which together go through most experts of a layer.
const PROMPT: usize = 40;
const TOKENS: usize = 24;

fn prepared(model: &Path, percent: f64, chunk: usize) -> PlannedEngine {
    let memory = MemoryBudget::Percent(percent);
    let options = RunOptions { memory, chunk, threads: Some(1), ..RunOptions::default() };
    PlannedEngine::new(OpenModel::open(model).unwrap(), options, Some(PROMPT + TOKENS)).unwrap()
}

/// Percent of the weights at which `places` experts have a place, and all else but embeddings is held.
fn percent_with(model: &Path, chunk: usize, places: u64) -> f64 {
    let enough = |percent: &f64| {
        let prepared = prepared(model, *percent, chunk);
        let plan = prepared.plan();
        let NeuronPlan::Experts(experts) = &plan.neurons else { panic!("a model with experts") };
        plan.dense.body.matrices.is_empty() && plan.chunk == chunk && experts.slots().0 >= places
    };
    let floor = prepared(model, 2000.0, chunk).plan().floor_bytes as f64;
    let weights = OpenModel::open(model).unwrap().weights_bytes() as f64;
    let from = (100.0 * floor / weights).ceil() as u32 + 1;
    (from..2000).map(f64::from).find(enough).unwrap()
}

fn run(engine: &mut Engine, tokens: usize) -> Stats {
    let prompt: Vec<u32> = (0..PROMPT as u32).map(|token| 5 + token * 7 % 300).collect();
    let request = request(&prompt, tokens);
    let each = &mut |_: flint_engine::Event<'_>| ControlFlow::Continue(());
    generate(engine, None, &request, &Controls::default(), each).unwrap().stats
}

fn loaded(model: &Path, percent: f64, chunk: usize) -> Engine {
    prepared(model, percent, chunk).load(&mut |_, _| {}).unwrap()
}

#[test]
fn a_prompt_reads_each_expert_at_most_once_per_layer_and_chunk() {
    let model = gguf_file("qwen3moe-f16");
    for (chunk, chunks) in [(PROMPT, 1), (PROMPT / 2, 2)] {
        let mut engine = loaded(&model, percent_with(&model, chunk, 1), chunk);
        assert!(engine.plan().dense.body.matrices.is_empty());
        assert_eq!(engine.plan().chunk, chunk);
        run(&mut engine, 1);
        let counts = engine.counts();
        // Sixteen in each of two layers.
        assert!(counts.experts_read <= 32 * chunks, "{counts:?}");
        assert!(counts.experts_read > 16 * chunks, "{counts:?}");
        assert!(counts.experts_computed >= counts.experts_read, "{counts:?}");
    }
}

#[test]
fn more_memory_hits_more_and_all_of_it_reads_nothing() {
    let model = gguf_file("qwen3moe-f16");
    let mut before = -1.0;
    for places in [0, 8, 16, 24] {
        let mut engine = loaded(&model, percent_with(&model, 16, places), 16);
        let per_token = run(&mut engine, TOKENS).per_token;
        assert_eq!(per_token.experts, 8.0, "four in each of two layers");
        assert!(per_token.hit_rate > before, "{} with {places} places", per_token.hit_rate);
        assert!(per_token.experts_loaded > 0.0);
        before = per_token.hit_rate;
    }
    let mut engine = loaded(&model, 2000.0, 16);
    assert!(engine.plan().all_resident);
    let stats = run(&mut engine, TOKENS);
    assert_eq!((stats.per_token.experts_loaded, stats.decode_bytes_read), (0.0, 0));
    assert_eq!(stats.per_token.hit_rate, 1.0);
}
