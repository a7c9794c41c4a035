//! The sparse feed-forward over neuron records, wherever in memory each of them lies.

mod activate;
mod down;

pub use activate::activate;
pub use down::accumulate_down;
