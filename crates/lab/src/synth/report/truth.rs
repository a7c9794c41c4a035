//! Which neurons were truly active: every row of a layer, read from the bundle, times the states of the run.

use super::super::states::InMemory;
use anyhow::Context;
use flint_engine::OpenModel;
use flint_geometry::UnitSet;
use flint_kernels::{Compute, MatrixView};
use flint_predictor::{Activity, GateRows};
use std::fs::File;
use std::os::unix::fs::FileExt;

/// Neurons whose records are read at a time.
const PIECE: usize = 1024;

/// The neurons of a layer that each of the `states`, tokens x width, makes active.
///
/// # Errors
/// When the bundle cannot be read.
pub(super) fn active(
    files: &OpenModel,
    layer: usize,
    states: &[f32],
    compute: &Compute,
) -> anyhow::Result<Vec<UnitSet>> {
    let layout = files.bundle()?.shape().record;
    let architecture = files.architecture();
    let neurons = architecture.neurons(layer);
    let rows = deciding_rows(files, layer)?;
    let view = MatrixView::new(layout.element(), neurons, layout.width(), &rows)?;
    let bias = bias(files, layer)?;
    let activation = architecture.feed_forward.activation;
    let deciding = GateRows::new(view, bias.as_deref(), activation);
    let mut states = InMemory { width: layout.width(), numbers: states };
    let tokens = states.numbers.len() / layout.width();
    let activity = Activity::observe(compute, &deciding, &mut states)?;
    let of =
        |token| (0..neurons as u32).filter(|&n| activity.is_active(token, n as usize)).collect();
    Ok((0..tokens).map(|token| UnitSet::from_unsorted(of(token))).collect())
}

/// The gate rows, or else the up rows, one after the other.
fn deciding_rows(files: &OpenModel, layer: usize) -> anyhow::Result<Vec<u8>> {
    let (bundle, layout) = (files.bundle()?, files.bundle()?.shape().record);
    let row = layout.gate().unwrap_or(layout.up());
    let path = bundle.neurons_path();
    let fail = || format!("cannot read {}", path.display());
    let file = File::open(&path).with_context(fail)?;
    let extent = bundle.groups()[layer].extent();
    let stride = layout.stride() as usize;
    let mut piece = vec![0; PIECE * stride];
    let mut rows = Vec::with_capacity(extent.len() as usize / stride * row.len());
    let end = extent.offset() + extent.len();
    for offset in (extent.offset()..end).step_by(piece.len()) {
        let piece = &mut piece[..((end - offset) as usize).min(PIECE * stride)];
        file.read_exact_at(piece, offset).with_context(fail)?;
        rows.extend(piece.chunks_exact(stride).flat_map(|record| &record[row.clone()]));
    }
    Ok(rows)
}

fn bias(files: &OpenModel, layer: usize) -> anyhow::Result<Option<Vec<f32>>> {
    let (bundle, layer) = (files.bundle()?, layer as u32);
    let gated = bundle.shape().record.is_gated();
    let entry = if gated { bundle.gate_bias(layer) } else { bundle.up_bias(layer) };
    let Some(entry) = entry else { return Ok(None) };
    let mut bytes = vec![0; entry.extent.len() as usize];
    bundle.read_tensor_into(entry, &mut bytes)?;
    Ok(Some(bytes.as_chunks::<4>().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect()))
}
