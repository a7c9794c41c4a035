//! Model families as descriptions, and one generic decoder that runs them all.
//!
//! A family is one file that maps `config.json` to an [`Architecture`] and checkpoint tensor names to
//! [`Role`]s. The [`Decoder`] is written once, in candle; the feed-forward ([`FeedForward`]) and the dense
//! weights ([`Weights`]) are seams, so that a caller may stream either. Nothing here knows streaming,
//! caches or files.
//!
//! ```
//! use flint_model::{Family, describe};
//!
//! let config = br#"{"model_type": "opt", "hidden_size": 64, "ffn_dim": 256, "num_hidden_layers": 2,
//!     "num_attention_heads": 4, "vocab_size": 512, "max_position_embeddings": 128}"#;
//! let (family, architecture) = describe(config).unwrap();
//! assert_eq!(family.name(), "opt");
//! assert_eq!(architecture.attention.head_dim, 16);
//! ```

mod architecture;
mod batch;
mod check;
mod config;
mod decoder;
mod error;
mod family;
mod feed_forward;
mod gguf;
mod habits;
mod limits;
mod per_layer;
mod role;
mod source;
mod tensor_list;
mod weights;

pub use architecture::{
    Architecture, Attention, Biases, Embedding, FeedForwardShape, Head, HeadNorm, LearnedPositions,
    LongFactors, NormKind, NormPlace, Residual, RotaryPositions,
};
pub use batch::{Batch, Row, Span};
pub use decoder::{Decoder, Pass};
pub use error::ModelError;
pub use family::{Description, Family, describe, supported};
pub use feed_forward::{FeedForward, InMemoryFeedForward, MatrixFeedForward, MemoryGroup};
pub use flint_kernels::{Activation, RotaryPairs, RotaryScaling};
pub use gguf::{Metadata, describe_gguf, gguf_notes, gguf_source, supported_gguf};
pub use per_layer::PerLayer;
pub use role::{Affine, LayerPart, Role, TensorSpec};
pub use source::{NeuronSources, Rows, Source};
pub use weights::{InMemoryWeights, Weights};
