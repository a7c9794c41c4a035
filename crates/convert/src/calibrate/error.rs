//! What can go wrong while predictors are made.

use flint_bundle::BundleError;
use flint_dram_cache::CacheError;
use flint_engine::EngineError;
use flint_kernels::KernelError;
use flint_model::ModelError;
use flint_predictor::PredictorError;
use std::io;
use std::path::PathBuf;

/// Why predictors cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CalibrateError {
    /// The model cannot be opened or run.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// Thresholds that cannot be chosen, because perplexity has no value with or without them.
    #[error(
        "perplexity is {perplexity} with this text: thresholds need one that the model can foresee"
    )]
    NoPerplexity {
        /// What was measured.
        perplexity: f64,
    },
    /// Predictors for a model whose activations are never zero.
    #[error(
        "the activation {activation} is never zero, so there is nothing to predict: the model runs in exact mode"
    )]
    NothingToPredict {
        /// The activation.
        activation: String,
    },
    /// The work directory of a calibration cannot be used.
    #[error("{}: {cause}", path.display())]
    Work {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// Somebody else makes predictors for the same bundle.
    #[error(
        "{}: another process makes predictors for this bundle: wait for it to end", path.display()
    )]
    WorkBusy {
        /// The work directory.
        path: PathBuf,
    },
    /// A bundle that was converted anew while predictors were made for it.
    #[error(
        "{} was replaced while its predictors were made: make them again with `flint convert --predictors-only`",
        path.display()
    )]
    BundleReplaced {
        /// The bundle.
        path: PathBuf,
    },
}

impl CalibrateError {
    /// 2 when the request or its input is wrong, 1 when something failed while running.
    pub fn exit_status(&self) -> u8 {
        match self {
            CalibrateError::Engine(error) => error.exit_status(),
            CalibrateError::Work { .. } => 1,
            _ => 2,
        }
    }
}

/// Errors of the crates below travel as those of the engine.
macro_rules! through_engine {
    ($($error:ty),*) => {$(
        impl From<$error> for CalibrateError {
            fn from(error: $error) -> CalibrateError {
                CalibrateError::Engine(error.into())
            }
        }
    )*};
}

through_engine!(BundleError, CacheError, KernelError, ModelError, PredictorError);
