//! Fixed DRAM slots for the records that recent steps used, within one byte budget.
#![doc = include_str!("../README.md")]

mod admission;
mod arena;
mod cache;
mod config;
mod error;
mod policy;
mod ranking;
mod residency;

pub use admission::{Admission, Missing, Slot};
pub use cache::{Counters, SlotCache};
pub use config::CacheConfig;
pub use error::CacheError;
pub use policy::{Policy, PolicyKind, TICKS, UnknownPolicy};
