//! The dense tensors: copied in pieces, so that no tensor need fit in memory.

use super::recode::recode;
use super::{Conversion, ConvertError, Origin, Written};
use flint_bundle::BundleWriter;
use flint_checkpoint::Picked;
use flint_geometry::DType;
use flint_model::{Architecture, TensorSpec};

/// Bytes that are read at a time.
const PIECE: usize = 8 << 20;

/// Checks that every dense tensor is there; returns their bytes as they will be stored.
pub(super) fn check(
    origin: &Origin,
    architecture: &Architecture,
    asked: Option<DType>,
) -> Result<u64, ConvertError> {
    let mut bytes = 0;
    for spec in architecture.dense_tensors() {
        let picked = origin.pick(architecture, spec.role, &spec.dims)?;
        let numbers = spec.dims.iter().map(|&dim| dim as u64).product();
        let dtype = stored(origin, &spec, &picked, asked);
        if dtype.is_quantised() {
            let name = picked.name().to_owned();
            return Err(ConvertError::Quantised { name, dtype });
        }
        bytes += dtype.row_bytes(numbers).unwrap_or(u64::MAX);
    }
    Ok(bytes)
}

/// The data type that a tensor is stored in. GGUF files keep vectors in f32 beside matrices of fewer bits, and so do
/// the bundles made from them.
fn stored(origin: &Origin, spec: &TensorSpec, picked: &Picked<'_>, asked: Option<DType>) -> DType {
    let is_kept = matches!(origin, Origin::Gguf(_)) && spec.dims.len() == 1;
    asked.filter(|_| !is_kept).unwrap_or(picked.element())
}

/// Writes every dense tensor.
pub(super) fn write(
    conversion: &Conversion,
    writer: &mut BundleWriter,
    written: Written<'_>,
) -> Result<(), ConvertError> {
    let Conversion { origin, architecture, .. } = conversion;
    let (mut raw, mut coded) = (Vec::new(), Vec::new());
    for spec in architecture.dense_tensors() {
        let picked = origin.pick(architecture, spec.role, &spec.dims)?;
        let element = stored(origin, &spec, &picked, conversion.asked);
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
