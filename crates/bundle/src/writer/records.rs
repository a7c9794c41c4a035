//! Neuron groups: biases into the dense file, records one after another into the neurons file.

use super::BundleWriter;
use crate::manifest::distinct_neurons;
use crate::{BundleError, Counted, Group};
use flint_geometry::DType;

/// A group whose records are still arriving.
#[derive(Debug)]
pub(super) struct OpenGroup {
    order: Vec<u32>,
    gate_bias: Option<u32>,
    up_bias: Option<u32>,
    neurons: u32,
    /// Checksums of the records so far.
    crcs: Vec<u32>,
}

impl BundleWriter {
    /// Begins the next group, its records in ascending order of neurons. Biases hold one number per
    /// neuron and become the tensors `groups.N.gate_bias` and `groups.N.up_bias`.
    ///
    /// # Errors
    /// When the system refuses.
    ///
    /// # Panics
    /// When a group or a tensor is not finished, when all groups are there, when `neurons`
    /// or the length of a bias is not what the shape says, or for a gate bias in a shape without
    /// gates.
    pub fn begin_group(
        &mut self,
        neurons: u32,
        gate_bias: Option<&[f32]>,
        up_bias: Option<&[f32]>,
    ) -> Result<(), BundleError> {
        assert!(self.open_group.is_none(), "a group is not finished");
        assert!(self.groups.len() < self.shape.layers as usize, "more groups than layers");
        assert_eq!(neurons, self.shape.neurons, "neurons of a group");
        assert!(gate_bias.is_none() || self.shape.record.is_gated(), "a gate bias without gates");
        let gate_bias = self.bias("gate_bias", gate_bias)?;
        let up_bias = self.bias("up_bias", up_bias)?;
        self.neurons_file.begin();
        let (order, crcs) = (Vec::new(), Vec::new());
        self.open_group = Some(OpenGroup { order, gate_bias, up_bias, neurons, crcs });
        Ok(())
    }

    /// As [`BundleWriter::begin_group`], its records in the order given: `order[position]` is the
    /// neuron of the record at that position. Biases stay in ascending order of neurons.
    ///
    /// # Errors
    /// When `order` names a neuron twice or one that is not there, or when the system refuses.
    ///
    /// # Panics
    /// As `begin_group`, with the length of `order` as the number of neurons.
    pub fn begin_ordered_group(
        &mut self,
        order: Vec<u32>,
        gate_bias: Option<&[f32]>,
        up_bias: Option<&[f32]>,
    ) -> Result<(), BundleError> {
        let (group, neurons) = (self.groups.len() as u32, order.len() as u32);
        self.check(distinct_neurons(Counted::Order, group, &order, neurons))?;
        self.begin_group(neurons, gate_bias, up_bias)?;
        if let Some(open) = &mut self.open_group {
            open.order = order;
        }
        Ok(())
    }

    /// Stores the next record of the group: its parts, joined, are the payload.
    ///
    /// # Errors
    /// When the system refuses.
    ///
    /// # Panics
    /// When no group was begun, when it has all its records, or when the parts do not make
    /// a payload.
    pub fn record(&mut self, parts: &[&[u8]]) -> Result<(), BundleError> {
        let Some(open) = &mut self.open_group else { panic!("no group was begun") };
        assert!(open.crcs.len() < open.neurons as usize, "more records than neurons");
        let bytes: usize = parts.iter().map(|part| part.len()).sum();
        assert_eq!(bytes, self.shape.record.payload_bytes(), "bytes of a record");
        let mut crc = 0;
        for part in parts {
            crc = crc32c::crc32c_append(crc, part);
            self.neurons_file.append(part)?;
        }
        open.crcs.push(crc);
        self.neurons_file.append_zeros(self.shape.record.stride() - bytes as u64)
    }

    /// Ends the group.
    ///
    /// # Errors
    /// When the system refuses.
    ///
    /// # Panics
    /// When no group was begun, or records are missing.
    pub fn finish_group(&mut self) -> Result<(), BundleError> {
        let Some(open) = self.open_group.take() else { panic!("no group was begun") };
        assert_eq!(open.crcs.len(), open.neurons as usize, "records of the group");
        let (extent, _) = self.neurons_file.end()?;
        let mut group = Group::new(self.shape.record, extent.offset(), open.order, open.crcs);
        group.gate_bias = open.gate_bias;
        group.up_bias = open.up_bias;
        self.groups.push(group);
        Ok(())
    }

    /// Stores a bias of the group to come; its index in the tensor table.
    fn bias(&mut self, kind: &str, bias: Option<&[f32]>) -> Result<Option<u32>, BundleError> {
        let Some(bias) = bias else { return Ok(None) };
        assert_eq!(bias.len(), self.shape.neurons as usize, "numbers of a bias");
        let bytes: Vec<u8> = bias.iter().flat_map(|number| number.to_le_bytes()).collect();
        let name = format!("groups.{}.{kind}", self.groups.len());
        self.tensor(&name, DType::F32, &[bias.len() as u64], &bytes)?;
        Ok(Some(self.tensors.len() as u32 - 1))
    }
}
