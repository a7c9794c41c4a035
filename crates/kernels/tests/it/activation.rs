//! Activations against their definitions in f64, and their bits on every path.

use crate::twin::{bits, every, numbers, scalar};
use flint_kernels::Activation;

const ALL: [Activation; 7] = [
    Activation::Relu,
    Activation::SquaredRelu,
    Activation::FatRelu(0.25),
    Activation::Silu,
    Activation::Gelu,
    Activation::GeluTanh,
    Activation::ClampedSwiglu,
];

fn truth(activation: Activation, x: f64) -> f64 {
    match activation {
        Activation::Relu => x.max(0.0),
        Activation::SquaredRelu => x.max(0.0).powi(2),
        Activation::FatRelu(threshold) if x <= f64::from(threshold) => 0.0,
        Activation::FatRelu(_) => x,
        Activation::Silu => x / (1.0 + libm::exp(-x)),
        Activation::Gelu => 0.5 * x * (1.0 + libm::erf(x * std::f64::consts::FRAC_1_SQRT_2)),
        Activation::GeluTanh => {
            let inner = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044_715 * x * x * x);
            0.5 * x * (1.0 + libm::tanh(inner))
        }
        Activation::ClampedSwiglu => {
            let x = x.min(7.0);
            x / (1.0 + libm::exp(-1.702 * x))
        }
    }
}

fn inputs() -> Vec<f32> {
    let mut x: Vec<f32> = numbers(1003, 3).iter().map(|x| x * 12.0).collect();
    x.extend([0.0, -0.0, 0.25, 1e-40, -1e-40, 90.0, -90.0, 1e4, -1e4]);
    x
}

#[test]
fn activations_are_what_they_are_called() {
    for activation in ALL {
        let mut got = inputs();
        activation.apply_slice(scalar(), &mut got);
        for (x, got) in inputs().into_iter().zip(got) {
            let want = truth(activation, f64::from(x));
            let off = (f64::from(got) - want).abs();
            assert!(off <= 1e-6 * want.abs().max(1.0), "{activation:?}({x}) is {got}, not {want}");
        }
    }
}

#[test]
fn a_gate_multiplies_what_passes_it() {
    let up = [3.0, -9.0, 0.5, f32::INFINITY];
    let gated = |activation: Activation, mut gates: [f32; 4]| {
        activation.gate_slice(scalar(), &mut gates, &up);
        gates
    };
    // A zero stays one, whatever it multiplies.
    assert_eq!(gated(Activation::Relu, [2.0, 2.0, -1.0, -1.0]), [6.0, -18.0, 0.0, 0.0]);
    let clamped = gated(Activation::ClampedSwiglu, [9.0, 1.0, 0.0, 0.0]);
    let one = truth(Activation::ClampedSwiglu, 1.0) as f32;
    assert!((clamped[0] - 4.0 * 7.0).abs() < 1e-3, "{clamped:?}");
    assert!((clamped[1] + 6.0 * one).abs() < 1e-5, "{clamped:?}");
}

#[test]
fn every_path_gives_the_same_bits() {
    for activation in ALL {
        let mut want = inputs();
        activation.apply_slice(scalar(), &mut want);
        for c in every() {
            let mut got = inputs();
            activation.apply_slice(c, &mut got);
            assert_eq!(bits(&got), bits(&want), "{activation:?} on {c:?}");
        }
    }
}

#[test]
fn sparse_ones_give_positive_zeros() {
    for activation in ALL.into_iter().filter(|activation| activation.is_sparse()) {
        let mut x = [-3.0, -0.0, 0.0, -1e-45];
        activation.apply_slice(scalar(), &mut x);
        assert_eq!(bits(&x), [0; 4], "{activation:?}");
    }
    assert!(!Activation::Silu.is_sparse());
}
