//! Own exp, tanh and erf: the system's differ from machine to machine, and greedy output must not.
//!
//! Each is a fixed sequence of IEEE operations without branches (both sides are computed and one
//! chosen), so that the compiler may run many at once and every path gives the same bits. The
//! polynomials interpolate at Chebyshev nodes; the error bounds are those that the tests hold.

/// Added and subtracted, it rounds a small number to an integer, which its low bits then spell.
const ROUND: f32 = 12_582_912.0;

/// ln 2 in two parts: the first has zeros at its end, so that small multiples of it are exact.
const LN_2_HIGH: f32 = 0.693_145_75;
const LN_2_LOW: f32 = 1.428_606_8e-6;

/// e to the power of `x`, within 1 ulp; 0 below about -104, infinite above about 88.7.
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    let x = if x > 89.0 { 89.0 } else { x };
    let x = if x < -104.0 { -104.0 } else { x };
    let shifted = x.mul_add(std::f32::consts::LOG2_E, ROUND);
    let n = shifted - ROUND;
    let r = n.mul_add(-LN_2_LOW, n.mul_add(-LN_2_HIGH, x));
    let q = polynomial(
        r,
        [0.5, 0.166_666_67, 0.041_666_463, 0.008_333_31, 0.001_393_388_1, 0.000_198_912_47],
    );
    let power = (r * r).mul_add(q, r) + 1.0;
    // In two factors: 2^n itself may be no f32 although the result is one.
    let n = shifted.to_bits().wrapping_sub(ROUND.to_bits()) as i32;
    power * power_of_two(n >> 1) * power_of_two(n - (n >> 1))
}

/// The hyperbolic tangent of `x`, within 3 ulp.
#[inline(always)]
pub fn tanh(x: f32) -> f32 {
    let size = x.abs();
    let t = size * size;
    let p =
        polynomial(t, [-0.333_333_28, 0.133_327_36, -0.053_845_823, 0.020_973_234, -0.006_062_148]);
    let near = (size * t).mul_add(p, size);
    let far = 1.0 - 2.0 / (exp(2.0 * size) + 1.0);
    (if size < 0.62 { near } else { far }).copysign(x)
}

/// The error function of `x`, within 3 ulp.
#[inline(always)]
pub fn erf(x: f32) -> f32 {
    // From 4 on erf rounds to 1.
    let size = if x.abs() > 4.0 { 4.0 } else { x.abs() };
    let p = polynomial(
        size * size,
        [
            0.128_379_17,
            -0.376_126_35,
            0.112_836_91,
            -0.026_859_151,
            0.005_200_369,
            -0.000_813_470_9,
            8.334_718_6e-5,
        ],
    );
    let near = size.mul_add(p, size);
    // The logarithm of 1 - erf is nearly a parabola.
    let log = polynomial(
        size,
        [
            0.000_311_111_5,
            -1.130_199_9,
            -0.631_879_27,
            -0.110_032_73,
            0.026_395_22,
            -0.004_750_649_4,
            0.000_594_902_26,
            -4.583_001_3e-5,
            1.625_382_2e-6,
        ],
    );
    let far = 1.0 - exp(log);
    (if size < 0.92 { near } else { far }).copysign(x)
}

/// The polynomial with these coefficients, lowest first, by Horner's rule.
#[inline(always)]
fn polynomial<const N: usize>(x: f32, coefficients: [f32; N]) -> f32 {
    coefficients.into_iter().rev().fold(0.0, |sum, coefficient| sum.mul_add(x, coefficient))
}

/// Two to the power of `n`, for `n` from -126 to 127.
#[inline(always)]
fn power_of_two(n: i32) -> f32 {
    f32::from_bits((n.wrapping_add(127) as u32) << 23)
}

/// Presses each number into `-cap..cap`: `cap * tanh(x / cap)`.
#[inline(always)]
pub fn soft_cap(values: &mut [f32], cap: f32) {
    for value in values {
        *value = cap * tanh(*value / cap);
    }
}
