//! A stored predictor: its kind, width and neurons, then its bytes. One that is accepted can be asked, and gives the same
//! bits by every instruction set, for one position and for two, and where it is asked about some neurons alone.
#![no_main]

use flint_kernels::{Compute, Isa};
use flint_predictor::{
    CascadeGroup, CatsGroup, ContributionGroup, LowRankGroup, QuantizedGateLayer, ThresholdLayer,
};
use std::sync::LazyLock;

static SLOW: LazyLock<Compute> = LazyLock::new(|| compute(Isa::Scalar));
static FAST: LazyLock<Compute> = LazyLock::new(|| compute(Isa::best()));

fn compute(isa: Isa) -> Compute {
    Compute::new(isa, 1).unwrap_or_else(|error| panic!("{error}"))
}

fn ask<G: ThresholdLayer>(width: usize, neurons: usize, bytes: &[u8]) {
    let Ok(group) = G::from_bytes(width, neurons, bytes) else { return };
    let input: Vec<f32> = (0..2 * width).map(|at| (at % 7) as f32 - 2.5).collect();
    let (mut slow, mut fast) = (vec![0.0; 2 * neurons], vec![0.0; 2 * neurons]);
    group.scores(&SLOW, &input, &mut slow);
    group.scores(&FAST, &input, &mut fast);
    assert!(slow.iter().zip(&fast).all(|(slow, fast)| slow.to_bits() == fast.to_bits()));
    let mut alone = vec![0.0; neurons];
    group.scores(&FAST, &input[..width], &mut alone);
    let first = slow.chunks_exact(2).map(|both| both[0]);
    assert!(first.zip(&alone).all(|(both, alone)| both.to_bits() == alone.to_bits()));
    let odd = |neuron: u32| neuron % 2 == 1;
    let mut some = vec![0.0; neurons];
    group.scores_among(&FAST, &input[..width], &odd, &mut some);
    let asked = |(neuron, _): &(usize, _)| odd(*neuron as u32);
    assert!(
        some.iter()
            .zip(&alone)
            .enumerate()
            .filter(asked)
            .all(|(_, (some, all))| some.to_bits() == all.to_bits())
    );
    // What was accepted is written as it was read.
    assert!(G::from_bytes(width, neurons, &group.to_bytes()).is_ok());
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let [kind, width, neurons, blob @ ..] = bytes else { return };
    let (width, neurons) = (usize::from(*width).max(1), usize::from(*neurons).max(1));
    match kind % 5 {
        0 => ask::<LowRankGroup>(width, neurons, blob),
        1 => ask::<QuantizedGateLayer>(width, neurons, blob),
        2 => ask::<CatsGroup>(width, neurons, blob),
        3 => ask::<ContributionGroup>(width, neurons, blob),
        _ => ask::<CascadeGroup>(width, neurons, blob),
    }
});
