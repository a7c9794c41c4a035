//! Slices of tensors and tensors of slices, for code between two ops.

use candle_core::{CpuStorage, Device, Layout, Result, Shape, Storage, Tensor, bail};

/// Gives `f` the numbers of a contiguous f32 tensor on the CPU, uncopied.
///
/// # Errors
/// When the tensor is not.
pub fn with_slice<R>(tensor: &Tensor, f: impl FnOnce(&[f32]) -> R) -> Result<R> {
    let (storage, layout) = tensor.storage_and_layout();
    match &*storage {
        Storage::Cpu(storage) => Ok(f(numbers("with_slice", storage, layout)?)),
        _ => bail!("with_slice: the tensor is not on the CPU"),
    }
}

/// A tensor of `numbers` on the CPU, uncopied.
///
/// # Errors
/// When the shape asks for another number of them.
pub fn from_vec(numbers: Vec<f32>, shape: impl Into<Shape>) -> Result<Tensor> {
    Tensor::from_vec(numbers, shape.into(), &Device::Cpu)
}

/// The numbers of a contiguous f32 tensor.
pub(super) fn numbers<'a>(op: &str, storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(&storage.as_slice::<f32>()?[start..end]),
        None => bail!("{op}: the tensor is not contiguous"),
    }
}

/// Tokens of a (tokens, width) tensor whose width must be `width`.
pub(super) fn tokens(op: &str, layout: &Layout, width: usize) -> Result<usize> {
    match layout.shape().dims() {
        &[tokens, got] if got == width => Ok(tokens),
        shape => bail!("{op}: the tensor has shape {shape:?}, not (tokens, {width})"),
    }
}
