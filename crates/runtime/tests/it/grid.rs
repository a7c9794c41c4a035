//! Greedy output is the same bits for every budget, backend, thread count, SIMD path and chunk length.

use crate::model::{Twin, greedy, load, options, oracle, unseen_prompt};
use flint_dram_cache::PolicyKind;
use flint_engine::{Mode, RunOptions};
use flint_fixtures::tiny_opt_bundle;
use flint_flash_io::BackendChoice;
use flint_kernels::Isa;
use std::num::NonZeroU32;

const TOKENS: usize = 5;

/// Prompts longer than one chunk of 7, short enough that a run reads tens of megabytes.
fn prompt() -> Vec<u32> {
    unseen_prompt().into_iter().take(9).collect()
}

/// Every combination of what must not matter.
fn grid(budgets: &[f64]) -> Vec<RunOptions> {
    let mut grid = Vec::new();
    for &budget in budgets {
        for io in [BackendChoice::Uring, BackendChoice::Threads] {
            for threads in [1, 2] {
                for isa in Isa::available() {
                    for chunk in [1, 7, 64] {
                        let threads = Some(threads);
                        let isa = Some(isa);
                        grid.push(RunOptions { io, threads, isa, chunk, ..options(budget) });
                    }
                }
            }
        }
    }
    grid
}

#[test]
fn exact_output_does_not_depend_on_how_it_is_run() {
    let prompt = prompt();
    let expected = Twin::open(&tiny_opt_bundle()).greedy(&prompt, TOKENS);
    // At 20 percent even attention matrices are streamed; 1000 percent keeps everything in memory.
    let ends = grid(&[20.0, 1000.0]).into_iter().filter(|options| options.chunk == 7);
    for options in grid(&[60.0, 75.0, 100.0]).into_iter().chain(ends) {
        let mut engine = load(&tiny_opt_bundle(), &options, prompt.len() + TOKENS, None);
        let generated = greedy(&mut engine, &prompt, TOKENS);
        assert_eq!(generated.tokens, expected, "{options:?}");
        let stats = &generated.stats;
        assert_eq!(stats.simd, options.isa.unwrap().name());
        assert_eq!(stats.threads, options.threads.unwrap());
        assert!(stats.chunk <= options.chunk);
        let uring = options.io == BackendChoice::Uring;
        assert_eq!(stats.io_backend, if uring { "uring" } else { "threads" });
        assert_eq!(engine.plan().all_resident, generated.stats.decode_bytes_read == 0);
    }
}

#[test]
fn sparse_output_does_not_depend_on_how_it_is_run() {
    let prompt = prompt();
    let expected = Twin::open(&tiny_opt_bundle()).greedy(&prompt, TOKENS);
    let window = |k| PolicyKind::Window { tokens: NonZeroU32::new(k) };
    for (index, options) in grid(&[80.0, 120.0, 1000.0]).into_iter().enumerate() {
        // Policies alternate over the grid; windows of every length among them.
        let policy =
            if index % 2 == 0 { PolicyKind::FREQUENCY } else { window(index as u32 / 2 % 9) };
        let options = RunOptions { policy, mode: Some(Mode::Sparse), ..options };
        let predictor = oracle(&tiny_opt_bundle());
        let context = prompt.len() + TOKENS;
        let mut engine = load(&tiny_opt_bundle(), &options, context, Some(predictor));
        assert_eq!(greedy(&mut engine, &prompt, TOKENS).tokens, expected, "{options:?}");
    }
}
