//! Loading dense weights: those that stay are read and checked, the others get their readers.

use super::super::open_reader;
use super::Loaded;
use crate::dense::{DenseWeights, MatrixStream, RowReader, Table};
use crate::plan::DensePlan;
use crate::{EngineError, ModelFiles, RunOptions};
use flint_iobuf::Lease;
use flint_kernels::Compute;
use flint_model::InMemoryWeights;
use std::collections::HashMap;

/// Loads the dense weights as planned.
pub(super) fn load(
    files: &ModelFiles,
    options: &RunOptions,
    compute: &Compute,
    plan: &DensePlan,
    loaded: &mut Loaded<'_>,
) -> Result<DenseWeights, EngineError> {
    let tensors = &files.tensors;
    let mut held = InMemoryWeights::new(compute.clone())
        .with_arithmetic(options.arithmetic.unwrap_or_default());
    let mut tables = HashMap::new();
    let specs = match files.records() {
        Some(_) => files.architecture.dense_tensors(),
        None => files.architecture.all_tensors(),
    };
    for spec in specs {
        let tensor = tensors.find(spec.role)?;
        if plan.by_row.contains(&spec.role) {
            tables.insert(spec.role, Table::check(tensors, tensor)?);
        } else if !plan.streams(spec.role) {
            let bytes = tensor.bytes() as usize;
            let mut lease = Lease::alone(bytes)?;
            tensors.read_into(tensor, &mut lease[..bytes])?;
            held.insert(spec.role, tensor.dtype, &spec.dims, lease)?;
            loaded.add(tensor.bytes());
        }
    }
    let reader = || open_reader(&tensors.files, options);
    let mut streams = Vec::new();
    for stream in [&plan.body, &plan.head].into_iter().filter(|plan| !plan.matrices.is_empty()) {
        let (compute, verify) = (compute.clone(), options.verify_reads);
        streams.push(
            MatrixStream::new(tensors, stream, compute, reader()?, verify)?
                .with_arithmetic(options.arithmetic.unwrap_or_default()),
        );
    }
    let mut rows = None;
    if !tables.is_empty() {
        let (compute, verify) = (compute.clone(), options.verify_reads);
        rows = Some(RowReader::new(tables, plan.rows, compute, reader()?, verify)?);
    }
    Ok(DenseWeights::new(held, streams, rows))
}
