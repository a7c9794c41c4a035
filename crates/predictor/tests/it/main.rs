//! The predictors against slow, obvious twins, and training against what it promises.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod blobs;
mod calibration;
mod cats;
mod contribution;
mod eigen;
mod inference;
#[cfg(feature = "train")]
mod loss;
mod plan;
mod regression;
mod synthetic;
#[cfg(feature = "train")]
mod training;
