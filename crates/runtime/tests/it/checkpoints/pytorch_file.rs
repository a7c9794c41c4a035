//! Writes the files of PyTorch: a zip archive of storages, and the pickle that names them.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// A tensor with a storage of its own.
#[derive(Debug, Clone)]
pub(crate) struct TorchTensor {
    pub(crate) name: String,
    /// Name of the storage class, `HalfStorage` for one.
    pub(crate) class: &'static str,
    pub(crate) dims: Vec<usize>,
    pub(crate) strides: Vec<usize>,
    /// Number of the storage that the tensor starts with.
    pub(crate) first: usize,
    pub(crate) bytes: Vec<u8>,
}

impl TorchTensor {
    /// A tensor whose numbers follow one another.
    pub(crate) fn plain(
        name: &str,
        class: &'static str,
        dims: &[usize],
        bytes: &[u8],
    ) -> TorchTensor {
        let strides = (1..=dims.len()).map(|after| dims[after..].iter().product()).collect();
        let (name, dims) = (name.to_owned(), dims.to_vec());
        TorchTensor { name, class, dims, strides, first: 0, bytes: bytes.to_vec() }
    }
}

/// What a file is to be like, apart from its tensors.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Manner {
    pub(crate) byte_order: Option<&'static str>,
    /// Name of the function that makes tensors.
    pub(crate) rebuild: &'static str,
}

impl Default for Manner {
    fn default() -> Manner {
        Manner { byte_order: Some("little"), rebuild: "torch._utils\n_rebuild_tensor_v2" }
    }
}

/// Writes a file as PyTorch does.
pub(crate) fn write(path: &Path, tensors: &[TorchTensor], manner: Manner) {
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    let mut zip = ZipWriter::new(File::create(path).unwrap());
    let mut entry = |name: String, bytes: &[u8]| {
        zip.start_file(format!("archive/{name}"), options).unwrap();
        zip.write_all(bytes).unwrap();
    };
    entry("data.pkl".to_owned(), &pickle(tensors, manner));
    if let Some(order) = manner.byte_order {
        entry("byteorder".to_owned(), order.as_bytes());
    }
    for (key, tensor) in tensors.iter().enumerate() {
        entry(format!("data/{key}"), &tensor.bytes);
    }
    entry("version".to_owned(), b"3\n");
    zip.finish().unwrap();
}

/// The pickle of such a file.
pub(crate) fn pickle(tensors: &[TorchTensor], manner: Manner) -> Vec<u8> {
    let mut out = vec![0x80, 2];
    out.extend(b"ccollections\nOrderedDict\n)R(");
    for (key, tensor) in tensors.iter().enumerate() {
        text(&mut out, &tensor.name);
        out.extend(format!("c{}\n((", manner.rebuild).bytes());
        text(&mut out, "storage");
        out.extend(format!("ctorch\n{}\n", tensor.class).bytes());
        text(&mut out, &key.to_string());
        text(&mut out, "cpu");
        number(&mut out, tensor.bytes.len());
        out.extend(b"tQ");
        number(&mut out, tensor.first);
        for sizes in [&tensor.dims, &tensor.strides] {
            out.push(b'(');
            sizes.iter().for_each(|&size| number(&mut out, size));
            out.push(b't');
        }
        out.extend(b"\x89ccollections\nOrderedDict\n)RtR");
    }
    out.extend(b"u.");
    out
}

fn text(out: &mut Vec<u8>, text: &str) {
    out.push(b'X');
    out.extend((text.len() as u32).to_le_bytes());
    out.extend(text.bytes());
}

fn number(out: &mut Vec<u8>, number: usize) {
    out.push(b'J');
    out.extend((number as i32).to_le_bytes());
}
