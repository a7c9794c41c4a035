//! Fixed DRAM slots for the neuron records that recent tokens used, within one byte budget.
//!
//! A [`SlotCache`] owns a fixed number of slots and knows which record lies in which. For each group of
//! neurons, [`SlotCache::admit`] splits what a token needs into records that are resident and records that
//! must be read, and hands out the memory of the latter as leases. [`SlotCache::fill`] takes them back
//! with the bytes in place. Records never move: a slot is only ever refilled. What leaves when slots run
//! out is the business of a [`Policy`]. Nothing is hashed, and nothing is allocated after
//! [`SlotCache::new`], whose every byte [`CacheConfig::bytes_for`] foretells.
//!
//! ```
//! use flint_dram_cache::{Admission, CacheConfig, PolicyKind, SlotCache};
//! use flint_geometry::{NeuronKey, NeuronSet};
//!
//! // Two groups of 100 neurons; records of 512 bytes; memory for eight of them.
//! let config = CacheConfig { groups: vec![100, 100], slot_bytes: 512, policy: PolicyKind::default() };
//! let mut cache = SlotCache::new(&config, config.bytes_for(8))?;
//!
//! let needed = NeuronSet::from_unsorted(vec![3, 7]);
//! let mut admission = Admission::new();
//! cache.admit(0, &needed, &mut admission)?;
//! assert!(admission.resident.is_empty());
//! for mut miss in admission.missing.drain(..) {
//!     miss.lease.fill(miss.neuron as u8); // the read
//!     cache.fill(NeuronKey { group: 0, neuron: miss.neuron }, miss.lease);
//! }
//! cache.end_token();
//!
//! cache.admit(0, &needed, &mut admission)?;
//! assert!(admission.missing.is_empty());
//! let (neuron, slot) = admission.resident[1];
//! assert_eq!((neuron, cache.bytes(slot)[0]), (7, 7));
//! # Ok::<(), flint_dram_cache::CacheError>(())
//! ```

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
