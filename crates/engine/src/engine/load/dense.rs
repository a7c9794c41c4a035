//! Loading dense weights: those that stay are read and checked, the others get what reads them.

use super::Loaded;
use super::resident::ResidentLoader;
use crate::dense::{DenseWeights, MatrixStream, RowReader, Table};
use crate::plan::DensePlan;
use crate::reads::Reads;
use crate::{EngineError, OpenModel, RunOptions};
use flint_kernels::Compute;
use flint_model::InMemoryWeights;
use std::collections::HashMap;

/// Loads the dense weights as planned.
pub(super) fn load(
    files: &OpenModel,
    options: &RunOptions,
    compute: &Compute,
    plan: &DensePlan,
    reads: &Reads,
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
    let (mut resident, mut wanted) = (Vec::new(), Vec::new());
    for spec in specs {
        let tensor = tensors.find(spec.role)?;
        if plan.by_row.contains(&spec.role) {
            tables.insert(spec.role, Table::check(tensors, tensor, reads.client())?);
        } else if !plan.streams(spec.role) {
            resident.push(spec);
            wanted.push(tensor);
        }
    }
    let mut loader = ResidentLoader { tensors, compute, reads: reads.client() };
    loader.read(&wanted, &mut |index, bytes| {
        let (spec, tensor) = (&resident[index], wanted[index]);
        held.insert(spec.role, tensor.dtype, &spec.dims, bytes)?;
        loaded.add(tensor.bytes());
        Ok(())
    })?;
    let arithmetic = options.arithmetic.unwrap_or_default();
    let mut streams = Vec::new();
    for stream in [&plan.body, &plan.head].into_iter().filter(|plan| !plan.matrices.is_empty()) {
        let (compute, verify) = (compute.clone(), options.verify_reads);
        let stream = MatrixStream::new(tensors, stream, compute, reads.client(), verify)?;
        streams.push(stream.with_arithmetic(arithmetic));
    }
    let mut rows = None;
    if !tables.is_empty() {
        let (compute, verify) = (compute.clone(), options.verify_reads);
        rows = Some(RowReader::new(tables, plan.rows, compute, reads.client(), verify)?);
    }
    Ok(DenseWeights::new(held, streams, rows))
}
