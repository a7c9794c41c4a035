//! The nouns that every layer of Flint shares: data types, records, neuron sets, extents, shapes.
#![doc = include_str!("../README.md")]

mod dtype;
mod extent;
mod record;
mod shape;
mod unit_set;

pub use dtype::{DType, UnknownDType};
pub use extent::Extent;
pub use record::{RecordLayout, SECTOR};
pub use shape::ModelShape;
pub use unit_set::{UnitKey, UnitSet};
