//! What the stack of the pickle reader holds: small values, and indices of larger ones.

use super::global::Global;

/// A value of a pickle. Texts, tuples, dictionaries, storages and tensors are named by where they are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Value {
    /// None, a flag, a float: nothing that describes a tensor depends on it.
    Other,
    Int(i64),
    Text(Text),
    Tuple(usize),
    Dictionary(usize),
    Global(Global),
    Storage(usize),
    Tensor(usize),
}

/// Bytes of the pickle that are a text. A pickle has at most 16 MiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Text {
    pub(super) start: u32,
    pub(super) len: u32,
}
