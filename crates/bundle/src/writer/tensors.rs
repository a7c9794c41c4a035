//! Dense tensors, whole or in pieces.

use super::BundleWriter;
use crate::manifest::{check_dims, check_name};
use crate::tensor::tensor_bytes;
use crate::{BundleError, ManifestFault, Named, TensorEntry};
use flint_geometry::DType;

/// A tensor whose bytes are still arriving.
#[derive(Debug)]
pub(super) struct OpenTensor {
    name: String,
    element: DType,
    dims: Vec<u64>,
    /// Bytes it will have.
    len: u64,
}

impl BundleWriter {
    /// Stores a dense tensor, row-major.
    ///
    /// # Errors
    /// When the name is taken or the sizes are not those of a tensor, or when the system refuses.
    ///
    /// # Panics
    /// When `bytes` are not as many as `element` and `dims` ask for, or a tensor is not finished.
    pub fn tensor(
        &mut self,
        name: &str,
        element: DType,
        dims: &[u64],
        bytes: &[u8],
    ) -> Result<(), BundleError> {
        self.begin_tensor(name, element, dims)?;
        self.append_tensor(bytes)?;
        self.finish_tensor()
    }

    /// Begins a dense tensor whose bytes follow in pieces.
    ///
    /// # Errors
    /// When the name is taken or the sizes are not those of a tensor.
    ///
    /// # Panics
    /// When a tensor is not finished.
    pub fn begin_tensor(
        &mut self,
        name: &str,
        element: DType,
        dims: &[u64],
    ) -> Result<(), BundleError> {
        assert!(self.open_tensor.is_none(), "a tensor is not finished");
        self.check(check_name(Named::Tensor, name))?;
        let len = tensor_bytes(element, dims).unwrap_or(u64::MAX);
        self.check(check_dims(name, element, dims, len))?;
        if !self.tensor_names.insert(name.to_owned()) {
            let name = name.to_owned();
            return self.check(Err(ManifestFault::DuplicateName { what: Named::Tensor, name }));
        }
        self.dense_file.begin();
        let (name, dims) = (name.to_owned(), dims.to_vec());
        self.open_tensor = Some(OpenTensor { name, element, dims, len });
        Ok(())
    }

    /// Adds the next bytes of the tensor that was begun.
    ///
    /// # Errors
    /// When the system refuses.
    ///
    /// # Panics
    /// When no tensor was begun.
    pub fn append_tensor(&mut self, bytes: &[u8]) -> Result<(), BundleError> {
        assert!(self.open_tensor.is_some(), "no tensor was begun");
        self.dense_file.append(bytes)
    }

    /// Ends the tensor that was begun.
    ///
    /// # Errors
    /// When the system refuses.
    ///
    /// # Panics
    /// When no tensor was begun, or its bytes are not as many as its sizes ask for.
    pub fn finish_tensor(&mut self) -> Result<(), BundleError> {
        let Some(open) = self.open_tensor.take() else { panic!("no tensor was begun") };
        let OpenTensor { name, element, dims, len } = open;
        let (extent, crc) = self.dense_file.end()?;
        assert_eq!(extent.len(), len, "bytes of tensor {name:?}");
        self.tensors.push(TensorEntry { name, element, dims, extent, crc });
        Ok(())
    }
}
