//! GGUF files, versions 2 and 3: metadata, and where each tensor's bytes lie. No tensor is ever held.
//!
//! The format: <https://github.com/ggml-org/ggml/blob/master/docs/gguf.md>. A file comes from strangers, so every
//! count and length is checked against the bytes that are left before anything is allocated, and memory grows only
//! with bytes that were read. Attacks that end here, each with a test in `tests/it/`: counts of keys, tensors,
//! elements and bytes near 2^32 and 2^64; products and sums that wrap; alignments of zero, of odd numbers and of
//! gigabytes; names that come twice, are empty, hold control characters or no UTF-8; tensors past the end, over each
//! other or with gaps between; rows of half a block; types that nobody knows; arrays of arrays; values of another
//! type than their key has elsewhere; shards that are missing, swapped or of another model.

mod container;
mod cursor;
mod error;
mod file;
mod from_value;
mod general;
mod header;
mod metadata;
mod pick;
mod shards;
mod tensor;
mod tensor_type;
mod tokenizer;
mod value;
mod write;

pub use crate::lookalike::Lookalike;
pub use container::{NewTensor, NewValue, head, length};
pub use error::{
    Counted, GgufError, HeaderFault, KeyFault, SplitFault, TensorFault, TokenizerFault,
};
pub use file::{GgufFile, Shard};
pub use from_value::FromValue;
pub use metadata::Metadata;
pub use tensor::Tensor;
pub use tensor_type::TensorType;
pub use tokenizer::{GgufTokenizer, PlainText, Specials, TokenKind};
pub use value::{Array, Item, Kind, Strings, Value};
