//! Copies are made while loading: what is streamed later is read once, checked, and written in 4 bits.

use super::Substitutes;
use super::neurons::{LayerCopies, NeuronCopies};
use crate::dense::each_piece;
use crate::feed_forward::{ExactNeurons, Neurons};
use crate::plan::{Block, COPY, Plan};
use crate::read_ahead::ReadAhead;
use crate::reads::Reads;
use crate::records::LoadedBlock;
use crate::{EngineError, OpenModel};
use flint_flash_io::Segment;
use flint_iobuf::{Lease, Pool};
use flint_kernels::{Arithmetic, Compute, MatrixView, requantise};
use flint_model::{InMemoryWeights, TensorRole};

/// Blocks of neurons in memory while copies are made of them.
const BLOCKS: u32 = 4;

/// Makes the copies of `plan`, if it has any; `loaded` hears of bytes that were read.
pub(crate) fn load(
    files: &OpenModel,
    compute: &Compute,
    plan: &Plan,
    neurons: &Neurons,
    reads: &Reads,
    loaded: &mut dyn FnMut(u64),
) -> Result<Option<Substitutes>, EngineError> {
    let Some(planned) = &plan.substitute else { return Ok(None) };
    // Whatever is fastest: nobody sees the bits.
    let matrices = InMemoryWeights::new(compute.clone()).with_arithmetic(Arithmetic::Int8);
    let mut copies = Substitutes { matrices, neurons: None };
    for &role in &planned.matrices {
        let (dims, copy) = copy_of(files, compute, role, reads, loaded)?;
        copies.matrices.insert(role, COPY, &dims, copy)?;
    }
    if let Neurons::Exact(exact) = neurons
        && !exact.plan().all_pinned()
    {
        copies.neurons = Some(copy_neurons(exact, reads, loaded)?);
    }
    Ok(Some(copies))
}

fn copy_of(
    files: &OpenModel,
    compute: &Compute,
    role: TensorRole,
    reads: &Reads,
    loaded: &mut dyn FnMut(u64),
) -> Result<(Vec<usize>, Lease), EngineError> {
    let tensors = &files.tensors;
    let tensor = tensors.find(role)?;
    let dims: Vec<usize> = tensor.dims.iter().map(|&dim| dim as usize).collect();
    let (rows, columns) = (tensor.rows() as usize, tensor.dims.last().copied().unwrap_or(0));
    let row = COPY.row_bytes(columns).map_or(0, |bytes| bytes as usize);
    let mut copy = Lease::alone((rows * row).max(1))?;
    let (mut at, mut whole) = (0, 0);
    each_piece(tensor, reads.client(), &mut |piece| {
        whole = crc32c::crc32c_append(whole, piece);
        let count = piece.len() / tensor.row_bytes() as usize;
        let view = MatrixView::new(tensor.dtype, count, columns as usize, piece)?;
        requantise(compute, view, &mut copy[at..at + count * row]);
        at += count * row;
        loaded(piece.len() as u64);
        Ok(())
    })?;
    tensors.check_bytes(tensor, || whole)?;
    Ok((dims, copy))
}

fn copy_neurons(
    exact: &ExactNeurons,
    reads: &Reads,
    loaded: &mut dyn FnMut(u64),
) -> Result<NeuronCopies, EngineError> {
    let (plan, file, math) = (exact.plan(), exact.file(), exact.math());
    let (cut, stored) = (plan.layout, math.layout);
    let (mut layers, mut blocks) = (Vec::with_capacity(cut.layers as usize), Vec::new());
    for layer in 0..cut.layers {
        let pinned = plan.pinned_of(layer);
        let first = (pinned * cut.block_neurons).min(cut.neurons) as usize;
        layers.push(LayerCopies::new(&stored, first, cut.neurons as usize - first)?);
        blocks.extend((pinned..cut.per_layer()).map(|index| cut.block(layer, index)));
    }
    let segment = |&block: &Block| Segment { file: file.file(), extent: file.block_extent(block) };
    let pool = Pool::new(BLOCKS, cut.place_bytes)?;
    let mut stream = ReadAhead::once(reads.client(), blocks.iter().map(segment).collect(), pool);
    for (index, &block) in blocks.iter().enumerate() {
        let read = LoadedBlock { block, records: stream.take(index)? };
        file.check_blocks(&math.compute, std::slice::from_ref(&read))?;
        for record in file.records(block, read.records.bytes()) {
            let rows = MatrixView::new(stored.element(), stored.rows(), stored.width(), record)?;
            layers[block.layer as usize].push(math, rows);
        }
        loaded(read.records.bytes().len() as u64);
    }
    layers.iter_mut().for_each(|layer| layer.finish(math));
    Ok(NeuronCopies { layers })
}
