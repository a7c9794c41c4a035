//! The kernels as candle custom ops over contiguous f32 tensors on the CPU.

mod attend;
mod linear;
mod norms;
mod rotate;
mod slices;

pub use attend::{AttentionOp, attention};
pub use linear::{Linear, linear};
pub use norms::{LayerNorm, RmsNorm, layer_norm, rms_norm};
pub use rotate::{RotaryOp, rotary};
pub use slices::{from_vec, with_slice};
