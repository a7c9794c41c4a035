//! Behaviour of the model crate: configurations become descriptions, or errors that name what is wrong; rows of a
//! batch have the result that they have alone.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[cfg(feature = "candle")]
mod batch;
mod describe;
mod published;
mod refuse;
mod sources;
mod stored;
#[cfg(feature = "candle")]
mod tiny;
