//! What no model comes near: numbers above it are refused wherever they come from.

/// No size in a real configuration comes near this; above it arithmetic could wrap.
pub(crate) const LARGEST: u64 = 1 << 28;

/// No model comes near this; each layer is a list of tensors to look for.
pub(crate) const MOST_LAYERS: usize = 1 << 14;
