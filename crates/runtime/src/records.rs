//! The file of neuron records as the engine sees it: where a record lies, and whether its bytes are right.

use crate::RuntimeError;
use crate::plan::Block;
use flint_bundle::{Bundle, check_record};
use flint_geometry::{Extent, NeuronKey, RecordLayout};

/// Where records lie and what they must be.
#[derive(Debug)]
pub(crate) struct RecordFile {
    bundle: Bundle,
    layout: RecordLayout,
    verify: bool,
}

impl RecordFile {
    pub(crate) fn new(bundle: Bundle, verify: bool) -> RecordFile {
        let layout = bundle.shape().record;
        RecordFile { bundle, layout, verify }
    }

    pub(crate) fn bundle(&self) -> &Bundle {
        &self.bundle
    }

    pub(crate) fn record_extent(&self, key: NeuronKey) -> Extent {
        self.bundle.groups()[key.group as usize].record_extent(key.neuron)
    }

    /// From the first byte of the first record to the last byte of the last one.
    pub(crate) fn block_extent(&self, block: Block) -> Extent {
        let first = self.record_extent(NeuronKey { group: block.layer, neuron: block.first });
        let last_neuron = block.first + block.count - 1;
        let last = self.record_extent(NeuronKey { group: block.layer, neuron: last_neuron });
        let len = last.end() - first.offset();
        Extent::new(first.offset(), len).unwrap_or_else(|| unreachable!("the bundle was validated"))
    }

    /// Checks one record that was read.
    pub(crate) fn check(&self, key: NeuronKey, bytes: &[u8]) -> Result<(), RuntimeError> {
        if !self.verify {
            return Ok(());
        }
        let expected = self.bundle.groups()[key.group as usize].record_crc(key.neuron);
        check_record(bytes, expected).map_err(|mismatch| RuntimeError::Corrupt {
            file: self.bundle.neurons_path(),
            offset: self.record_extent(key).offset(),
            layer: key.group,
            neuron: key.neuron,
            expected,
            got: mismatch.got,
        })
    }

    /// Checks every record of a block that was read.
    pub(crate) fn check_block(&self, block: Block, bytes: &[u8]) -> Result<(), RuntimeError> {
        for (neuron, record) in (block.first..).zip(self.records(block, bytes)) {
            self.check(NeuronKey { group: block.layer, neuron }, record)?;
        }
        Ok(())
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
