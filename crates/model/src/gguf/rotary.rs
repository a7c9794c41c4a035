//! How a GGUF file stretches the angles of rotary positions: by metadata, or by tensors of factors.

use super::Metadata;
use super::values::{required, wrong};
use crate::config::rope::yarn_magnitude;
use crate::{LongFactors, ModelError, RotaryPositions, RotaryScaling};

/// `plain` with what the file says of stretching.
pub(super) fn stretched(
    metadata: &dyn Metadata,
    plain: RotaryPositions,
) -> Result<RotaryPositions, ModelError> {
    let mut positions = plain;
    scaling(metadata, &mut positions)?;
    let pairs = positions.dims / 2;
    positions.factors = factors(metadata, "rope_freqs.weight", pairs)?.unwrap_or_default();
    let short = factors(metadata, "rope_factors_short.weight", pairs)?;
    let long = factors(metadata, "rope_factors_long.weight", pairs)?;
    match (short, long) {
        (None, None) => {}
        (Some(short), Some(long)) => {
            let original_context = required(metadata, "rope.scaling.original_context_length")?;
            positions.factors = short;
            positions.long = Some(LongFactors { original_context, factors: long });
            positions.magnitude = metadata.real("rope.scaling.attn_factor")?;
        }
        _ => return Err(wrong("rope_factors_short.weight", "short factors and long ones")),
    }
    Ok(positions)
}

fn scaling(metadata: &dyn Metadata, positions: &mut RotaryPositions) -> Result<(), ModelError> {
    const KIND: &str = "rope.scaling.type";
    let factor = metadata.real("rope.scaling.factor")?;
    let factor = factor.or(metadata.real("rope.scale_linear")?).unwrap_or(1.0);
    match metadata.text(KIND)?.as_deref() {
        None | Some("none") if factor == 1.0 => {}
        None | Some("linear") => positions.scale = RotaryScaling::Linear { factor },
        Some("yarn") => {
            let or =
                |key: &str, default| Ok::<_, ModelError>(metadata.real(key)?.unwrap_or(default));
            positions.scale = RotaryScaling::Yarn {
                factor,
                fast: or("rope.scaling.yarn_beta_fast", 32.0)?,
                slow: or("rope.scaling.yarn_beta_slow", 1.0)?,
                original_context: required(metadata, "rope.scaling.original_context_length")?,
                rounded: true,
            };
            let weight = or("rope.scaling.attn_factor", 1.0)?;
            positions.magnitude = Some(weight * yarn_magnitude(factor, 1.0));
        }
        // The factors are in tensors.
        Some("longrope") => {}
        Some(_) => return Err(wrong(KIND, "none, linear, yarn or longrope")),
    }
    Ok(())
}

/// One factor above zero for each pair, where the file has the tensor.
fn factors(
    metadata: &dyn Metadata,
    tensor: &str,
    pairs: usize,
) -> Result<Option<Vec<f32>>, ModelError> {
    let Some(factors) = metadata.vector(tensor)? else { return Ok(None) };
    let positive = |&factor: &f32| factor.is_finite() && factor > 0.0;
    if factors.len() != pairs || !factors.iter().all(positive) {
        return Err(wrong(tensor, "one factor above zero for each pair"));
    }
    Ok(Some(factors))
}
