//! Numbers as a store keeps them, in little-endian bytes.

use crate::KvElement;
use half::f16;

/// Writes `numbers` to `place`; gives the first that is not finite as stored.
pub(super) fn write(element: KvElement, numbers: &[f32], place: &mut [u8]) -> Option<f32> {
    // One test for all: a branch per number would keep the loop from being vectorised.
    let mut finite = true;
    match element {
        KvElement::F32 => {
            for (place, number) in place.chunks_exact_mut(4).zip(numbers) {
                finite &= number.is_finite();
                place.copy_from_slice(&number.to_le_bytes());
            }
        }
        KvElement::F16 => {
            for (place, number) in place.chunks_exact_mut(2).zip(numbers) {
                let rounded = f16::from_f32(*number);
                finite &= rounded.is_finite();
                place.copy_from_slice(&rounded.to_le_bytes());
            }
        }
    }
    if finite {
        return None;
    }
    numbers.iter().copied().find(|&number| match element {
        KvElement::F32 => !number.is_finite(),
        KvElement::F16 => !f16::from_f32(number).is_finite(),
    })
}
