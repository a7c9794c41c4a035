//! Rotary embedding against its definition in f64.

use crate::twin::{assert_close, bits, numbers};
use flint_kernels::{Rotary, RotaryScaling};

/// The definition: number i pairs with number i + rotated / 2.
fn twin(x: &[f32], rotated: usize, position: usize, frequency: impl Fn(usize) -> f64) -> Vec<f64> {
    let mut out: Vec<f64> = x.iter().map(|&x| f64::from(x)).collect();
    for pair in 0..rotated / 2 {
        let (sin, cos) = (position as f64 * frequency(pair)).sin_cos();
        let (a, b) = (f64::from(x[pair]), f64::from(x[pair + rotated / 2]));
        out[pair] = a * cos - b * sin;
        out[pair + rotated / 2] = b * cos + a * sin;
    }
    out
}

fn check(rotated: usize, scaling: RotaryScaling, frequency: impl Fn(usize) -> f64) {
    let (head_dim, heads, tokens, first) = (80, 3, 4, 1234);
    let x = numbers(tokens * heads * head_dim, 5);
    let mut got = x.clone();
    Rotary::new(head_dim, rotated, 10_000.0, scaling).rotate(
        &mut got,
        heads,
        first..first + tokens,
    );
    for (index, (x, got)) in x.chunks(head_dim).zip(got.chunks(head_dim)).enumerate() {
        assert_close(got, &twin(x, rotated, first + index / heads, &frequency), 1e-6);
    }
}

fn plain(rotated: usize) -> impl Fn(usize) -> f64 {
    move |pair| 10_000f64.powf(-2.0 * pair as f64 / rotated as f64)
}

#[test]
fn whole_and_partial_heads_turn() {
    check(80, RotaryScaling::None, plain(80));
    check(32, RotaryScaling::None, plain(32));
    check(0, RotaryScaling::None, plain(32));
}

#[test]
fn linear_scaling_slows_every_angle() {
    check(80, RotaryScaling::Linear { factor: 4.0 }, |pair| plain(80)(pair) / 4.0);
}

#[test]
fn llama3_scaling_slows_the_slow_angles() {
    let (factor, low, high, context) = (8.0, 1.0, 4.0, 8192.0);
    let scaling = RotaryScaling::Llama3 { factor, low, high, original_context: 8192 };
    // In the words of the original: by wavelength.
    check(80, scaling, |pair| {
        let frequency = plain(80)(pair);
        let wavelength = std::f64::consts::TAU / frequency;
        if wavelength < context / high {
            frequency
        } else if wavelength > context / low {
            frequency / factor
        } else {
            let smooth = (context / wavelength - low) / (high - low);
            (1.0 - smooth) * frequency / factor + smooth * frequency
        }
    });
}

/// In the words of the original: a ramp over pairs mixes what is interpolated with what is extrapolated.
#[test]
fn yarn_blends_by_the_place_of_the_pair() {
    let (factor, fast, slow, context) = (32.0, 32.0, 1.0, 4096.0);
    for rounded in [true, false] {
        let scaling = RotaryScaling::Yarn { factor, fast, slow, original_context: 4096, rounded };
        let dims = 80.0;
        let place = |turns: f64| {
            let wavelength = context / (turns * std::f64::consts::TAU);
            dims * wavelength.ln() / (2.0 * 10_000f64.ln())
        };
        let (low, high) = match rounded {
            true => (place(fast).floor(), place(slow).ceil()),
            false => (place(fast), place(slow)),
        };
        assert!(low > 0.0 && high < 39.0, "the ramp lies within the pairs");
        check(80, scaling, |pair| {
            let ramp = ((pair as f64 - low) / (high - low)).clamp(0.0, 1.0);
            plain(80)(pair) / factor * ramp + plain(80)(pair) * (1.0 - ramp)
        });
    }
}

#[test]
fn a_magnitude_scales_what_is_turned() {
    let plain = Rotary::new(64, 32, 10_000.0, RotaryScaling::None);
    let x = numbers(64, 3);
    let (mut turned, mut longer) = (x.clone(), x.clone());
    plain.rotate(&mut turned, 1, [77].into_iter());
    plain.with_magnitude(2.0).rotate(&mut longer, 1, [77].into_iter());
    let doubled: Vec<f32> = turned[..32].iter().map(|number| number * 2.0).collect();
    assert_eq!(bits(&longer[..32]), bits(&doubled));
    assert_eq!(bits(&longer[32..]), bits(&x[32..]), "what is not turned stays as it is");
}

#[test]
fn rows_turn_by_their_own_positions() {
    let rotary = Rotary::new(64, 64, 500_000.0, RotaryScaling::None);
    let x = numbers(5 * 128, 9);
    let positions = [100, 3, 101, 0, 4000];
    let mut together = x.clone();
    rotary.rotate(&mut together, 2, positions.into_iter());
    for ((x, turned), position) in x.chunks(128).zip(together.chunks(128)).zip(positions) {
        let mut alone = x.to_vec();
        rotary.rotate(&mut alone, 2, [position].into_iter());
        assert_eq!(bits(&alone), bits(turned));
    }
}
