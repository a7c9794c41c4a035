//! What can be wrong with a model description, its weights, or a forward pass.

use flint_kernels::{KernelError, SeqId};

/// Why a model cannot be described or run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// A description is not a JSON object.
    #[error("{file} is not a JSON object: {cause}")]
    NotJson {
        /// The file, or what else it is.
        file: &'static str,
        /// What the parser said.
        cause: String,
    },
    /// A setting that the family needs is absent.
    #[error("{file} has no '{key}'")]
    Missing {
        /// The file that should have it.
        file: &'static str,
        /// Name of the setting.
        key: String,
    },
    /// A setting has a value that cannot be used.
    #[error("{file}: '{key}' is {got}, expected {expected}")]
    BadValue {
        /// The file it is in.
        file: &'static str,
        /// Name of the setting.
        key: String,
        /// What would do.
        expected: String,
        /// What was found.
        got: String,
    },
    /// The model type is not one that this version runs.
    #[error("model type '{got}' is not supported; supported are: {supported}")]
    UnknownFamily {
        /// The `model_type` of the checkpoint.
        got: String,
        /// Names of the supported types.
        supported: String,
    },
    /// The model type is known, but needs something that this version lacks.
    #[error(
        "model type '{got}' is not supported yet, it needs {missing}; supported are: {supported}"
    )]
    Beyond {
        /// The `model_type` of the checkpoint.
        got: String,
        /// What is missing.
        missing: &'static str,
        /// Names of the supported types.
        supported: String,
    },
    /// A bundle was asked for of a model with experts.
    #[error(
        "a mixture of experts is not converted: run its GGUF file or its directory as it lies there"
    )]
    ExpertsInBundle,
    /// A tensor that the architecture needs is not among the weights.
    #[error("tensor '{tensor}' is missing from the weights")]
    MissingTensor {
        /// Canonical name of the tensor.
        tensor: String,
    },
    /// A tensor has other sizes than the architecture says.
    #[error("tensor '{tensor}' has shape {got:?}, the configuration says {expected:?}")]
    Misshapen {
        /// Canonical name of the tensor.
        tensor: String,
        /// Sizes by the configuration.
        expected: Vec<usize>,
        /// Sizes found.
        got: Vec<usize>,
    },
    /// A batch without rows.
    #[error("a batch has at least one row")]
    EmptyBatch,
    /// A row does not continue its sequence.
    #[error("a row stands at position {position}, but its sequence goes on at {next}")]
    PositionOutOfOrder {
        /// Position of the row.
        position: usize,
        /// The position that comes next.
        next: usize,
    },
    /// A row stands where the model has no position.
    #[error("position {position} is beyond the model's context of {context} tokens")]
    PositionBeyondContext {
        /// Position of the row.
        position: usize,
        /// Longest context of the model.
        context: usize,
    },
    /// A token is not one of the model's.
    #[error("token {token} is outside the vocabulary of {vocabulary}")]
    UnknownToken {
        /// The token.
        token: u32,
        /// Tokens that the model knows.
        vocabulary: usize,
    },
    /// A row names a sequence that does not exist, or no longer.
    #[error("there is no sequence {seq:?}")]
    UnknownSequence {
        /// The name.
        seq: SeqId,
    },
    /// A router gave something that experts cannot be chosen by.
    #[error(
        "the router's output for expert {expert} is {value}; a weight of the model is not finite, or too large"
    )]
    RouterNotFinite {
        /// The expert.
        expert: usize,
        /// Its output.
        value: f32,
    },
    /// Keys and values cannot be stored.
    #[error(transparent)]
    Kernel(#[from] KernelError),
    /// The caller's feed-forward or weights failed (a read, usually).
    #[error("{0}")]
    Supplier(Box<dyn std::error::Error + Send + Sync>),
    /// A tensor operation failed.
    #[error("tensor operation: {0}")]
    Tensor(Box<dyn std::error::Error + Send + Sync>),
}

#[cfg(feature = "candle")]
impl From<candle_core::Error> for ModelError {
    fn from(error: candle_core::Error) -> ModelError {
        ModelError::Tensor(Box::new(error))
    }
}

impl ModelError {
    /// Wraps the error of a feed-forward or weights implementation.
    pub fn supplier(error: impl std::error::Error + Send + Sync + 'static) -> ModelError {
        ModelError::Supplier(Box::new(error))
    }
}
