//! A sidecar of checksums for files that have none: GGUF files and checkpoint directories, used as they lie there.
//!
//! A text file beside the model, written on request and read whenever the model is opened. It holds a checksum of every
//! tensor as Flint reads it, so that each read of a run is checked as those of a bundle are.

use crate::EngineError;
use crate::checksum::append_shared;
use crate::read_ahead::ReadAhead;
use crate::reads::Reads;
use crate::tensors::{StoredTensor, Tensors};
use crate::threads::available_threads;
use flint_flash_io::{Options, Reader, Segment, TIMEOUT};
use flint_geometry::Extent;
use flint_iobuf::Pool;
use flint_kernels::{Compute, Isa};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

const FORMAT: &str = "flint-seal";
const VERSION: u32 = 1;

/// The checksums of 65,536 tensors, the most that a file may have, take less.
const LARGEST: u64 = 64 << 20;

/// Bytes that are read at a time, and how many pieces are on their way.
const PIECE: u64 = 4 << 20;
const PIECES: u32 = 6;

#[derive(Serialize, Deserialize)]
struct SealText {
    format: String,
    version: u32,
    files: Vec<SealedFile>,
    tensors: Vec<SealedTensor>,
}

#[derive(Serialize, Deserialize)]
struct SealedFile {
    name: String,
    bytes: u64,
}

#[derive(Serialize, Deserialize)]
struct SealedTensor {
    name: String,
    /// Index in the list of files.
    file: u32,
    /// Offset and length of each run; the checksum is that of all runs, one behind the other.
    runs: Vec<(u64, u64)>,
    crc32c: u32,
}

/// Where the checksums of the model at `path` lie: beside a file, in a directory.
pub(crate) fn path_of(model: &Path) -> PathBuf {
    if model.is_dir() {
        return model.join("flint-seal.json");
    }
    let mut name = model.as_os_str().to_owned();
    name.push(".seal.json");
    name.into()
}

/// As the sidecar writes them.
fn runs(tensor: &StoredTensor) -> Vec<(u64, u64)> {
    tensor.runs.iter().map(|run| (run.offset(), run.len())).collect()
}

/// Reads every tensor of the model at `model` and writes their checksums beside it. Returns where they are.
///
/// # Errors
/// When a read or the write fails.
pub(crate) fn make(
    model: &Path,
    tensors: &Tensors,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<PathBuf, EngineError> {
    let mut sealed = Vec::new();
    each_checksum(tensors, progress, &mut |tensor, crc32c| {
        let runs = runs(tensor);
        let (name, file) = (tensor.name.clone(), tensor.file.0);
        sealed.push(SealedTensor { name, file, runs, crc32c });
        Ok(())
    })?;
    let files = tensors.files.iter().map(|path| sealed_file(path));
    let files = files.collect::<Result<_, _>>()?;
    let text = SealText { format: FORMAT.to_owned(), version: VERSION, files, tensors: sealed };
    let path = path_of(model);
    replace(&path, &text)
        .map_err(|cause| EngineError::SealNotWritten { path: path.clone(), cause })?;
    Ok(path)
}

/// Reads every tensor and compares it with its checksum, where it has one.
///
/// # Errors
/// Names the first tensor that differs.
pub(crate) fn verify(
    tensors: &Tensors,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<(), EngineError> {
    each_checksum(tensors, progress, &mut |tensor, got| tensors.check_bytes(tensor, || got))
}

/// Gives the tensors their checksums, where there are any beside the model.
///
/// # Errors
/// When the sidecar cannot be read, or is that of other files.
pub(crate) fn apply(model: &Path, tensors: &mut Tensors) -> Result<(), EngineError> {
    let path = path_of(model);
    let Some(text) = read(&path)? else { return Ok(()) };
    let bad = |cause: String| EngineError::BadSeal { path: path.clone(), cause };
    if text.files.len() != tensors.files.len() {
        return Err(bad(format!(
            "it is of {} files, not {}",
            text.files.len(),
            tensors.files.len()
        )));
    }
    for (sealed, path) in text.files.iter().zip(&tensors.files) {
        let found = sealed_file(path)?;
        if (&sealed.name, sealed.bytes) != (&found.name, found.bytes) {
            let (name, bytes) = (sealed.name.escape_debug(), sealed.bytes);
            let (now, size) = (found.name.escape_debug(), found.bytes);
            return Err(bad(format!(
                "it is of {name} with {bytes} bytes, and here is {now} with {size}"
            )));
        }
    }
    let checksums: HashMap<_, u32> =
        text.tensors.into_iter().map(|it| ((it.file, it.runs), it.crc32c)).collect();
    for tensor in tensors.all_mut() {
        let found = checksums.get(&(tensor.file.0, runs(tensor)));
        tensor.crc = Some(*found.ok_or_else(|| {
            bad(format!("it lacks tensor '{}' as it is read here", tensor.name.escape_debug()))
        })?);
    }
    Ok(())
}

fn read(path: &Path) -> Result<Option<SealText>, EngineError> {
    let fail = |cause| EngineError::File { path: path.to_owned(), cause };
    let bad = |cause: String| EngineError::BadSeal { path: path.to_owned(), cause };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(fail(error)),
    };
    let mut bytes = Vec::new();
    file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(fail)?;
    if bytes.len() as u64 > LARGEST {
        return Err(bad(format!("it has more than {LARGEST} bytes")));
    }
    let text: SealText = serde_json::from_slice(&bytes)
        .map_err(|error| bad(format!("it does not parse: {error}")))?;
    if text.format != FORMAT || text.version != VERSION {
        return Err(bad(format!("it is not a '{FORMAT}' of version {VERSION}")));
    }
    Ok(Some(text))
}

fn sealed_file(path: &Path) -> Result<SealedFile, EngineError> {
    let found = path.metadata();
    let found = found.map_err(|cause| EngineError::File { path: path.to_owned(), cause })?;
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok(SealedFile { name, bytes: found.len() })
}

/// Whole or not at all.
fn replace(path: &Path, text: &SealText) -> std::io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    let temporary = PathBuf::from(name);
    let written = File::create(&temporary).and_then(|mut file| {
        file.write_all(&serde_json::to_vec(text)?)?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    });
    if written.is_err() {
        // What could not be written may not be there at all.
        let _ = fs::remove_file(&temporary);
    }
    written
}

/// Reads all tensors in the order of their files, and hands each over with its checksum.
fn each_checksum(
    tensors: &Tensors,
    progress: &mut dyn FnMut(u64, u64),
    each: &mut dyn FnMut(&StoredTensor, u32) -> Result<(), EngineError>,
) -> Result<(), EngineError> {
    let mut all: Vec<&StoredTensor> = tensors.all().collect();
    all.sort_by_key(|tensor| (tensor.file, tensor.runs.first().map(|run| run.offset())));
    let reader = Reader::open(&tensors.files, Options::default()).map_err(EngineError::Open)?;
    let schedule: Vec<Vec<Segment>> = all.iter().map(|tensor| pieces(tensor)).collect();
    let pool = Pool::new(PIECES, reader.lease_bytes(PIECE as usize + flint_iobuf::PAGE))?;
    let compute = Compute::new(Isa::best(), available_threads())?;
    let reads = Reads::new(reader, TIMEOUT);
    let mut ahead = ReadAhead::once(reads, schedule.concat(), pool);
    let (mut index, mut done, total, mut parts) = (0, 0, tensors.bytes(), Vec::new());
    for (tensor, pieces) in all.into_iter().zip(&schedule) {
        let mut crc = 0;
        for _ in pieces {
            let piece = ahead.take(index)?;
            crc = append_shared(&compute, crc, &piece, &mut parts);
            (index, done) = (index + 1, done + piece.len() as u64);
            progress(done, total);
        }
        each(tensor, crc)?;
    }
    Ok(())
}

/// A tensor in pieces.
fn pieces(tensor: &StoredTensor) -> Vec<Segment> {
    let file = tensor.file;
    let cut = |run: &Extent| {
        let run = *run;
        let starts = (run.offset()..run.end()).step_by(PIECE as usize);
        starts.filter_map(move |from| Extent::new(from, PIECE.min(run.end() - from)))
    };
    tensor.runs.iter().flat_map(cut).map(|extent| Segment { file, extent }).collect()
}
