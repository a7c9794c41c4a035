//! The kernels against slow, obvious twins: exact where the contract promises bits, close where it
//! promises numbers.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod activation;
mod arithmetic;
mod attention;
mod blocks;
mod contract_attention;
mod feed_forward;
mod kv;
mod machine;
mod math;
mod matmul;
mod norm;
#[cfg(feature = "candle")]
mod ops;
mod quantised;
mod requantise;
mod rotary;
mod twin;
