//! The checked description turned into the frozen structs of version 1.

use super::*;
use crate::contents::{Contents, DataFile};
use crate::{Calibration, Group, GroupCalibration, PredictorEntry, Predictors, TensorEntry};
use flint_geometry::{DType, Extent, ModelShape};

impl<'a> From<&'a Contents> for ManifestV1<'a> {
    fn from(contents: &'a Contents) -> ManifestV1<'a> {
        let source = &contents.source;
        ManifestV1 {
            source: SourceV1 {
                family: &source.family,
                converter: &source.converter,
                fingerprint: &source.fingerprint,
            },
            shape: shape(&contents.shape),
            architecture: &contents.architecture,
            dense_file: file(&contents.dense_file),
            neurons_file: file(&contents.neurons_file),
            texts_file: file(&contents.texts_file),
            tensors: contents.tensors.iter().map(tensor).collect(),
            groups: contents.groups.iter().map(group).collect(),
            texts: contents
                .texts
                .iter()
                .map(|text| TextV1 { name: &text.name, section: section(text.extent, text.crc) })
                .collect(),
            predictors: contents
                .predictors_file
                .as_ref()
                .zip(contents.predictors.as_ref())
                .map(|(data_file, all)| predictors(data_file, all)),
            calibration: contents.calibration.as_ref().map(calibration),
        }
    }
}

fn shape(shape: &ModelShape) -> ShapeV1 {
    ShapeV1 {
        layers: shape.layers,
        neurons: shape.neurons,
        vocabulary: shape.vocabulary,
        context: shape.context,
        kv_width: shape.kv_width,
        element: element(shape.record.element()),
        // A record's width is a u32 inside.
        width: shape.record.width() as u32,
        gated: shape.record.is_gated(),
    }
}

fn element(element: DType) -> ElementV1 {
    match element {
        DType::F16 => ElementV1::F16,
        DType::Bf16 => ElementV1::Bf16,
        DType::F32 => ElementV1::F32,
        quantised => unreachable!("format version 1 has no {quantised}"),
    }
}

fn file(file: &DataFile) -> FileV1 {
    FileV1 { suffix: file.suffix, len: file.len }
}

fn section(extent: Extent, crc: u32) -> SectionV1 {
    SectionV1 { offset: extent.offset(), len: extent.len(), crc }
}

fn tensor(tensor: &TensorEntry) -> TensorV1<'_> {
    TensorV1 {
        name: &tensor.name,
        element: element(tensor.element),
        dims: tensor.dims.clone(),
        section: section(tensor.extent, tensor.crc),
    }
}

fn group(group: &Group) -> GroupV1 {
    GroupV1 {
        neurons: group.neurons(),
        offset: group.start,
        gate_bias: group.gate_bias,
        up_bias: group.up_bias,
        order: group.order().to_vec(),
        record_crcs: group.crcs().to_vec(),
    }
}

fn predictors<'a>(data_file: &DataFile, predictors: &'a Predictors) -> PredictorsV1<'a> {
    let blob = |entry: &PredictorEntry| match *entry {
        PredictorEntry::Dense => None,
        PredictorEntry::Blob { extent, crc } => Some(section(extent, crc)),
    };
    let groups = predictors.groups.iter().map(blob).collect();
    PredictorsV1 { file: file(data_file), kind: &predictors.kind, groups }
}

fn calibration(calibration: &Calibration) -> CalibrationV1 {
    CalibrationV1 {
        tokens: calibration.tokens,
        groups: calibration.groups.iter().map(group_calibration).collect(),
        perplexity_exact: calibration.perplexity_exact,
        perplexity_sparse: calibration.perplexity_sparse,
        loads_per_token: calibration
            .loads_per_token
            .iter()
            .map(|at| LoadsV1 { slots: at.slots, loads: at.loads })
            .collect(),
    }
}

fn group_calibration(group: &GroupCalibration) -> GroupCalibrationV1 {
    GroupCalibrationV1 {
        active_mean: group.active_mean,
        predicted_mean: group.predicted_mean,
        recall: group.recall,
        precision: group.precision,
        hot: group.hot.clone(),
    }
}
