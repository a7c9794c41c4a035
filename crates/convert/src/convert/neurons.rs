//! The neurons of a layer: rows of up (and gate) beside columns of down.

use super::recode::recode;
use super::{Conversion, ConvertError, Origin, Written};
use flint_bundle::BundleWriter;
use flint_checkpoint::{Picked, numbers};
use flint_geometry::DType;
use flint_model::{Affine, Architecture, LayerPart, ModelError, TensorRole};
use std::ops::Range;

/// Neurons that are put together at a time: enough for whole cache lines of the down projection, few
/// enough that their columns stay in the cache of the CPU.
const TILE: usize = 64;

/// The feed-forward of one layer as a checkpoint has it.
struct Layer<'a> {
    gate: Option<Picked<'a>>,
    up: Picked<'a>,
    down: Picked<'a>,
    gate_bias: Option<Picked<'a>>,
    up_bias: Option<Picked<'a>>,
}

impl<'a> Layer<'a> {
    fn find(
        origin: &'a Origin,
        architecture: &Architecture,
        layer: usize,
    ) -> Result<Layer<'a>, ConvertError> {
        let find = |part| origin.neurons(architecture, layer, part);
        let required = |part| {
            let missing =
                || ModelError::MissingTensor { tensor: TensorRole::Layer(layer, part).to_string() };
            find(part)?.ok_or_else(|| ConvertError::from(missing()))
        };
        Ok(Layer {
            gate: find(LayerPart::Gate(Affine::Weight))?,
            up: required(LayerPart::Up(Affine::Weight))?,
            down: required(LayerPart::Down)?,
            gate_bias: find(LayerPart::Gate(Affine::Bias))?,
            up_bias: find(LayerPart::Up(Affine::Bias))?,
        })
    }
}

/// Checks that every projection is there; returns how neurons will be stored: as asked, else as in the
/// checkpoint, else (where projections differ) wide enough for all.
pub(super) fn check(
    origin: &Origin,
    architecture: &Architecture,
    asked: Option<DType>,
) -> Result<DType, ConvertError> {
    let mut elements = Vec::new();
    for layer in 0..architecture.layers {
        let layer = Layer::find(origin, architecture, layer)?;
        elements.extend(layer.gate.iter().chain([&layer.up, &layer.down]).map(Picked::element));
    }
    elements.dedup();
    let kept = match elements[..] {
        [one] => one,
        _ => DType::F32,
    };
    match (asked, elements.iter().find(|dtype| dtype.is_quantised())) {
        (Some(asked), _) => Ok(asked),
        (None, Some(&dtype)) => {
            let name = "feed-forward".to_owned();
            Err(ConvertError::Quantised { name, dtype })
        }
        (None, None) => Ok(kept),
    }
}

/// Writes the records of one layer. Holds that layer's down projection, which is read by rows and stored
/// by columns.
pub(super) fn write_layer(
    conversion: &Conversion,
    layer: usize,
    writer: &mut BundleWriter,
    written: Written<'_>,
) -> Result<(), ConvertError> {
    let Conversion { origin, architecture, element, .. } = conversion;
    let neurons = architecture.most_neurons();
    let layer = Layer::find(origin, architecture, layer)?;
    let gate_bias = layer.gate_bias.as_ref().map(read_bias).transpose()?;
    let up_bias = layer.up_bias.as_ref().map(read_bias).transpose()?;
    let down = read_rows(&layer.down, 0..architecture.hidden, *element)?;
    writer.begin_group(neurons as u32, gate_bias.as_deref(), up_bias.as_deref())?;
    for first in (0..neurons).step_by(TILE) {
        let tile = first..(first + TILE).min(neurons);
        let gate = layer.gate.as_ref().map(|gate| read_rows(gate, tile.clone(), *element));
        let gate = gate.transpose()?;
        let up = read_rows(&layer.up, tile.clone(), *element)?;
        let down = columns(&down, architecture.hidden, neurons, tile.clone());
        let row_bytes = up.len() / tile.len();
        for row in (0..tile.len()).map(|index| index * row_bytes..(index + 1) * row_bytes) {
            let (up, down) = (&up[row.clone()], &down[row.clone()]);
            match &gate {
                Some(gate) => writer.record(&[&gate[row], up, down])?,
                None => writer.record(&[up, down])?,
            }
        }
        written(writer)?;
    }
    writer.finish_group()?;
    Ok(())
}

/// Some rows, encoded as they will be stored.
fn read_rows(
    picked: &Picked<'_>,
    rows: Range<usize>,
    element: DType,
) -> Result<Vec<u8>, ConvertError> {
    let mut raw = Vec::new();
    picked.read(rows, &mut raw)?;
    if picked.element() == element {
        return Ok(raw);
    }
    let mut coded = Vec::new();
    recode(picked.name(), picked.element(), &raw, element, &mut coded)?;
    Ok(coded)
}

fn read_bias(picked: &Picked<'_>) -> Result<Vec<f32>, ConvertError> {
    let mut raw = Vec::new();
    picked.read(0..picked.rows(), &mut raw)?;
    Ok(numbers(picked.element(), &raw).collect())
}

/// The columns `tile` of a matrix of `rows` rows and `width` columns, one column after the other.
fn columns(matrix: &[u8], rows: usize, width: usize, tile: Range<usize>) -> Vec<u8> {
    let row_bytes = matrix.len() / rows;
    let each = row_bytes / width;
    let mut columns = vec![0; tile.len() * rows * each];
    for (row, numbers) in matrix.chunks_exact(row_bytes).enumerate() {
        let wanted = &numbers[tile.start * each..tile.end * each];
        for (column, number) in columns.chunks_exact_mut(rows * each).zip(wanted.chunks_exact(each))
        {
            column[row * each..(row + 1) * each].copy_from_slice(number);
        }
    }
    columns
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_the_transpose() {
        // Two rows of three numbers of two bytes each.
        let matrix = [0, 1, 2, 3, 4, 5, 10, 11, 12, 13, 14, 15];
        assert_eq!(columns(&matrix, 2, 3, 1..3), [2, 3, 12, 13, 4, 5, 14, 15]);
    }
}
