//! Latency of one decoded token of tiny-opt: streamed, partly pinned, and all in memory.

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use flint_engine::{CancelToken, Engine, MemoryBudget, OpenModel, PlannedEngine, RunOptions};
use flint_fixtures::tiny_opt_bundle;
use std::time::{Duration, Instant};

/// Tokens of context: enough for prompts of this size at the smallest budget.
const CONTEXT: usize = 64;

fn load(percent: f64) -> Engine {
    let options = RunOptions { memory: MemoryBudget::Percent(percent), ..RunOptions::default() };
    let files = OpenModel::open(&tiny_opt_bundle()).expect("the fixture is whole");
    let prepared = PlannedEngine::new(files, options, Some(CONTEXT)).expect("the budget is enough");
    prepared.load(&mut |_, _| {}).expect("the fixture loads")
}

/// Time for `tokens` decode steps, each context filled once and then begun anew.
fn decode(engine: &mut Engine, tokens: u64) -> Duration {
    let mut left = tokens as usize;
    let mut spent = Duration::ZERO;
    while left > 0 {
        let (mut sequence, cancel) = (engine.begin(), CancelToken::default());
        engine.feed(&mut sequence, &[0], &cancel, &mut |_| {}).expect("a token");
        let some = left.min(engine.room(&sequence));
        let started = Instant::now();
        for token in 0..some {
            let token = 5 + token as u32;
            engine.feed(&mut sequence, &[token], &cancel, &mut |_| {}).expect("a token");
        }
        spent += started.elapsed();
        engine.end(sequence);
        left -= some;
    }
    spent
}

fn tokens(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("tiny-opt token, exact");
    for percent in [60.0, 100.0, 1000.0] {
        let mut engine = load(percent);
        group.bench_function(BenchmarkId::from_parameter(format!("{percent}%")), |bencher| {
            bencher.iter_custom(|iterations| decode(&mut engine, iterations));
        });
    }
    group.finish();
}

criterion_group!(benches, tokens);
criterion_main!(benches);
