//! Copies come from the bundle that keeps them, or are made while loading: what is streamed later is read once, checked, and
//! written in 4 bits.

use super::Substitutes;
use super::neurons::{LayerCopies, NeuronCopies, parts};
use crate::dense::each_piece;
use crate::feed_forward::{ExactNeurons, NeuronMath, Neurons};
use crate::plan::{Block, BlockLayout, Plan};
use crate::read_ahead::ReadAhead;
use crate::reads::Reads;
use crate::records::{LoadedBlock, RecordFile};
use crate::tensors::{COPY, StoredTensor, Tensors};
use crate::{EngineError, OpenModel};
use flint_flash_io::Segment;
use flint_iobuf::{Lease, Pool};
use flint_kernels::{Arithmetic, Compute, MatrixView, requantise};
use flint_model::{InMemoryWeights, TensorRole};

/// Blocks of neurons in memory while copies are made of them.
const BLOCKS: u32 = 4;

/// Hears of bytes that were read.
type Heard<'a> = &'a mut dyn FnMut(u64);

/// Loads or makes the copies of `plan`, if it has any.
pub(crate) fn load(
    files: &OpenModel,
    compute: &Compute,
    plan: &Plan,
    neurons: &Neurons,
    reads: &Reads,
    heard: Heard<'_>,
) -> Result<Option<Substitutes>, EngineError> {
    let Some(planned) = &plan.substitute else { return Ok(None) };
    let stored = files.stored_copies();
    // Whatever is fastest: nobody sees the bits.
    let matrices = InMemoryWeights::new(compute.clone()).with_arithmetic(Arithmetic::Int8);
    let mut copies = Substitutes { matrices, neurons: None };
    for &role in &planned.matrices {
        let copy = match stored.filter(|stored| stored.get(role).is_some()) {
            Some(stored) => read_matrix(stored, role, reads, heard)?,
            None => copy_matrix(&files.tensors, compute, role, reads, heard)?,
        };
        let dims = files.tensors.find(role)?.dims.iter().map(|&dim| dim as usize);
        copies.matrices.insert(role, COPY, &dims.collect::<Vec<_>>(), copy)?;
    }
    if let Neurons::Exact(exact) = neurons
        && !exact.plan().all_pinned()
    {
        copies.neurons = Some(load_neurons(exact, stored, reads, heard)?);
    }
    Ok(Some(copies))
}

/// Reads a tensor of copies, and hands each row to `each` with its number.
fn each_row(
    stored: &Tensors,
    tensor: &StoredTensor,
    reads: &Reads,
    heard: Heard<'_>,
    each: &mut dyn FnMut(usize, &[u8]),
) -> Result<(), EngineError> {
    let (row_bytes, mut row, mut whole) = (tensor.row_bytes() as usize, 0, 0);
    each_piece(tensor, reads.client(), &mut |piece| {
        whole = crc32c::crc32c_append(whole, piece);
        for bytes in piece.chunks_exact(row_bytes.max(1)) {
            each(row, bytes);
            row += 1;
        }
        heard(piece.len() as u64);
        Ok(())
    })?;
    stored.check_bytes(tensor, || whole)
}

fn read_matrix(
    stored: &Tensors,
    role: TensorRole,
    reads: &Reads,
    heard: Heard<'_>,
) -> Result<Lease, EngineError> {
    let tensor = stored.find(role)?;
    let row = tensor.row_bytes() as usize;
    let mut copy = Lease::alone((tensor.bytes() as usize).max(1))?;
    each_row(stored, tensor, reads, heard, &mut |index, bytes| {
        copy[index * row..][..row].copy_from_slice(bytes);
    })?;
    Ok(copy)
}

/// The copy of a matrix, made of it.
pub(super) fn copy_matrix(
    tensors: &Tensors,
    compute: &Compute,
    role: TensorRole,
    reads: &Reads,
    heard: Heard<'_>,
) -> Result<Lease, EngineError> {
    let tensor = tensors.find(role)?;
    let (rows, columns) = (tensor.rows() as usize, tensor.dims.last().copied().unwrap_or(0));
    let row = COPY.row_bytes(columns).map_or(0, |bytes| bytes as usize);
    let mut copy = Lease::alone((rows * row).max(1))?;
    let (mut at, mut whole) = (0, 0);
    each_piece(tensor, reads.client(), &mut |piece| {
        reads.check()?;
        whole = crc32c::crc32c_append(whole, piece);
        let count = piece.len() / tensor.row_bytes() as usize;
        let view = MatrixView::new(tensor.dtype, count, columns as usize, piece)?;
        requantise(compute, view, &mut copy[at..at + count * row]);
        at += count * row;
        heard(piece.len() as u64);
        Ok(())
    })?;
    tensors.check_bytes(tensor, || whole)?;
    Ok(copy)
}

fn load_neurons(
    exact: &ExactNeurons,
    stored: Option<&Tensors>,
    reads: &Reads,
    heard: Heard<'_>,
) -> Result<NeuronCopies, EngineError> {
    let (plan, math) = (exact.plan(), exact.math());
    let cut = plan.layout;
    let layers = (0..cut.layers).map(|layer| {
        let pinned = plan.pinned_of(layer);
        match stored.filter(|stored| stored.neuron_bytes() > 0) {
            Some(stored) => {
                let first = (pinned * cut.block_neurons).min(cut.neurons) as usize;
                read_records(stored, (math, first), (layer, cut.neurons), reads, heard)
            }
            None => copy_records((exact.file(), math, cut), layer, pinned, reads, heard),
        }
    });
    Ok(NeuronCopies { layers: layers.collect::<Result<_, _>>()? })
}

/// The copies of the neurons of a layer from `first` on, as they are kept.
fn read_records(
    stored: &Tensors,
    (math, first): (&NeuronMath, usize),
    (layer, neurons): (u32, u32),
    reads: &Reads,
    heard: Heard<'_>,
) -> Result<LayerCopies, EngineError> {
    let mut copies = LayerCopies::new(&math.layout, first, neurons as usize)?;
    if copies.is_empty() {
        return Ok(copies);
    }
    for (matrix, &part) in parts(math.layout.is_gated()).iter().enumerate() {
        let tensor = stored.find(TensorRole::Layer(layer as usize, part))?;
        each_row(stored, tensor, reads, heard, &mut |row, bytes| {
            copies.put_row(matrix, row, bytes);
        })?;
    }
    Ok(copies)
}

/// Copies of the blocks of a layer that are not `pinned`, made of them.
pub(super) fn copy_records(
    (file, math, cut): (&RecordFile, &NeuronMath, BlockLayout),
    layer: u32,
    pinned: u32,
    reads: &Reads,
    heard: Heard<'_>,
) -> Result<LayerCopies, EngineError> {
    let stored = math.layout;
    let first = (pinned * cut.block_neurons).min(cut.neurons) as usize;
    let mut copies = LayerCopies::new(&stored, first, cut.neurons as usize)?;
    let blocks: Vec<Block> =
        (pinned..cut.per_layer()).map(|index| cut.block(layer, index)).collect();
    let segment = |&block: &Block| Segment { file: file.file(), extent: file.block_extent(block) };
    let pool = Pool::new(BLOCKS, cut.place_bytes)?;
    let mut stream = ReadAhead::once(reads.client(), blocks.iter().map(segment).collect(), pool);
    for (index, &block) in blocks.iter().enumerate() {
        reads.check()?;
        let read = LoadedBlock { block, records: stream.take(index)? };
        file.check_blocks(&math.compute, std::slice::from_ref(&read))?;
        for record in file.records(block, read.records.bytes()) {
            let rows = MatrixView::new(stored.element(), stored.rows(), stored.width(), record)?;
            copies.push(math, rows);
        }
        heard(read.records.bytes().len() as u64);
    }
    copies.finish(math);
    Ok(copies)
}
