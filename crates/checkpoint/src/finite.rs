//! Numbers as stored, and whether all of them are finite.

use flint_geometry::DType;
use half::{bf16, f16};

/// The numbers in `bytes`, widened exactly.
pub fn numbers(element: DType, bytes: &[u8]) -> Box<dyn Iterator<Item = f32> + '_> {
    let pairs = || bytes.as_chunks::<2>().0.iter();
    match element {
        DType::F16 => Box::new(pairs().map(|&pair| f16::from_le_bytes(pair).to_f32())),
        DType::Bf16 => Box::new(pairs().map(|&pair| bf16::from_le_bytes(pair).to_f32())),
        DType::F32 => {
            Box::new(bytes.as_chunks::<4>().0.iter().map(|&four| f32::from_le_bytes(four)))
        }
        quantised => unreachable!("no checkpoint gives {quantised}"),
    }
}

/// The first number in `bytes` that is infinite or none, with its place. At the speed of memory: a piece is
/// looked through for the exponent that only such numbers have, and only then number by number.
pub(crate) fn not_finite(element: DType, bytes: &[u8]) -> Option<(usize, f32)> {
    // Without branches inside a piece, so that the compiler uses vectors.
    const PIECE: usize = 4096;
    let found = match element {
        DType::F16 => any_in_pieces(bytes.as_chunks().0, PIECE, |half| {
            u16::from_le_bytes(half) & 0x7c00 == 0x7c00
        }),
        DType::Bf16 => any_in_pieces(bytes.as_chunks().0, PIECE, |half| {
            u16::from_le_bytes(half) & 0x7f80 == 0x7f80
        }),
        DType::F32 => any_in_pieces(bytes.as_chunks().0, PIECE, |whole| {
            u32::from_le_bytes(whole) & 0x7f80_0000 == 0x7f80_0000
        }),
        quantised => unreachable!("no checkpoint gives {quantised}"),
    };
    found.and_then(|at| {
        let each = element.block_bytes();
        Some((at, numbers(element, &bytes[at * each..(at + 1) * each]).next()?))
    })
}

/// The place of the first of `numbers` that `is` is true of.
fn any_in_pieces<const N: usize>(
    numbers: &[[u8; N]],
    piece: usize,
    is: impl Fn([u8; N]) -> bool,
) -> Option<usize> {
    let pieces = numbers.chunks(piece).zip((0..).step_by(piece));
    pieces
        .filter(|(piece, _)| piece.iter().fold(false, |any, &number| any | is(number)))
        .find_map(|(piece, first)| piece.iter().position(|&number| is(number)).map(|at| first + at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_number_that_is_not_finite_is_found_in_every_encoding() {
        for (at, value) in [(0, f32::NAN), (4095, f32::INFINITY), (9000, f32::NEG_INFINITY)] {
            let mut numbers = vec![1.0f32; 9001];
            // The largest finite numbers are no such numbers.
            numbers[1] = 65504.0;
            numbers[at] = value;
            numbers[9000] = value;
            let halves = numbers.iter().flat_map(|&n| f16::from_f32(n).to_le_bytes());
            let shorts = numbers.iter().flat_map(|&n| bf16::from_f32(n).to_le_bytes());
            let wholes = numbers.iter().flat_map(|n| n.to_le_bytes());
            for (element, bytes) in [
                (DType::F16, halves.collect::<Vec<u8>>()),
                (DType::Bf16, shorts.collect()),
                (DType::F32, wholes.collect()),
            ] {
                let (found, number) = not_finite(element, &bytes).unwrap();
                assert_eq!((found, number.to_bits()), (at, value.to_bits()), "{element}");
            }
        }
        let largest = [f16::MAX, f16::MIN, f16::from_f32(0.0)].map(f16::to_le_bytes).concat();
        assert_eq!(not_finite(DType::F16, &largest), None);
        assert_eq!(not_finite(DType::F32, &f32::MAX.to_le_bytes()), None);
        assert_eq!(not_finite(DType::Bf16, &[]), None);
    }
}
