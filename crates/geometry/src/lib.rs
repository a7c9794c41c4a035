//! The nouns that every layer of Flint shares: data types, records, neuron sets, extents, shapes.
#![doc = include_str!("../README.md")]

mod dtype;
mod extent;
mod neuron_set;
mod record;
mod shape;

pub use dtype::{DType, UnknownDType};
pub use extent::Extent;
pub use neuron_set::{NeuronKey, NeuronSet};
pub use record::{RecordLayout, SECTOR};
pub use shape::ModelShape;
