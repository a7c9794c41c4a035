//! The predictors of a bundle: how much memory they will hold, and reading them one layer at a time.

mod blobs;
mod sparsity;

pub(crate) use sparsity::chosen;
pub use sparsity::{Sparsity, sparsities};

use crate::{EngineError, Mode, OpenModel};
use blobs::{with_blobs, wrong};
use flint_bundle::{Bundle, PredictorEntry};
use flint_model::Architecture;
use flint_predictor::{
    BLOB_HEADER, Cascade, CascadeGroup, LowRank, LowRankGroup, Predictor, QuantizedGate,
    QuantizedGateLayer, ThresholdLayer,
};

/// The predictors of a bundle, where it has them and `mode` wants them. Thresholds for `--sparsity` are
/// ignored unless a sparsity is asked for.
///
/// # Errors
/// When they cannot be read, or are of a kind that this version does not know, or `mode` is sparse and the bundle
/// can only leave out neurons that are not zero.
pub fn bundled_predictor(
    files: &OpenModel,
    mode: Option<Mode>,
) -> Result<Option<Box<dyn Predictor>>, EngineError> {
    let stored = files.records().and_then(Bundle::predictors);
    let Some(found) = stored.filter(|_| mode != Some(Mode::Exact)) else {
        return Ok(None);
    };
    if sparsity::has_thresholds(files) {
        if mode.is_none() {
            return Ok(None);
        }
        let stored = sparsity::sparsities(files)?.iter().map(|known| known.sparsity).collect();
        return Err(EngineError::SparsityNotGiven { stored });
    }
    with_blobs(files, |blobs| read_predictor(&found.kind, &files.architecture, blobs)).map(Some)
}

/// The first stage of a bundle's predictors alone, where they have stages: to measure what the second is worth.
///
/// # Errors
/// When they cannot be read.
pub fn bundled_first_stage(files: &OpenModel) -> Result<Option<Box<dyn Predictor>>, EngineError> {
    if files
        .records()
        .and_then(Bundle::predictors)
        .is_none_or(|found| found.kind != CascadeGroup::KIND)
    {
        return Ok(None);
    }
    let (width, neurons) = (files.architecture.hidden, files.architecture.most_neurons());
    let first =
        with_blobs(files, |blobs| Cascade::first_stage(width, neurons, blobs).map_err(wrong))?;
    Ok(Some(Box::new(first)))
}

/// Reads predictors as stored, one blob per layer.
///
/// # Errors
/// When a blob is malformed or the kind unknown.
pub fn read_predictor(
    kind: &str,
    architecture: &Architecture,
    blobs: impl IntoIterator<Item = Option<Vec<u8>>>,
) -> Result<Box<dyn Predictor>, EngineError> {
    let (width, neurons) = (architecture.hidden, architecture.most_neurons());
    if kind == LowRankGroup::KIND {
        return Ok(Box::new(LowRank::from_blobs(width, neurons, blobs).map_err(wrong)?));
    }
    if kind == QuantizedGateLayer::KIND {
        return Ok(Box::new(QuantizedGate::from_blobs(width, neurons, blobs).map_err(wrong)?));
    }
    if kind == CascadeGroup::KIND {
        return Ok(Box::new(Cascade::from_blobs(width, neurons, blobs).map_err(wrong)?));
    }
    Err(EngineError::UnknownPredictors { kind: kind.to_owned() })
}

/// Bytes that the predictors of a bundle will hold, by the manifest alone; none where they are not of a kind that a run has
/// without being asked.
pub(crate) fn stored_predictor_bytes(bundle: &Bundle) -> u64 {
    let Some(found) = bundle.predictors() else { return 0 };
    let headers = match found.kind.as_str() {
        LowRankGroup::KIND | QuantizedGateLayer::KIND => BLOB_HEADER,
        // Its own, and those of its stages.
        CascadeGroup::KIND => 3 * BLOB_HEADER,
        _ => return 0,
    };
    let held = |entry: &PredictorEntry| match entry {
        PredictorEntry::Dense => 0,
        PredictorEntry::Blob { extent, .. } => extent.len().saturating_sub(headers),
    };
    found.groups.iter().map(held).sum()
}
