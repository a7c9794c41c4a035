//! From one encoding of numbers to another, refusing what does not fit.

use super::ConvertError;
use flint_checkpoint::numbers;
use flint_geometry::DType;
use flint_kernels::{Compute, Isa, MatrixView, gather_rows};
use half::{bf16, f16};

/// Encodes `from` (numbers of type `source`) as `target` at the end of `into`.
///
/// # Errors
/// When a finite number becomes infinite.
pub(super) fn recode(
    name: &str,
    source: DType,
    from: &[u8],
    target: DType,
    into: &mut Vec<u8>,
) -> Result<(), ConvertError> {
    if source == target {
        into.extend_from_slice(from);
        return Ok(());
    }
    let fits = |value: f32, coded: f32| {
        if value.is_finite() && !coded.is_finite() {
            let name = name.to_owned();
            return Err(ConvertError::Overflow { name, value, element: target });
        }
        Ok(())
    };
    let widened: Box<dyn Iterator<Item = f32>> = match source.is_quantised() {
        true => Box::new(dequantised(source, from)?.into_iter()),
        false => numbers(source, from),
    };
    for value in widened {
        if source.is_quantised() && !value.is_finite() {
            return Err(ConvertError::NotFinite { name: name.to_owned(), value });
        }
        match target {
            DType::F16 => {
                let coded = f16::from_f32(value);
                fits(value, coded.to_f32())?;
                into.extend_from_slice(&coded.to_le_bytes());
            }
            DType::Bf16 => {
                let coded = bf16::from_f32(value);
                fits(value, coded.to_f32())?;
                into.extend_from_slice(&coded.to_le_bytes());
            }
            DType::F32 => into.extend_from_slice(&value.to_le_bytes()),
            quantised => unreachable!("nothing is recoded to {quantised}"),
        }
    }
    Ok(())
}

/// The numbers of some whole rows of blocks, exactly as their format defines them.
fn dequantised(source: DType, from: &[u8]) -> Result<Vec<f32>, ConvertError> {
    let count = from.len() / source.block_bytes() * source.block_len();
    let mut numbers = vec![0.0; count];
    let rows = MatrixView::new(source, 1, count, from)?;
    gather_rows(&Compute::new(Isa::best(), 1)?, rows, &[0], &mut numbers);
    Ok(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widening_is_exact_and_narrowing_refuses_overflow() {
        let mut wide = Vec::new();
        let one = f16::from_f32(1.5).to_le_bytes();
        recode("t", DType::F16, &one, DType::F32, &mut wide).unwrap();
        assert_eq!(wide, 1.5f32.to_le_bytes());

        let large = 1e6f32.to_le_bytes();
        let narrowed = recode("t", DType::F32, &large, DType::F16, &mut Vec::new());
        assert!(matches!(narrowed, Err(ConvertError::Overflow { value, .. }) if value == 1e6));
        recode("t", DType::F32, &large, DType::Bf16, &mut Vec::new()).unwrap();
    }
}
