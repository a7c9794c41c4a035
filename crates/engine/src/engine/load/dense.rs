//! Loading dense weights: those that stay are read and checked, the others get their readers.

use super::super::open_reader;
use super::Loaded;
use crate::dense::{DenseWeights, MatrixStream, RowReader, Table};
use crate::plan::DensePlan;
use crate::{EngineError, ModelFiles, RunOptions};
use flint_bundle::{Bundle, TensorEntry};
use flint_iobuf::Lease;
use flint_kernels::Compute;
use flint_model::{InMemoryWeights, ModelError, Role};
use std::collections::HashMap;

/// Loads the dense weights as planned.
pub(super) fn load(
    files: &ModelFiles,
    options: &RunOptions,
    compute: &Compute,
    plan: &DensePlan,
    loaded: &mut Loaded<'_>,
) -> Result<DenseWeights, EngineError> {
    let bundle = &files.bundle;
    let mut held = InMemoryWeights::new(compute.clone());
    let mut tables = HashMap::new();
    for spec in files.architecture.dense_tensors() {
        let entry = find(bundle, spec.role)?;
        let dims: Vec<usize> = entry.dims.iter().map(|&dim| dim as usize).collect();
        if dims != spec.dims {
            let (tensor, expected) = (entry.name.clone(), spec.dims);
            return Err(ModelError::Misshapen { tensor, expected, got: dims }.into());
        }
        if plan.by_row.contains(&spec.role) {
            tables.insert(spec.role, Table::check(bundle, entry)?);
        } else if !plan.streams(spec.role) {
            let bytes = entry.extent.len() as usize;
            let mut lease = Lease::alone(bytes)?;
            bundle.read_tensor_into(entry, &mut lease[..bytes])?;
            held.insert(spec.role, entry.element, &dims, lease)?;
            loaded.add(entry.extent.len());
        }
    }
    let reader = || open_reader(&bundle.dense_path(), options);
    let mut streams = Vec::new();
    for stream in [&plan.body, &plan.head].into_iter().filter(|plan| !plan.matrices.is_empty()) {
        let (compute, verify) = (compute.clone(), options.verify_reads);
        streams.push(MatrixStream::new(bundle, stream, compute, reader()?, verify)?);
    }
    let mut rows = None;
    if !tables.is_empty() {
        let (compute, verify) = (compute.clone(), options.verify_reads);
        rows = Some(RowReader::new(tables, plan.rows, compute, reader()?, verify)?);
    }
    Ok(DenseWeights::new(held, streams, rows))
}

fn find(bundle: &Bundle, role: Role) -> Result<&TensorEntry, EngineError> {
    let name = role.to_string();
    bundle.tensor(&name).ok_or_else(|| ModelError::MissingTensor { tensor: name }.into())
}
