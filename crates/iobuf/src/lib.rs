//! Aligned, initialised memory that may be lent to the kernel.
#![doc = include_str!("../README.md")]

mod mapping;
mod pool;

pub use mapping::{MapError, PAGE};
pub use pool::{Lease, Pool};
