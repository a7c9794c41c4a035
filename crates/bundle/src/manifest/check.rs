//! From what a manifest claims to what may be relied upon: no number is used before it is checked.
//!
//! A manifest may come from anywhere. Attacks that were thought of, each with a test in
//! `tests/it/hostile.rs`, each refused before memory is taken for it:
//!
//! - a manifest file of many gigabytes, or a payload length that is not what follows the header;
//! - list counts and text lengths near 2^64 (items grow one by one, texts borrow from the payload);
//! - lists of items that are smaller in the payload than in memory, by the million (`at_most.rs`);
//! - texts that are not UTF-8, options, bools and enumerations with values that do not exist;
//! - bytes after the last field;
//! - offsets and lengths whose sum passes 2^64, sections outside their file, sections that overlap,
//!   leave holes or are out of order (sections must tile their file, in table order);
//! - tensor sizes whose product passes 2^64, sizes of zero, hundreds of dimensions;
//! - a shape of zero layers, neurons or width, or one whose records pass 2^64 bytes;
//! - more or fewer groups, neurons, checksums, predictors or calibrated groups than the shape says;
//! - an order that names a neuron twice or one that is not there; the same for hot neurons;
//! - a bias that is not a tensor, has another type or size, or belongs to a gate that is not there;
//! - names that are empty, very long, hold control characters, or occur twice;
//! - text names that are paths (`../x`, `/x`, `a\b`): none is ever opened, whoever unpacks them
//!   might;
//! - data files outside the bundle: their names are made here from role and suffix, never read; a data file that
//!   is a link is followed, a loop of links or a pipe is an error;
//! - calibration numbers that are infinite or NaN: they are shown, and forecasts are computed from them.

mod lists;
mod names;
mod tiles;

pub(crate) use lists::distinct_neurons;
pub(crate) use names::check_name;

use super::v1::{
    CalibrationV1, ElementV1, FileV1, GroupV1, ManifestV1, PredictorsV1, SectionV1, ShapeV1,
    SourceV1, TensorV1, TextV1,
};
use crate::contents::{Contents, DataFile};
use crate::tensor::{MAX_DIMS, tensor_bytes};
use crate::{
    Calibration, Counted, DataFileKind, Group, GroupCalibration, LoadsPerToken, ManifestFault,
    Named, PredictorEntry, Predictors, Provenance, TensorEntry, TextEntry,
};
use flint_geometry::{DType, Extent, ModelShape, RecordLayout};
use lists::check_count;
use names::{check_unique, checked_name};
use tiles::Tiles;

type Checked<T> = Result<T, ManifestFault>;

/// The contents of a manifest that contradicts nothing.
pub(super) fn check(raw: ManifestV1<'_>) -> Checked<Contents> {
    let shape = check_shape(&raw.shape)?;
    let dense_file = data_file(DataFileKind::Dense, &raw.dense_file);
    let neurons_file = data_file(DataFileKind::Neurons, &raw.neurons_file);
    let texts_file = data_file(DataFileKind::Texts, &raw.texts_file);
    let predictors_file =
        raw.predictors.as_ref().map(|found| data_file(DataFileKind::Predictors, &found.file));
    let tensors = check_tensors(raw.tensors, dense_file)?;
    let groups = check_groups(raw.groups, neurons_file, &shape, &tensors)?;
    Ok(Contents {
        source: check_source(&raw.source)?,
        architecture: raw.architecture.to_owned(),
        texts: check_texts(raw.texts, texts_file)?,
        predictors: raw.predictors.map(|found| check_predictors(found, &shape)).transpose()?,
        calibration: raw.calibration.map(|found| check_calibration(found, &shape)).transpose()?,
        shape,
        dense_file,
        neurons_file,
        texts_file,
        predictors_file,
        tensors,
        groups,
    })
}

fn check_source(raw: &SourceV1<'_>) -> Checked<Provenance> {
    let field = |text| checked_name(Named::Provenance, text);
    Ok(Provenance {
        family: field(raw.family)?,
        converter: field(raw.converter)?,
        fingerprint: field(raw.fingerprint)?,
    })
}

fn check_shape(raw: &ShapeV1) -> Checked<ModelShape> {
    let &ShapeV1 { layers, neurons, width, .. } = raw;
    let empty = ManifestFault::EmptyShape { layers, neurons, width };
    if layers == 0 || neurons == 0 {
        return Err(empty);
    }
    let record = RecordLayout::new(element_type(&raw.element), width, raw.gated).ok_or(empty)?;
    let (vocabulary, context, kv_width) = (raw.vocabulary, raw.context, raw.kv_width);
    Ok(ModelShape { layers, neurons, vocabulary, context, kv_width, record })
}

fn element_type(raw: &ElementV1) -> DType {
    match raw {
        ElementV1::F16 => DType::F16,
        ElementV1::Bf16 => DType::Bf16,
        ElementV1::F32 => DType::F32,
    }
}

fn data_file(role: DataFileKind, raw: &FileV1) -> DataFile {
    DataFile { role, suffix: raw.suffix, len: raw.len }
}

fn check_tensors(raw: Vec<TensorV1<'_>>, file: DataFile) -> Checked<Vec<TensorEntry>> {
    let mut tiles = Tiles::new(file.role);
    let mut tensors = Vec::with_capacity(raw.len());
    for tensor in raw {
        let name = checked_name(Named::Tensor, tensor.name)?;
        let element = element_type(&tensor.element);
        check_dims(&name, element, &tensor.dims, tensor.section.len)?;
        let (extent, crc) = (place(&mut tiles, &tensor.section)?, tensor.section.crc);
        tensors.push(TensorEntry { name, element, dims: tensor.dims, extent, crc });
    }
    tiles.finish(file.len)?;
    check_unique(Named::Tensor, tensors.iter().map(|tensor| tensor.name.as_str()))?;
    Ok(tensors)
}

/// Whether a tensor of these sizes has `len` bytes.
pub(crate) fn check_dims(name: &str, element: DType, dims: &[u64], len: u64) -> Checked<()> {
    let tensor = || name.to_owned();
    let smallest = dims.iter().copied().min().unwrap_or(1);
    if dims.len() > MAX_DIMS || smallest == 0 {
        return Err(ManifestFault::Dims { tensor: tensor(), count: dims.len(), smallest });
    }
    let expected = tensor_bytes(element, dims);
    if expected != Some(len) {
        return Err(ManifestFault::TensorLength { tensor: tensor(), expected, got: len });
    }
    Ok(())
}

fn place(tiles: &mut Tiles, raw: &SectionV1) -> Checked<Extent> {
    tiles.place(raw.offset, Some(raw.len))
}

fn check_groups(
    raw: Vec<GroupV1>,
    file: DataFile,
    shape: &ModelShape,
    tensors: &[TensorEntry],
) -> Checked<Vec<Group>> {
    check_count(Counted::Groups, u64::from(shape.layers), raw.len())?;
    let mut tiles = Tiles::new(file.role);
    let mut groups = Vec::with_capacity(raw.len());
    for (index, group) in (0u32..).zip(raw) {
        check_count(Counted::Neurons, u64::from(shape.neurons), group.neurons as usize)?;
        check_count(Counted::Checksums, u64::from(shape.neurons), group.record_crcs.len())?;
        if !group.order.is_empty() {
            check_count(Counted::Order, u64::from(shape.neurons), group.order.len())?;
            distinct_neurons(Counted::Order, index, &group.order, shape.neurons)?;
        }
        if let Some(tensor) = group.gate_bias.filter(|_| !shape.record.is_gated()) {
            return Err(ManifestFault::Bias { group: index, tensor });
        }
        check_bias(index, group.gate_bias, shape, tensors)?;
        check_bias(index, group.up_bias, shape, tensors)?;
        let len = u64::from(shape.neurons).checked_mul(shape.record.stride());
        tiles.place(group.offset, len)?;
        groups.push(checked_group(group, shape));
    }
    tiles.finish(file.len)?;
    Ok(groups)
}

fn checked_group(raw: GroupV1, shape: &ModelShape) -> Group {
    let mut group = Group::new(shape.record, raw.offset, raw.order, raw.record_crcs);
    group.gate_bias = raw.gate_bias;
    group.up_bias = raw.up_bias;
    group
}

fn check_bias(
    group: u32,
    bias: Option<u32>,
    shape: &ModelShape,
    tensors: &[TensorEntry],
) -> Checked<()> {
    let Some(tensor) = bias else { return Ok(()) };
    let fits = |found: &TensorEntry| {
        found.element == DType::F32 && found.dims == [u64::from(shape.neurons)]
    };
    match tensors.get(tensor as usize).is_some_and(fits) {
        true => Ok(()),
        false => Err(ManifestFault::Bias { group, tensor }),
    }
}

fn check_texts(raw: Vec<TextV1<'_>>, file: DataFile) -> Checked<Vec<TextEntry>> {
    let mut tiles = Tiles::new(file.role);
    let mut texts = Vec::with_capacity(raw.len());
    for text in raw {
        let name = checked_name(Named::Text, text.name)?;
        let (extent, crc) = (place(&mut tiles, &text.section)?, text.section.crc);
        texts.push(TextEntry { name, extent, crc });
    }
    tiles.finish(file.len)?;
    check_unique(Named::Text, texts.iter().map(|text| text.name.as_str()))?;
    Ok(texts)
}

fn check_predictors(raw: PredictorsV1<'_>, shape: &ModelShape) -> Checked<Predictors> {
    let kind = checked_name(Named::PredictorKind, raw.kind)?;
    check_count(Counted::Predictors, u64::from(shape.layers), raw.groups.len())?;
    let mut tiles = Tiles::new(DataFileKind::Predictors);
    let mut groups = Vec::with_capacity(raw.groups.len());
    for section in raw.groups {
        groups.push(match section {
            None => PredictorEntry::Dense,
            Some(section) => {
                PredictorEntry::Blob { extent: place(&mut tiles, &section)?, crc: section.crc }
            }
        });
    }
    tiles.finish(raw.file.len)?;
    Ok(Predictors { kind, groups })
}

fn check_calibration(raw: CalibrationV1, shape: &ModelShape) -> Checked<Calibration> {
    check_count(Counted::Calibrated, u64::from(shape.layers), raw.groups.len())?;
    let mut groups = Vec::with_capacity(raw.groups.len());
    for (index, group) in (0u32..).zip(raw.groups) {
        distinct_neurons(Counted::Hot, index, &group.hot, shape.neurons)?;
        groups.push(GroupCalibration {
            active_mean: group.active_mean,
            predicted_mean: group.predicted_mean,
            recall: group.recall,
            precision: group.precision,
            hot: group.hot,
        });
    }
    let loads = raw.loads_per_token.into_iter();
    Ok(Calibration {
        tokens: raw.tokens,
        groups,
        perplexity_exact: raw.perplexity_exact,
        perplexity_sparse: raw.perplexity_sparse,
        loads_per_token: loads
            .map(|at| LoadsPerToken { slots: at.slots, loads: at.loads })
            .collect(),
    })
}
