//! The nouns that every layer of Flint shares: elements, records, neuron sets, extents, shapes.
//!
//! Nothing here knows files, tensors or threads, so every other crate may depend on it.
//!
//! ```
//! use flint_geometry::{DType, NeuronSet, RecordLayout};
//!
//! // One neuron of OPT-6.7B: a row of the up projection and a column of the down projection.
//! let record = RecordLayout::new(DType::F16, 4096, false).unwrap();
//! assert_eq!(record.payload_bytes(), 16 * 1024);
//!
//! let needed = NeuronSet::from_sorted(vec![1, 5, 9]).unwrap();
//! let cached = NeuronSet::from_sorted(vec![5]).unwrap();
//! assert_eq!(needed.difference(&cached).as_slice(), [1, 9]);
//! ```

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
