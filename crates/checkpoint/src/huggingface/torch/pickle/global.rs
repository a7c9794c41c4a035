//! The only names of Python that a pickle may use.

/// Something that a pickle may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Global {
    /// `collections.OrderedDict`.
    OrderedDictionary,
    /// `torch._utils._rebuild_tensor_v2`.
    RebuildTensor,
    /// `torch._utils._rebuild_parameter`.
    RebuildParameter,
    /// `torch._tensor._rebuild_from_type_v2`: a tensor that had attributes when it was saved.
    RebuildFromType,
    /// `torch.Tensor`.
    TensorClass,
    /// One of the storage classes.
    Storage(Kind),
}

/// The type of a storage's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct Kind {
    /// As safetensors calls it.
    pub(in super::super) name: &'static str,
    /// Bytes of each.
    pub(in super::super) bytes: u64,
}

impl Global {
    /// What `module`.`name` is, if it is allowed.
    pub(super) fn named(module: &str, name: &str) -> Option<Global> {
        match (module, name) {
            ("collections", "OrderedDict") => Some(Global::OrderedDictionary),
            ("torch._utils", "_rebuild_tensor_v2") => Some(Global::RebuildTensor),
            ("torch._utils", "_rebuild_parameter") => Some(Global::RebuildParameter),
            ("torch._tensor", "_rebuild_from_type_v2") => Some(Global::RebuildFromType),
            ("torch", "Tensor") => Some(Global::TensorClass),
            ("torch", storage) => kind(storage).map(Global::Storage),
            _ => None,
        }
    }
}

/// Weights are of the first three; the others are buffers beside them.
fn kind(storage: &str) -> Option<Kind> {
    let (name, bytes) = match storage {
        "HalfStorage" => ("F16", 2),
        "BFloat16Storage" => ("BF16", 2),
        "FloatStorage" => ("F32", 4),
        "DoubleStorage" => ("F64", 8),
        "LongStorage" => ("I64", 8),
        "IntStorage" => ("I32", 4),
        "ShortStorage" => ("I16", 2),
        "CharStorage" => ("I8", 1),
        "ByteStorage" => ("U8", 1),
        "BoolStorage" => ("BOOL", 1),
        _ => return None,
    };
    Some(Kind { name, bytes })
}
