//! From one encoding of numbers to another, refusing what does not fit.

use super::CheckpointError;
use flint_geometry::ElementType;
use half::{bf16, f16};

/// Encodes `from` (numbers of type `source`) as `target` at the end of `into`.
///
/// # Errors
/// When a finite number becomes infinite.
pub(super) fn recode(
    name: &str,
    source: ElementType,
    from: &[u8],
    target: ElementType,
    into: &mut Vec<u8>,
) -> Result<(), CheckpointError> {
    if source == target {
        into.extend_from_slice(from);
        return Ok(());
    }
    let fits = |value: f32, coded: f32| {
        if value.is_finite() && !coded.is_finite() {
            let name = name.to_owned();
            return Err(CheckpointError::Overflow { name, value, element: target });
        }
        Ok(())
    };
    for value in numbers(source, from) {
        match target {
            ElementType::F16 => {
                let coded = f16::from_f32(value);
                fits(value, coded.to_f32())?;
                into.extend_from_slice(&coded.to_le_bytes());
            }
            ElementType::Bf16 => {
                let coded = bf16::from_f32(value);
                fits(value, coded.to_f32())?;
                into.extend_from_slice(&coded.to_le_bytes());
            }
            ElementType::F32 => into.extend_from_slice(&value.to_le_bytes()),
        }
    }
    Ok(())
}

/// The numbers in `bytes`, widened exactly.
pub(super) fn numbers(element: ElementType, bytes: &[u8]) -> Box<dyn Iterator<Item = f32> + '_> {
    let pairs = || bytes.as_chunks::<2>().0.iter();
    match element {
        ElementType::F16 => Box::new(pairs().map(|&pair| f16::from_le_bytes(pair).to_f32())),
        ElementType::Bf16 => Box::new(pairs().map(|&pair| bf16::from_le_bytes(pair).to_f32())),
        ElementType::F32 => {
            Box::new(bytes.as_chunks::<4>().0.iter().map(|&four| f32::from_le_bytes(four)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widening_is_exact_and_narrowing_refuses_overflow() {
        let mut wide = Vec::new();
        let one = f16::from_f32(1.5).to_le_bytes();
        recode("t", ElementType::F16, &one, ElementType::F32, &mut wide).unwrap();
        assert_eq!(wide, 1.5f32.to_le_bytes());

        let large = 1e6f32.to_le_bytes();
        let narrowed = recode("t", ElementType::F32, &large, ElementType::F16, &mut Vec::new());
        assert!(matches!(narrowed, Err(CheckpointError::Overflow { value, .. }) if value == 1e6));
        recode("t", ElementType::F32, &large, ElementType::Bf16, &mut Vec::new()).unwrap();
    }
}
