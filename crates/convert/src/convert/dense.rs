//! The dense tensors: copied in pieces, so that no tensor need fit in memory.

use super::recode::recode;
use super::{Checkpoint, Conversion, ConvertError, Written, pick};
use flint_bundle::BundleWriter;
use flint_geometry::DType;
use flint_model::{Architecture, Family};

/// Bytes that are read at a time.
const PIECE: usize = 8 << 20;

/// Checks that every dense tensor is there; returns their bytes as they will be stored.
pub(super) fn check(
    checkpoint: &Checkpoint,
    family: &dyn Family,
    architecture: &Architecture,
    asked: Option<DType>,
) -> Result<u64, ConvertError> {
    let mut bytes = 0;
    for spec in architecture.dense_tensors() {
        let picked = pick(checkpoint, &family.dense(architecture, spec.role), &spec.dims)?;
        let numbers = spec.dims.iter().map(|&dim| dim as u64).product();
        bytes += asked.unwrap_or(picked.element()).row_bytes(numbers).unwrap_or(u64::MAX);
    }
    Ok(bytes)
}

/// Writes every dense tensor.
pub(super) fn write(
    conversion: &Conversion,
    writer: &mut BundleWriter,
    written: Written<'_>,
) -> Result<(), ConvertError> {
    let Conversion { checkpoint, family, architecture, .. } = conversion;
    let (mut raw, mut coded) = (Vec::new(), Vec::new());
    for spec in architecture.dense_tensors() {
        let picked = pick(checkpoint, &family.dense(architecture, spec.role), &spec.dims)?;
        let element = conversion.asked.unwrap_or(picked.element());
        let dims: Vec<u64> = spec.dims.iter().map(|&dim| dim as u64).collect();
        writer.begin_tensor(&spec.role.to_string(), element, &dims)?;
        let step = (PIECE / picked.row_bytes().max(1)).max(1);
        for first in (0..picked.rows()).step_by(step) {
            picked.read(first..picked.rows().min(first + step), &mut raw)?;
            coded.clear();
            recode(picked.name(), picked.element(), &raw, element, &mut coded)?;
            writer.append_tensor(&coded)?;
            written(writer)?;
        }
        writer.finish_tensor()?;
    }
    Ok(())
}
