//! What can be wrong with a model description, its weights, or a forward pass.

/// Why a model cannot be described or run.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// `config.json` is no JSON object.
    #[error("config.json is not a JSON object: {cause}")]
    NotJson {
        /// What the parser said.
        cause: String,
    },
    /// A setting that the family needs is absent.
    #[error("config.json has no '{key}'")]
    Missing {
        /// Name of the setting.
        key: &'static str,
    },
    /// A setting has a value that cannot be used.
    #[error("config.json: '{key}' is {got}, expected {expected}")]
    BadValue {
        /// Name of the setting.
        key: &'static str,
        /// What would do.
        expected: String,
        /// What is there.
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
    /// The caller's feed-forward or weights failed (a read, usually).
    #[error("{0}")]
    Supplier(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A tensor operation failed.
    #[error("tensor operation: {0}")]
    Tensor(#[from] candle_core::Error),
}

impl ModelError {
    /// Wraps the error of a feed-forward or weights implementation.
    pub fn supplier(error: impl std::error::Error + Send + Sync + 'static) -> ModelError {
        ModelError::Supplier(Box::new(error))
    }
}
