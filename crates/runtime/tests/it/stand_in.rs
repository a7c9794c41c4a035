//! Copies that stand in for neurons that are not read: the same bits for every budget, backend, thread count, SIMD path, chunk and
//! company.

use crate::experts::side_by_side;
use crate::families::converted;
use crate::model::{all_logits, load, options};
use flint_convert::{CalibrateOptions, calibrate};
use flint_engine::{MemoryBudget, OpenModel, PlannedEngine, RunOptions};
use flint_fixtures::oracle;
use flint_flash_io::BackendChoice;
use flint_kernels::Isa;
use std::path::{Path, PathBuf};

fn tokens(count: u64, seed: u64) -> Vec<u32> {
    (0..count).map(|i| ((i + seed).wrapping_mul(2_654_435_761) >> 7) as u32 % 384).collect()
}

/// A reference checkpoint with thresholds for half and for most of its neurons.
fn made(name: &str, dir: &Path) -> PathBuf {
    let bundle = converted(&oracle(name), dir);
    let how = CalibrateOptions {
        tokens: Some(400),
        threads: Some(2),
        sparsities: vec![0.5, 0.9],
        ..CalibrateOptions::new(bundle.clone())
    };
    calibrate(&how, &tokens(500, 0), &mut |_| {}).unwrap();
    bundle
}

/// The least memory for `needed` tokens of context, as a share of the weights.
fn floor(bundle: &Path, options: RunOptions, needed: usize) -> f64 {
    let files = OpenModel::open(bundle).unwrap();
    let weights = files.weights_bytes() as f64;
    let planned = PlannedEngine::new(files, options, Some(needed)).unwrap();
    (100.0 * planned.plan().floor_bytes as f64 / weights).ceil() + 1.0
}

#[test]
fn logits_do_not_depend_on_how_it_is_run() {
    // Gated with SiLU, and plain with GELU in parallel to attention.
    for name in ["llama-2", "phi-2-gelu"] {
        let dir = tempfile::tempdir().unwrap();
        let (bundle, prompt) = (made(name, dir.path()), tokens(20, 99));
        let run = |options: &RunOptions| {
            let mut engine = load(&bundle, options, prompt.len(), None);
            let rows = all_logits(&mut engine, &prompt).unwrap();
            rows.concat().into_iter().map(f32::to_bits).collect::<Vec<_>>()
        };
        let exact = run(&options(5000.0));
        for sparsity in [0.5, 0.9] {
            let sparse = |percent| RunOptions { sparsity: Some(sparsity), ..options(percent) };
            let expected = run(&sparse(5000.0));
            assert_ne!(expected, exact, "{name} {sparsity}");
            let least = floor(&bundle, sparse(5000.0), prompt.len());
            for percent in [least, 1.2 * least, 5000.0] {
                for io in [BackendChoice::Uring, BackendChoice::Threads] {
                    for isa in Isa::available() {
                        for (chunk, threads) in [(1, 1), (3, 2), (64, 2)] {
                            let (isa, threads) = (Some(isa), Some(threads));
                            let how = RunOptions { io, isa, threads, chunk, ..sparse(percent) };
                            assert!(run(&how) == expected, "{name}: {how:?}");
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn texts_side_by_side_have_the_bits_of_texts_alone() {
    const STEPS: usize = 8;
    let dir = tempfile::tempdir().unwrap();
    let bundle = made("llama-2", dir.path());
    let texts: Vec<Vec<u32>> = (0..5).map(|text| tokens(12 + 3 * text, 31 * text)).collect();
    for sparsity in [0.5, 0.9] {
        let load = |percent: f64| {
            let (memory, sequences) = (MemoryBudget::Percent(percent), texts.len());
            let sparsity = Some(sparsity);
            let how = RunOptions { memory, sequences, chunk: 16, sparsity, ..options(percent) };
            let files = OpenModel::open(&bundle).unwrap();
            PlannedEngine::new(files, how, Some(32)).unwrap().load(&mut |_, _| {}).unwrap()
        };
        let mut engine = load(9000.0);
        let want: Vec<_> = texts
            .iter()
            .map(|text| side_by_side(&mut engine, std::slice::from_ref(text), STEPS).remove(0))
            .collect();
        assert_eq!(side_by_side(&mut engine, &texts, STEPS), want, "{sparsity}");
    }
}
