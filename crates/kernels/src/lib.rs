//! Bit-identical CPU kernels over f16, bf16, f32 and quantised weights with f32 accumulation.
//!
//! Weights stay where they lie ([`MatrixView`], record payloads). The kernels are functions over
//! slices; [`ops`] wraps them for candle. All of them keep one contract: a dot product runs in
//! sixteen virtual lanes with fused multiply-add and one fixed reduction tree, and threads split
//! outputs, never sums. So the bits of a result depend on neither the instruction set nor the
//! number of threads nor how many tokens are computed at once. Quantised weights are multiplied in the
//! [`Arithmetic`] that their matrix names, f32 unless told otherwise. (Inputs with NaN or infinity give
//! some result, without that promise.)
//!
//! ```
//! use flint_kernels::{Compute, DType, Isa, MatrixView, matmul};
//!
//! let weights: Vec<u8> = [1.0f32, 2.0, 3.0, 4.0].iter().flat_map(|w| w.to_le_bytes()).collect();
//! let weights = MatrixView::new(DType::F32, 2, 2, &weights)?;
//! let compute = Compute::new(Isa::best(), 2)?;
//! let mut out = [0.0; 2];
//! matmul(&compute, weights, &[10.0, 1.0], None, &mut out);
//! assert_eq!(out, [12.0, 34.0]);
//! # Ok::<(), flint_kernels::KernelError>(())
//! ```

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
mod isa;
mod kv;
mod kv_element;
mod lanes;
pub mod math;
mod matmul;
mod matrix;
mod norm;
pub mod ops;
mod quantised;
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
pub use matmul::matmul;
pub use matrix::{MatrixView, embed};
pub use norm::{layer_norm, rms_norm};
pub use rotary::{Rotary, RotaryPairs, RotaryScaling};
