//! Mixtures of experts: what is read of them, and when.

use crate::families::gguf_file;
use crate::model::request;
use flint_engine::{
    CancelToken, Controls, Engine, MemoryBudget, NeuronPlan, OpenModel, PlannedEngine, RunOptions,
    Sequence, Stats, generate,
};
use flint_model::Batch;
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

/// The bits of the logits after each row of `texts`, whose last `together` tokens go through each step side by side.
pub(crate) fn side_by_side(
    engine: &mut Engine,
    texts: &[Vec<u32>],
    together: usize,
) -> Vec<Vec<Vec<u32>>> {
    let cancel = CancelToken::default();
    let bits = |logits: &[f32]| logits.iter().map(|it| it.to_bits()).collect::<Vec<u32>>();
    let mut logits: Vec<Vec<Vec<u32>>> = vec![Vec::new(); texts.len()];
    let mut sequences: Vec<Sequence> = texts.iter().map(|_| engine.begin()).collect();
    for (sequence, text) in sequences.iter_mut().zip(texts) {
        engine.feed(sequence, &text[..text.len() - together], &cancel, &mut |_| {}).unwrap();
    }
    for step in (0..together).rev() {
        let next: Vec<u32> = texts.iter().map(|text| text[text.len() - 1 - step]).collect();
        let rows = sequences.iter().zip(&next);
        let rows = rows.flat_map(|(sequence, &token)| sequence.rows(&[token], |_| true)).collect();
        let output = engine.step(&Batch::new(rows).unwrap(), &cancel).unwrap();
        let each = &mut |row: usize, given: &[f32]| logits[row].push(bits(given));
        engine.logits(&output, &cancel, each).unwrap();
        sequences.iter_mut().zip(next).for_each(|(sequence, token)| sequence.extend(&[token]));
    }
    sequences.into_iter().for_each(|sequence| engine.end(sequence));
    logits
}

#[test]
fn texts_side_by_side_have_the_bits_of_texts_alone() {
    const STEPS: usize = 8;
    for name in ["qwen3moe-q4_k_m", "gpt-oss-mxfp4", "deepseek2-q4_k_m"] {
        let model = gguf_file(name);
        let texts: Vec<Vec<u32>> = (0..5u32)
            .map(|text| (0..12 + 3 * text).map(|i| 5 + (i * i * 7 + text * 31) % 250).collect())
            .collect();
        let prepared = |percent, threads| {
            let options = RunOptions {
                memory: MemoryBudget::Percent(percent),
                threads: Some(threads),
                sequences: texts.len(),
                chunk: 16,
                ..RunOptions::default()
            };
            PlannedEngine::new(OpenModel::open(&model).unwrap(), options, Some(32)).unwrap()
        };
        let load = |percent, threads| prepared(percent, threads).load(&mut |_, _| {}).unwrap();
        let mut engine = load(4000.0, 1);
        let weights = OpenModel::open(&model).unwrap().weights_bytes() as f64;
        let floor = (100.0 * engine.plan().floor_bytes as f64 / weights).ceil() as u32 + 1;
        // As little as lets the five go through a layer together.
        let enough = |percent: &f64| prepared(*percent, 1).plan().chunk >= texts.len();
        let tight = (floor..4000).map(f64::from).find(enough).unwrap();
        assert!(!prepared(tight, 1).plan().all_resident);
        let want: Vec<_> = texts
            .iter()
            .map(|text| side_by_side(&mut engine, std::slice::from_ref(text), STEPS).remove(0))
            .collect();
        for memory in [tight, 4000.0] {
            for threads in [1, 2] {
                let mut engine = load(memory, threads);
                let got = side_by_side(&mut engine, &texts, STEPS);
                assert_eq!(got, want, "{name} in {memory} % on {threads} threads");
            }
        }
    }
}
