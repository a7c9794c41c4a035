//! exp, tanh and erf against the f64 functions of libm, in units of the last place.

use flint_kernels::math;

/// The distance of `got` from `want` in units of the last place of an f32 of that size.
fn ulps(got: f32, want: f64) -> f64 {
    let exponent = (want.abs().log2().floor() as i32).max(-126);
    (f64::from(got) - want).abs() / f64::powi(2.0, exponent - 23)
}

/// The worst error over `from..to` in fine steps, and at which number.
fn worst(from: f64, to: f64, f: fn(f32) -> f32, truth: fn(f64) -> f64) -> (f64, f32) {
    let steps = 2_000_003;
    (0..=steps)
        .map(|i| (from + (to - from) * f64::from(i) / f64::from(steps)) as f32)
        .map(|x| (ulps(f(x), truth(f64::from(x))), x))
        .fold((0.0, 0.0), |a, b| if b.0 > a.0 { b } else { a })
}

#[test]
fn exp_is_within_one_ulp() {
    for (from, to) in [(-1.0, 1.0), (-20.0, 20.0), (-103.9, 88.7)] {
        let (error, x) = worst(from, to, math::exp, libm::exp);
        assert!(error <= 1.0, "{error} ulp at {x}");
    }
}

#[test]
fn tanh_is_within_three_ulp() {
    for (from, to) in [(-0.7, 0.7), (-10.0, 10.0), (1e-6, 1e-4)] {
        let (error, x) = worst(from, to, math::tanh, libm::tanh);
        assert!(error <= 3.0, "{error} ulp at {x}");
    }
}

#[test]
fn erf_is_within_three_ulp() {
    for (from, to) in [(-1.0, 1.0), (-5.0, 5.0), (1e-6, 1e-4)] {
        let (error, x) = worst(from, to, math::erf, libm::erf);
        assert!(error <= 3.0, "{error} ulp at {x}");
    }
}

#[test]
fn the_ends_are_exact() {
    assert_eq!(math::exp(0.0), 1.0);
    assert_eq!(math::exp(-1000.0), 0.0);
    assert_eq!(math::exp(f32::NEG_INFINITY), 0.0);
    assert_eq!(math::exp(1000.0), f32::INFINITY);
    assert_eq!((math::tanh(50.0), math::tanh(-50.0)), (1.0, -1.0));
    assert_eq!((math::erf(50.0), math::erf(-50.0)), (1.0, -1.0));
    for f in [math::tanh, math::erf] {
        assert_eq!(f(0.0).to_bits(), 0.0f32.to_bits());
        assert_eq!(f(-0.0).to_bits(), (-0.0f32).to_bits());
    }
}

#[test]
fn odd_functions_are_odd() {
    for i in 0..10_000u16 {
        let x = f32::from(i) / 1000.0;
        assert_eq!(math::tanh(-x).to_bits(), (-math::tanh(x)).to_bits());
        assert_eq!(math::erf(-x).to_bits(), (-math::erf(x)).to_bits());
    }
}
