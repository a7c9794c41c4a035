//! Experts as units: what is read, kept and computed as one is the three matrices of an expert, wherever they lie in the files
//! of the model.

use crate::EngineError;
use crate::tensors::{StoredTensor, Tensors};
use flint_flash_io::{Reader, Segment, Segments};
use flint_geometry::DType;
use flint_model::{Architecture, LayerPart, Projection, TensorRole};
use std::sync::Arc;

/// One matrix of an expert.
#[derive(Debug, Clone)]
pub(crate) struct ExpertMatrix {
    /// Name of the tensor that it is, or is a part of.
    pub(crate) name: Arc<str>,
    pub(crate) dtype: DType,
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    pub(crate) segment: Segment,
    /// CRC-32C of its bytes, where it is known.
    pub(crate) crc: Option<u32>,
}

/// An expert: gate, up and down.
#[derive(Debug, Clone)]
pub(crate) struct ExpertUnit {
    pub(crate) matrices: [ExpertMatrix; 3],
}

impl ExpertUnit {
    /// What is read of it, gate first.
    pub(crate) fn segments(&self) -> Segments {
        let list = self.matrices.each_ref().map(|matrix| matrix.segment);
        Segments::new(&list).unwrap_or_else(|| unreachable!("three segments are a record"))
    }

    /// Its bytes as stored.
    pub(crate) fn bytes(&self) -> u64 {
        self.matrices.iter().map(|matrix| matrix.segment.extent.len()).sum()
    }
}

/// The experts of all layers.
#[derive(Debug, Clone, Default)]
pub(crate) struct ExpertUnits {
    /// By layer; none where a layer has no experts.
    pub(crate) layers: Vec<Vec<ExpertUnit>>,
}

impl ExpertUnits {
    /// The experts of a model.
    ///
    /// # Errors
    /// When a matrix of one is not among the tensors.
    pub(crate) fn of(
        tensors: &Tensors,
        architecture: &Architecture,
    ) -> Result<ExpertUnits, EngineError> {
        let units = |layer: usize| {
            let count = architecture.experts(layer).map_or(0, |experts| experts.count) as u32;
            (0..count).map(|expert| unit(tensors, layer, expert)).collect()
        };
        let layers = (0..architecture.layers).map(units).collect::<Result<_, EngineError>>()?;
        Ok(ExpertUnits { layers })
    }

    /// The most memory that reading an expert of `layer` takes.
    pub(crate) fn lease_bytes(&self, layer: usize, reader: &Reader) -> usize {
        let each = self.layers[layer].iter().map(|unit| reader.lease_bytes_of(&unit.segments()));
        each.max().unwrap_or(0)
    }
}

fn unit(tensors: &Tensors, layer: usize, expert: u32) -> Result<ExpertUnit, EngineError> {
    let matrix = |projection| {
        let role = TensorRole::Layer(layer, LayerPart::Expert(expert, projection));
        tensors.find(role).map(of_tensor)
    };
    let [gate, up, down] = Projection::ALL.map(matrix);
    Ok(ExpertUnit { matrices: [gate?, up?, down?] })
}

fn of_tensor(tensor: &StoredTensor) -> ExpertMatrix {
    let (rows, columns) = (tensor.dims[0] as usize, tensor.dims[1] as usize);
    let extent = tensor.runs.first().copied();
    let extent = extent.unwrap_or_else(|| unreachable!("a matrix of an expert is one run"));
    let segment = Segment { file: tensor.file, extent };
    let (name, dtype, crc) = (tensor.name.as_str().into(), tensor.dtype, tensor.crc);
    ExpertMatrix { name, dtype, rows, columns, segment, crc }
}
