//! Norms against their definitions in f64, and their bits on every path.

use crate::twin::{assert_close, bits, every, numbers, scalar};
use flint_kernels::{layer_norm, rms_norm};
use proptest::prelude::*;

const EPS: f32 = 1e-5;

fn layer_norm_twin(x: &[f32], weight: Option<&[f32]>, bias: Option<&[f32]>) -> Vec<f64> {
    let x: Vec<f64> = x.iter().map(|&x| f64::from(x)).collect();
    let mean = x.iter().sum::<f64>() / x.len() as f64;
    let variance = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / x.len() as f64;
    let scale = 1.0 / (variance + f64::from(EPS)).sqrt();
    let part = |part: Option<&[f32]>, i: usize, none: f64| part.map_or(none, |p| f64::from(p[i]));
    (0..x.len())
        .map(|i| (x[i] - mean) * scale * part(weight, i, 1.0) + part(bias, i, 0.0))
        .collect()
}

fn rms_norm_twin(x: &[f32], weight: &[f32]) -> Vec<f64> {
    let square = x.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>() / x.len() as f64;
    let scale = 1.0 / (square + f64::from(EPS)).sqrt();
    x.iter().zip(weight).map(|(&x, &w)| f64::from(x) * scale * f64::from(w)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn layer_norm_normalises(
        width in 1usize..200, tokens in 1usize..4, scaled: bool, biased: bool, seed: u64,
    ) {
        let x: Vec<f32> = numbers(tokens * width, seed).iter().map(|x| 3.0 * x + 0.5).collect();
        let (weight, bias) = (numbers(width, seed ^ 1), numbers(width, seed ^ 2));
        let weight = scaled.then_some(&*weight);
        let bias = biased.then_some(&*bias);
        let mut want = vec![0.0; x.len()];
        layer_norm(scalar(), &x, width, weight, bias, EPS, &mut want);
        for (x, got) in x.chunks(width).zip(want.chunks(width)) {
            assert_close(got, &layer_norm_twin(x, weight, bias), 3e-5);
        }
        for c in every() {
            let mut got = vec![0.0; x.len()];
            layer_norm(c, &x, width, weight, bias, EPS, &mut got);
            prop_assert_eq!(bits(&got), bits(&want));
        }
    }

    #[test]
    fn rms_norm_normalises(width in 1usize..200, tokens in 1usize..4, seed: u64) {
        let (x, weight) = (numbers(tokens * width, seed), numbers(width, seed ^ 1));
        let mut want = vec![0.0; x.len()];
        rms_norm(scalar(), &x, &weight, EPS, &mut want);
        for (x, got) in x.chunks(width).zip(want.chunks(width)) {
            assert_close(got, &rms_norm_twin(x, &weight), 1e-5);
        }
        for c in every() {
            let mut got = vec![0.0; x.len()];
            rms_norm(c, &x, &weight, EPS, &mut got);
            prop_assert_eq!(bits(&got), bits(&want));
        }
    }
}
