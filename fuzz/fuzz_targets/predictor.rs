//! A stored predictor: its kind, width and neurons, then its bytes. One that is accepted can be asked.
#![no_main]

use flint_kernels::{Compute, Isa};
use flint_predictor::{GateCopyGroup, LowRankGroup, ScoredGroup};
use std::sync::LazyLock;

static COMPUTE: LazyLock<Compute> =
    LazyLock::new(|| Compute::new(Isa::Scalar, 1).unwrap_or_else(|error| panic!("{error}")));

fn ask<G: ScoredGroup>(width: usize, neurons: usize, bytes: &[u8]) {
    let Ok(group) = G::from_bytes(width, neurons, bytes) else { return };
    let mut scores = vec![0.0; neurons];
    group.scores(&COMPUTE, &vec![1.0; width], &mut scores);
    assert!(scores.iter().all(|score| !score.is_nan()) || group.bytes() > 0);
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let [kind, width, neurons, blob @ ..] = bytes else { return };
    let (width, neurons) = (usize::from(*width).max(1), usize::from(*neurons).max(1));
    match kind % 2 {
        0 => ask::<LowRankGroup>(width, neurons, blob),
        _ => ask::<GateCopyGroup>(width, neurons, blob),
    }
});
