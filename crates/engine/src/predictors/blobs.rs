//! Stored predictors, one blob per layer.

use crate::{EngineError, OpenModel};
use flint_predictor::PredictorError;

/// Gives `read` the blobs of all layers, one at a time: together they may be a good part of the memory there is.
pub(super) fn with_blobs<T>(
    files: &OpenModel,
    read: impl FnOnce(&mut dyn Iterator<Item = Option<Vec<u8>>>) -> Result<T, EngineError>,
) -> Result<T, EngineError> {
    let mut failure = None;
    let bundle = files.bundle()?;
    let blobs = (0..bundle.shape().layers).map(|group| bundle.read_predictor(group));
    let mut blobs = blobs.map_while(|blob| blob.map_err(|error| failure = Some(error)).ok());
    let read = read(&mut blobs);
    drop(blobs);
    match failure {
        Some(error) => Err(error.into()),
        None => read,
    }
}

/// A predictor's fault as an error of a run.
pub(super) fn wrong(error: PredictorError) -> EngineError {
    EngineError::WrongPredictors { cause: error.to_string() }
}
