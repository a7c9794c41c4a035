//! Writes the copies that a bundle keeps, so that loading reads them instead of all weights.

use super::load::{copy_matrix, copy_records};
use super::neurons::parts;
use crate::feed_forward::NeuronMath;
use crate::plan::{BlockLayout, DenseCosts, NoSubstitute, neuron_copy_bytes};
use crate::reads::Reads;
use crate::records::RecordFile;
use crate::tensors::{CHECKSUMS, COPIES_OF, COPY, STORED_COPIES, copy_dims, data_files};
use crate::threads::available_threads;
use crate::{CancelToken, EngineError, OpenModel};
use flint_bundle::Bundle;
use flint_checkpoint::gguf::{self, NewTensor, NewValue};
use flint_flash_io::{Options, Reader, TIMEOUT};
use flint_kernels::{Compute, Isa};
use flint_model::{LayerPart, TensorRole};
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Every tensor that exact mode may stream: the matrices by their roles, and all as the file has them, those of the neurons last.
///
/// # Errors
/// When rows are no whole number of blocks.
fn wanted(
    files: &OpenModel,
    bundle: &Bundle,
) -> Result<(Vec<TensorRole>, Vec<NewTensor>), NoSubstitute> {
    let shape = bundle.shape();
    if neuron_copy_bytes(shape).is_none() {
        return Err(NoSubstitute::NoBlocks);
    }
    let new = |role: TensorRole, dims: &[u64]| NewTensor {
        name: role.to_string(),
        dims: copy_dims(role, dims),
        dtype: COPY,
    };
    let dense = DenseCosts::of(files, 1).tensors.into_iter();
    let copied = dense.filter(|tensor| tensor.matrix && tensor.copy_bytes.is_some());
    let matrices: Vec<TensorRole> = copied.map(|tensor| tensor.role).collect();
    let found = matrices.iter().filter_map(|&role| Some(new(role, &files.tensors.get(role)?.dims)));
    let (neurons, width) = (u64::from(shape.neurons), shape.record.width() as u64);
    let layers = (0..shape.layers as usize).flat_map(|layer| {
        parts(shape.record.is_gated())
            .iter()
            .map(move |&part| (TensorRole::Layer(layer, part), part))
    });
    let layers = layers.map(|(role, part)| match part {
        LayerPart::Down => new(role, &[width, neurons]),
        _ => new(role, &[neurons, width]),
    });
    let tensors = found.chain(layers).collect();
    Ok((matrices, tensors))
}

/// Writes low-bit copies for drafts into the bundle `files`, of all that exact mode may stream, in place of those that it has: runs
/// read them while loading, instead of all weights. `progress` hears bytes of the model that were read and are to be read. Returns
/// where they are.
///
/// # Errors
/// When the model is no bundle or cannot have copies, a read or the write fails, or `cancel` asks for the end.
pub fn store_copies(
    files: &OpenModel,
    cancel: &CancelToken,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<PathBuf, EngineError> {
    let bundle = files.bundle()?;
    let (matrices, tensors) = wanted(files, bundle)
        .map_err(|cause| EngineError::NoSubstitute { cause: cause.to_string() })?;
    let reader =
        Reader::open(&files.read_files(), Options::default()).map_err(EngineError::Open)?;
    let mut reads = Reads::new(reader, TIMEOUT);
    reads.begin_pass(cancel);
    let compute = Compute::new(Isa::best(), available_threads())?;
    let (mut done, total) = (0, files.weights_bytes());
    let mut heard = |bytes: u64| {
        done += bytes;
        progress(done.min(total), total);
    };
    let path = files.path().join(STORED_COPIES);
    let failed = |cause| EngineError::CopiesNotWritten { path: path.clone(), cause };
    let mut out = Writing::begin(&path, data_files(bundle), tensors).map_err(failed)?;
    for role in matrices {
        cancel.check()?;
        let copy = copy_matrix(&files.tensors, &compute, role, &reads, &mut heard)?;
        out.tensor(&copy).map_err(failed)?;
    }
    let shape = bundle.shape();
    let file = RecordFile::new(bundle.clone(), files.neurons_file(), true);
    let activation = files.architecture.feed_forward.activation;
    // Copies are of weights alone.
    let (layout, biases) = (shape.record, Vec::new());
    let math = NeuronMath { compute, layout, activation, biases };
    let cut = BlockLayout::new(shape, |bytes| reads.reader().lease_bytes(bytes));
    for layer in 0..shape.layers {
        cancel.check()?;
        let copies = copy_records((&file, &math, cut), layer, 0, &reads, &mut heard)?;
        for matrix in copies.matrices() {
            out.tensor(matrix).map_err(failed)?;
        }
    }
    // Nobody keeps others from replacing the bundle meanwhile.
    if data_files(&Bundle::open(files.path())?) != data_files(bundle) {
        return Err(failed(io::Error::other("the bundle holds other weights now")));
    }
    out.end().map_err(failed)?;
    Ok(path)
}

/// A file of copies on its way. What is not ended is removed.
struct Writing {
    path: PathBuf,
    partial: PathBuf,
    of: String,
    tensors: Vec<NewTensor>,
    out: BufWriter<File>,
    checksums: Vec<u32>,
}

impl Writing {
    fn begin(path: &Path, of: String, tensors: Vec<NewTensor>) -> io::Result<Writing> {
        let mut partial = path.as_os_str().to_owned();
        partial.push(format!(".{}.partial", std::process::id()));
        let partial = PathBuf::from(partial);
        let out = BufWriter::new(File::create(&partial)?);
        let path = path.to_owned();
        let mut begun = Writing { path, partial, of, tensors, out, checksums: Vec::new() };
        // Its length does not depend on the checksums, which are not known yet.
        begun.checksums = vec![0; begun.tensors.len()];
        let head = begun.head();
        begun.out.write_all(&head)?;
        begun.checksums.clear();
        Ok(begun)
    }

    fn head(&self) -> Vec<u8> {
        let entries = [
            ("general.type", NewValue::Text("drafts".to_owned())),
            (COPIES_OF, NewValue::Text(self.of.clone())),
            (CHECKSUMS, NewValue::U32s(self.checksums.clone())),
        ];
        gguf::head(&entries.map(|(key, value)| (key.to_owned(), value)), &self.tensors)
    }

    /// The next tensor.
    fn tensor(&mut self, bytes: &[u8]) -> io::Result<()> {
        let tensor = &self.tensors[self.checksums.len()];
        debug_assert_eq!(tensor.bytes(), bytes.len() as u64, "{}", tensor.name);
        self.out.write_all(bytes)?;
        self.out.write_all(tensor.padding())?;
        self.checksums.push(crc32c::crc32c(bytes));
        Ok(())
    }

    fn end(mut self) -> io::Result<()> {
        self.out.flush()?;
        self.out.get_ref().write_all_at(&self.head(), 0)?;
        self.out.get_ref().sync_all()?;
        fs::rename(&self.partial, &self.path)
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        // Once it has its name there is nothing to remove.
        let _ = fs::remove_file(&self.partial);
    }
}
