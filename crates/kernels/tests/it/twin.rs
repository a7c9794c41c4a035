//! What the tests share: made-up numbers, every way to compute, and the slow f64 sums.

use flint_kernels::{Compute, DType, Isa};
use half::{bf16, f16};
use std::sync::OnceLock;

pub(crate) const ELEMENTS: [DType; 3] = [DType::F16, DType::Bf16, DType::F32];

/// The reference: scalar, one thread.
pub(crate) fn scalar() -> &'static Compute {
    &every()[0]
}

/// Every instruction set of this CPU with 1, 2 and 3 threads; the reference first.
pub(crate) fn every() -> &'static [Compute] {
    static EVERY: OnceLock<Vec<Compute>> = OnceLock::new();
    EVERY.get_or_init(|| {
        let pairs = Isa::available().into_iter().flat_map(|isa| [1, 2, 3].map(|n| (isa, n)));
        pairs.map(|(isa, threads)| Compute::new(isa, threads).unwrap()).collect()
    })
}

/// Numbers between -1 and 1 that look random and are the same on every run.
pub(crate) fn numbers(count: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let step = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    std::iter::repeat_with(step).take(count).collect()
}

/// Any bytes, the same on every run.
pub(crate) fn bytes(count: usize, seed: u64) -> Vec<u8> {
    numbers(count, seed).into_iter().map(|number| (number * 8192.0) as i32 as u8).collect()
}

/// `numbers`, stored as weights.
pub(crate) fn encode(element: DType, numbers: &[f32]) -> Vec<u8> {
    numbers
        .iter()
        .flat_map(|&number| match element {
            DType::F16 => f16::from_f32(number).to_le_bytes().to_vec(),
            DType::Bf16 => bf16::from_f32(number).to_le_bytes().to_vec(),
            DType::F32 => number.to_le_bytes().to_vec(),
            quantised => unreachable!("{quantised}"),
        })
        .collect()
}

/// What stored weights mean.
pub(crate) fn decode(element: DType, bytes: &[u8]) -> Vec<f32> {
    match element {
        DType::F16 => bytes
            .chunks(2)
            .map(|pair| f16::from_le_bytes(pair.try_into().unwrap()).to_f32())
            .collect(),
        DType::Bf16 => bytes
            .chunks(2)
            .map(|pair| bf16::from_le_bytes(pair.try_into().unwrap()).to_f32())
            .collect(),
        DType::F32 => {
            bytes.chunks(4).map(|quad| f32::from_le_bytes(quad.try_into().unwrap())).collect()
        }
        quantised => unreachable!("{quantised}"),
    }
}

/// The dot product in f64.
pub(crate) fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum()
}

/// The dot product as the contract words it: sixteen lanes, zeros behind the end, halving.
pub(crate) fn contract_dot(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0.0f32; 16];
    for (a, b) in a.chunks(16).zip(b.chunks(16)) {
        for (lane, sum) in lanes.iter_mut().enumerate() {
            let at = |x: &[f32]| x.get(lane).copied().unwrap_or(0.0);
            *sum = at(a).mul_add(at(b), *sum);
        }
    }
    let eight: Vec<f32> = (0..8).map(|i| lanes[i] + lanes[i + 8]).collect();
    let four: Vec<f32> = (0..4).map(|i| eight[i] + eight[i + 4]).collect();
    (four[0] + four[2]) + (four[1] + four[3])
}

/// The bits of numbers, for comparisons that must not take -0 for 0.
pub(crate) fn bits(numbers: &[f32]) -> Vec<u32> {
    numbers.iter().map(|number| number.to_bits()).collect()
}

/// Asserts that numbers are within `tolerance` of what they should be.
#[track_caller]
pub(crate) fn assert_close(got: &[f32], want: &[f64], tolerance: f64) {
    assert_eq!(got.len(), want.len());
    for (index, (&got, &want)) in got.iter().zip(want).enumerate() {
        let off = (f64::from(got) - want).abs();
        assert!(off <= tolerance, "number {index} is {got}, not {want}");
    }
}
