//! Bit-identical CPU kernels over f16, bf16, f32 and quantised weights with f32 accumulation.
#![doc = include_str!("../README.md")]

mod activation;
mod arithmetic;
mod attention;
mod ceiling;
mod compute;
mod dot;
mod element;
mod encoding;
mod error;
mod feed_forward;
mod few;
mod isa;
mod kv;
mod kv_element;
mod lanes;
pub mod math;
mod matmul;
mod matrix;
mod norm;
#[cfg(feature = "candle")]
pub mod ops;
mod quantised;
mod requantise;
mod rotary;
mod shares;
mod split;
mod tile;
mod weighted;
mod widen;

pub use activation::Activation;
pub use arithmetic::Arithmetic;
pub use attention::{AttentionSpec, attention};
pub use ceiling::multiply_add_peak;
pub use compute::Compute;
pub use error::KernelError;
pub use feed_forward::{accumulate_down, activate};
pub use flint_geometry::{DType, RecordLayout};
pub use isa::{Isa, UnknownIsa};
pub use kv::{KvRow, KvRun, KvShape, KvStore, PagedKv, SeqId};
pub use kv_element::KvElement;
pub use matmul::{MatrixProduct, matmul, matmul_each};
pub use matrix::{MatrixView, gather_rows};
pub use norm::{layer_norm, rms_norm};
pub use requantise::{requantise, requantise_block};
pub use rotary::{Rotary, RotaryPairs, RotaryScaling};
