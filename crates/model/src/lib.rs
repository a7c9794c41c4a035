//! Model families as descriptions, and one generic decoder that runs them all.
#![doc = include_str!("../README.md")]

mod architecture;
mod batch;
mod check;
mod config;
#[cfg(feature = "candle")]
mod decoder;
mod error;
mod family;
#[cfg(feature = "candle")]
mod feed_forward;
mod gguf;
mod limits;
mod per_layer;
mod role;
mod routing;
mod source;
mod special_tokens;
mod tensor_list;
#[cfg(feature = "candle")]
mod weights;

pub use architecture::{
    Architecture, Attention, Biases, Embedding, Experts, FeedForwardShape, Head, HeadNorm,
    LatentAttention, LearnedPositions, LongFactors, NormKind, NormPlace, Residual, RotaryPositions,
};
pub use batch::{Batch, Row, Span};
#[cfg(feature = "candle")]
pub use decoder::{Decoder, Pass};
pub use error::ModelError;
pub use family::{Description, Family, describe, supported};
#[cfg(feature = "candle")]
pub use feed_forward::{FeedForward, InMemoryFeedForward, MatrixFeedForward, MemoryGroup};
pub use flint_kernels::{Activation, RotaryPairs, RotaryScaling};
pub use gguf::{Metadata, describe_gguf, gguf_notes, gguf_source, supported_gguf};
pub use per_layer::PerLayer;
pub use role::{Affine, LayerPart, Projection, TensorRole, TensorSpec};
pub use routing::{ExpertGroups, Route, Routing, Scores};
pub use source::{NeuronSources, Rows, Stack, TensorSource};
#[cfg(feature = "candle")]
pub use weights::{InMemoryWeights, Weights};
