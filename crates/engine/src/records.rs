//! The file of neuron records as the engine sees it: where a record lies, and whether its bytes are right.

use crate::EngineError;
use crate::plan::Block;
use crate::read_ahead::Loaded;
use flint_bundle::{Bundle, check_record};
use flint_flash_io::FileId;
use flint_geometry::{Extent, RecordLayout, UnitKey};
use flint_kernels::Compute;
use std::sync::{Mutex, PoisonError};

/// A block whose bytes are in memory.
#[derive(Debug)]
pub(crate) struct LoadedBlock {
    pub(crate) block: Block,
    pub(crate) records: Loaded,
}

/// Where records lie and what they must be.
#[derive(Debug)]
pub(crate) struct RecordFile {
    bundle: Bundle,
    /// Which of the files of the reader.
    file: FileId,
    layout: RecordLayout,
    verify: bool,
}

impl RecordFile {
    pub(crate) fn new(bundle: Bundle, file: FileId, verify: bool) -> RecordFile {
        let layout = bundle.shape().record;
        RecordFile { bundle, file, layout, verify }
    }

    pub(crate) fn bundle(&self) -> &Bundle {
        &self.bundle
    }

    pub(crate) fn file(&self) -> FileId {
        self.file
    }

    pub(crate) fn record_extent(&self, key: UnitKey) -> Extent {
        self.bundle.groups()[key.group as usize].record_extent(key.neuron)
    }

    /// From the first byte of the first record to the last byte of the last one.
    pub(crate) fn block_extent(&self, block: Block) -> Extent {
        let first = self.record_extent(UnitKey { group: block.layer, neuron: block.first });
        let last_neuron = block.first + block.count - 1;
        let last = self.record_extent(UnitKey { group: block.layer, neuron: last_neuron });
        let len = last.end() - first.offset();
        Extent::new(first.offset(), len).unwrap_or_else(|| unreachable!("the bundle was validated"))
    }

    /// Checks one record that was read.
    pub(crate) fn check(&self, key: UnitKey, bytes: &[u8]) -> Result<(), EngineError> {
        if !self.verify {
            return Ok(());
        }
        let expected = self.bundle.groups()[key.group as usize].record_crc(key.neuron);
        check_record(bytes, expected).map_err(|mismatch| EngineError::Corrupt {
            file: self.bundle.neurons_path(),
            offset: self.record_extent(key).offset(),
            layer: key.group,
            neuron: key.neuron,
            expected,
            got: mismatch.got,
        })
    }

    /// Checks every record of consecutive blocks of a layer that were read, on all threads.
    pub(crate) fn check_blocks(
        &self,
        compute: &Compute,
        blocks: &[LoadedBlock],
    ) -> Result<(), EngineError> {
        if !self.verify {
            return Ok(());
        }
        let records = blocks.iter().flat_map(|loaded| {
            let keys =
                (loaded.block.first..).map(|neuron| UnitKey { group: loaded.block.layer, neuron });
            keys.zip(self.records(loaded.block, loaded.records.bytes()))
        });
        let bytes = blocks.iter().map(|loaded| loaded.records.bytes().len()).sum();
        let first_wrong = Mutex::new(None);
        compute.share(bytes, records, |(key, record)| {
            if let Err(error) = self.check(key, record) {
                let mut first = first_wrong.lock().unwrap_or_else(PoisonError::into_inner);
                if first.as_ref().is_none_or(|(other, _)| key < *other) {
                    *first = Some((key, error));
                }
            }
        });
        let first = first_wrong.into_inner().unwrap_or_else(PoisonError::into_inner);
        first.map_or(Ok(()), |(_, error)| Err(error))
    }

    /// The records of a block, ascending.
    pub(crate) fn records<'a>(
        &self,
        block: Block,
        bytes: &'a [u8],
    ) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let (stride, payload) = (self.layout.stride() as usize, self.layout.payload_bytes());
        (0..block.count as usize).map(move |i| &bytes[i * stride..i * stride + payload])
    }
}
