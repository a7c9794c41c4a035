//! A stored predictor: its kind, width and neurons, then its bytes. One that is accepted can be asked.
#![no_main]

use flint_kernels::{Compute, Isa};
use flint_predictor::{CascadeGroup, CatsGroup, GateCopyGroup, LowRankGroup, ScoredGroup};
use std::sync::LazyLock;

static COMPUTE: LazyLock<Compute> =
    LazyLock::new(|| Compute::new(Isa::Scalar, 1).unwrap_or_else(|error| panic!("{error}")));

fn ask<G: ScoredGroup>(width: usize, neurons: usize, bytes: &[u8]) {
    let Ok(group) = G::from_bytes(width, neurons, bytes) else { return };
    let mut scores = vec![0.0; neurons];
    group.scores(&COMPUTE, &vec![1.0; width], &mut scores);
    // What was accepted is written as it was read.
    assert!(G::from_bytes(width, neurons, &group.to_bytes()).is_ok());
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let [kind, width, neurons, blob @ ..] = bytes else { return };
    let (width, neurons) = (usize::from(*width).max(1), usize::from(*neurons).max(1));
    match kind % 4 {
        0 => ask::<LowRankGroup>(width, neurons, blob),
        1 => ask::<GateCopyGroup>(width, neurons, blob),
        2 => ask::<CascadeGroup>(width, neurons, blob),
        _ => ask::<CatsGroup>(width, neurons, blob),
    }
});
