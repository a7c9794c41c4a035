//! Copies that are kept: `drafts.gguf` in a bundle, written on request, so that loading reads them instead of all weights.
//!
//! A GGUF file of Q4_0 tensors under the names that bundles use; gate, up and down of the neurons as matrices, neurons up to a
//! whole block as zeros. It says of which data files it is, and holds a checksum of each tensor. Other readers of the bundle
//! ignore it, and what it holds decides no output.

use super::load::{copy_matrix, copy_records};
use crate::feed_forward::NeuronMath;
use crate::plan::{BlockLayout, COPY, DenseCosts, NoSubstitute, neuron_copy_bytes};
use crate::reads::Reads;
use crate::records::RecordFile;
use crate::tensors::{SourceKind, StoredTensor, Tensors};
use crate::threads::available_threads;
use crate::{CancelToken, EngineError, OpenModel};
use flint_bundle::Bundle;
use flint_checkpoint::gguf::{self, GgufFile, NewTensor, NewValue};
use flint_flash_io::{FileId, Options, Reader, TIMEOUT};
use flint_kernels::{Compute, Isa};
use flint_model::{Affine, LayerPart, TensorRole};
use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Name of the file in its bundle.
pub const STORED_COPIES: &str = "drafts.gguf";

/// Keys of what it says of itself.
const COPIES_OF: &str = "flint.copies_of";
const CHECKSUMS: &str = "flint.crc32c";

/// The matrices of a layer's neurons, in the order in which copies hold them.
pub(super) fn parts(gated: bool) -> &'static [LayerPart] {
    const PARTS: [LayerPart; 3] =
        [LayerPart::Gate(Affine::Weight), LayerPart::Up(Affine::Weight), LayerPart::Down];
    if gated { &PARTS } else { &PARTS[1..] }
}

/// Every tensor that exact mode may stream, as the file has it: first the matrices, then those of the neurons.
struct Wanted {
    matrices: Vec<(TensorRole, NewTensor)>,
    neurons: Vec<(TensorRole, NewTensor)>,
}

impl Wanted {
    /// # Errors
    /// When rows are no whole number of blocks.
    fn of(files: &OpenModel, bundle: &Bundle) -> Result<Wanted, NoSubstitute> {
        let shape = bundle.shape();
        if neuron_copy_bytes(shape).is_none() {
            return Err(NoSubstitute::NoBlocks);
        }
        let new = |role: TensorRole, dims: Vec<u64>| {
            (role, NewTensor { name: role.to_string(), dims, dtype: COPY })
        };
        let dense = DenseCosts::of(files, 1).tensors.into_iter();
        let copied = dense.filter(|tensor| tensor.matrix && tensor.copy_bytes.is_some());
        let found =
            copied.filter_map(|it| Some(new(it.role, files.tensors.get(it.role)?.dims.clone())));
        let neurons = u64::from(shape.neurons).next_multiple_of(COPY.block_len() as u64);
        let (width, gated) = (shape.record.width() as u64, shape.record.is_gated());
        let layers = (0..shape.layers as usize).flat_map(|layer| {
            parts(gated).iter().map(move |&part| (TensorRole::Layer(layer, part), part))
        });
        let layers = layers.map(|(role, part)| match part {
            LayerPart::Down => new(role, vec![width, neurons]),
            _ => new(role, vec![neurons, width]),
        });
        Ok(Wanted { matrices: found.collect(), neurons: layers.collect() })
    }

    fn all(&self) -> impl Iterator<Item = &(TensorRole, NewTensor)> {
        self.matrices.iter().chain(&self.neurons)
    }
}

/// The data files of a bundle, whose names come from their checksums.
fn copies_of(bundle: &Bundle) -> String {
    let names = [bundle.dense_path(), bundle.neurons_path()];
    names.map(|path| path.file_name().unwrap_or_default().to_string_lossy().into_owned()).join(" ")
}

/// The copies that the bundle `files` keeps, where it has some. They are read as the last one of its files.
///
/// # Errors
/// When the file is malformed or is that of other weights.
pub(crate) fn open(files: &OpenModel, bundle: &Bundle) -> Result<Option<Tensors>, EngineError> {
    let path = files.path().join(STORED_COPIES);
    if path.symlink_metadata().is_err() {
        return Ok(None);
    }
    let bad = |cause: String| EngineError::BadCopies { path: path.clone(), cause };
    let file = GgufFile::open(&path).map_err(|error| bad(error.to_string()))?;
    let key = |error: gguf::GgufError| bad(error.to_string());
    let (own, others) = (copies_of(bundle), file.metadata().get::<&str>(COPIES_OF).map_err(key)?);
    if others != Some(&own) {
        return Err(bad("they are of other weights".to_owned()));
    }
    let checksums = file.metadata().list::<u32>(CHECKSUMS).map_err(key)?.unwrap_or_default();
    let places: HashMap<&str, usize> =
        file.tensors().iter().enumerate().map(|(at, tensor)| (tensor.name(), at)).collect();
    let wanted = Wanted::of(files, bundle).map_err(|cause| bad(cause.to_string()))?;
    let id = FileId(files.read_files().len() as u32);
    let mut tensors = HashMap::new();
    for (role, new) in wanted.all() {
        let missing = || bad(format!("tensor '{}' is missing", new.name));
        let at = *places.get(new.name.as_str()).ok_or_else(missing)?;
        let (found, crc) = (&file.tensors()[at], checksums.get(at).copied());
        if !found.dims().iter().rev().eq(&new.dims) || found.kind().dtype() != Some(new.dtype) {
            return Err(bad(format!("tensor '{}' has other sizes or another type", new.name)));
        }
        let crc = Some(crc.ok_or_else(|| bad(format!("'{CHECKSUMS}' is too short")))?);
        let (dims, runs) = (new.dims.clone(), vec![found.extent()]);
        let (name, dtype) = (new.name.clone(), new.dtype);
        tensors.insert(*role, StoredTensor { name, dtype, dims, file: id, runs, crc });
    }
    let paths = files.read_files().into_iter().chain([path]).collect();
    Ok(Some(Tensors::new(SourceKind::Gguf, paths, tensors)))
}

/// Removes the copies from the bundle at `dir`, which is about to hold other weights.
///
/// # Errors
/// When they are there and cannot be removed.
pub fn remove_stored_copies(dir: &Path) -> io::Result<()> {
    match fs::remove_file(dir.join(STORED_COPIES)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Writes copies of all that exact mode may stream into the bundle `files`, in place of those that it has. `progress` hears
/// bytes of the model that were read and are to be read. Returns where they are.
///
/// # Errors
/// When the model is no bundle or cannot have copies, a read or the write fails, or `cancel` asks for the end.
pub(crate) fn make(
    files: &OpenModel,
    cancel: &CancelToken,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<PathBuf, EngineError> {
    let bundle = files.bundle()?;
    let wanted = Wanted::of(files, bundle)
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
    let tensors = wanted.all().map(|(_, tensor)| tensor.clone()).collect();
    let mut out = Writing::begin(&path, copies_of(bundle), tensors).map_err(failed)?;
    for (role, _) in &wanted.matrices {
        cancel.check()?;
        let copy = copy_matrix(&files.tensors, &compute, *role, &reads, &mut heard)?;
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
        partial.push(".partial");
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
