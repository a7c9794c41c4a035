//! The sample bundle: every feature of the format once, in a few KiB. The fixture holds its bytes.

use flint_bundle::{
    Bundle, BundleError, BundleWriter, Calibration, GroupCalibration, LoadsPerToken, Overwrite,
    PredictorEntry, Provenance, replace_predictors,
};
use flint_geometry::{DType, ModelShape, RecordLayout};
use std::fs;
use std::path::Path;

pub(crate) const NEURONS: u32 = 5;
pub(crate) const WIDTH: u32 = 33;
pub(crate) const ARCHITECTURE: &str = r#"{"activation":"relu"}"#;
pub(crate) const CONFIG: &[u8] = b"{\"model_type\": \"sample\"}\n";
pub(crate) const TOKENIZER: &[u8] = "{\"ä\": 0}".as_bytes();
/// Stored order of the second group.
pub(crate) const ORDER: [u32; 5] = [4, 2, 0, 3, 1];
pub(crate) const GATE_BIAS: [f32; 5] = [0.5, -1.0, 0.0, 2.5, -0.25];
pub(crate) const UP_BIAS: [f32; 5] = [1.0, 2.0, 3.0, 4.0, 5.0];
pub(crate) const PREDICTOR: &[u8] = b"a predictor is opaque here";

pub(crate) fn shape() -> ModelShape {
    let record = RecordLayout::new(DType::Bf16, WIDTH, true).unwrap();
    ModelShape { layers: 2, neurons: NEURONS, vocabulary: 7, context: 16, kv_width: 8, record }
}

pub(crate) fn source() -> Provenance {
    let [family, converter, fingerprint] = ["sample", "flint 0.1.0", "0123abcd"].map(str::to_owned);
    Provenance { family, converter, fingerprint }
}

/// Bytes that differ from place to place; `salt` tells one run from another.
pub(crate) fn bytes(salt: u32, len: usize) -> Vec<u8> {
    (0..len as u32)
        .map(|at| (at.wrapping_mul(31) ^ salt.wrapping_mul(167)).to_le_bytes()[0])
        .collect()
}

/// The payload of one record.
pub(crate) fn record(group: u32, neuron: u32) -> Vec<u8> {
    bytes(100 + group * 50 + neuron, 3 * 2 * WIDTH as usize)
}

pub(crate) fn calibration() -> Calibration {
    let group = |hot: Vec<u32>| GroupCalibration {
        active_mean: 1.5,
        predicted_mean: 2.25,
        recall: 0.75,
        precision: 0.5,
        hot,
    };
    Calibration {
        tokens: 1000,
        groups: vec![group(vec![3, 0]), group(vec![])],
        perplexity_exact: Some(12.5),
        perplexity_sparse: None,
        loads_per_token: vec![
            LoadsPerToken { slots: 2, loads: 3.5 },
            LoadsPerToken { slots: 10, loads: 0.0 },
        ],
    }
}

pub(crate) fn writer(dir: &Path, overwrite: Overwrite) -> Result<BundleWriter, BundleError> {
    BundleWriter::create(dir, overwrite, shape(), source(), ARCHITECTURE.to_owned())
}

/// The sample without predictors.
pub(crate) fn write_weights(dir: &Path, overwrite: Overwrite) -> Bundle {
    fill(dir, overwrite).commit().unwrap()
}

/// All of it but the commit.
pub(crate) fn fill(dir: &Path, overwrite: Overwrite) -> BundleWriter {
    let mut writer = writer(dir, overwrite).unwrap();
    writer.tensor("embedding", DType::F16, &[7, 33], &bytes(1, 7 * 33 * 2)).unwrap();
    writer.begin_group(NEURONS, Some(&GATE_BIAS), Some(&UP_BIAS)).unwrap();
    for neuron in 0..NEURONS {
        let record = record(0, neuron);
        let (gate, rest) = record.split_at(66);
        writer.record(&[gate, &rest[..66], &rest[66..]]).unwrap();
    }
    writer.finish_group().unwrap();
    writer.text("config.json", CONFIG).unwrap();
    writer.begin_ordered_group(ORDER.to_vec(), None, None).unwrap();
    for neuron in ORDER {
        writer.record(&[&record(1, neuron)]).unwrap();
    }
    writer.finish_group().unwrap();
    writer.begin_tensor("norm", DType::Bf16, &[33]).unwrap();
    for piece in bytes(2, 66).chunks(10) {
        writer.append_tensor(piece).unwrap();
    }
    writer.finish_tensor().unwrap();
    writer.tensor("scale", DType::F32, &[], &bytes(3, 4)).unwrap();
    writer.text("tokenizer.json", TOKENIZER).unwrap();
    writer
}

/// The whole sample.
pub(crate) fn write(dir: &Path) -> Bundle {
    write_weights(dir, Overwrite::Refuse);
    replace_predictors(dir, "low-rank", [Some(PREDICTOR), None], Some(calibration())).unwrap()
}

/// Asserts that `bundle` is the sample, apart from its predictors.
pub(crate) fn assert_weights(bundle: &Bundle) {
    assert_eq!((bundle.shape(), bundle.source()), (&shape(), &source()));
    assert_eq!(bundle.architecture(), ARCHITECTURE);
    assert_tensor(bundle, "embedding", DType::F16, &[7, 33], &bytes(1, 462));
    assert_tensor(bundle, "norm", DType::Bf16, &[33], &bytes(2, 66));
    assert_tensor(bundle, "scale", DType::F32, &[], &bytes(3, 4));
    for (name, bias) in [("groups.0.gate_bias", GATE_BIAS), ("groups.0.up_bias", UP_BIAS)] {
        let bytes: Vec<u8> = bias.iter().flat_map(|number| number.to_le_bytes()).collect();
        assert_tensor(bundle, name, DType::F32, &[5], &bytes);
    }
    assert_eq!(bundle.tensors().len(), 5);
    assert_eq!(bundle.gate_bias(0), bundle.tensor("groups.0.gate_bias"));
    assert_eq!(bundle.up_bias(0), bundle.tensor("groups.0.up_bias"));
    assert_eq!((bundle.gate_bias(1), bundle.up_bias(1)), (None, None));
    assert_records(bundle);
    let names: Vec<&str> = bundle.texts().iter().map(|text| text.name.as_str()).collect();
    assert_eq!(names, ["config.json", "tokenizer.json"]);
    assert_eq!(bundle.read_text("config.json").unwrap(), CONFIG);
    assert_eq!(bundle.read_text("tokenizer.json").unwrap(), TOKENIZER);
    assert_eq!(bundle.weights_bytes(), 462 + 66 + 4 + 20 + 20 + 10 * 198);
    bundle.verify(&mut |_, _| {}).unwrap();
}

/// Asserts that `bundle` is the whole sample.
pub(crate) fn assert_sample(bundle: &Bundle) {
    assert_weights(bundle);
    let predictors = bundle.predictors().unwrap();
    assert_eq!((predictors.kind.as_str(), predictors.bytes()), ("low-rank", 26));
    assert!(matches!(predictors.groups[..], [PredictorEntry::Blob { .. }, PredictorEntry::Dense]));
    assert_eq!(bundle.read_predictor(0).unwrap().as_deref(), Some(PREDICTOR));
    assert_eq!(bundle.read_predictor(1).unwrap(), None);
    assert_eq!(bundle.calibration(), Some(&calibration()));
}

fn assert_tensor(bundle: &Bundle, name: &str, element: DType, dims: &[u64], expected: &[u8]) {
    let tensor = bundle.tensor(name).unwrap();
    assert_eq!((tensor.element, tensor.dims.as_slice()), (element, dims));
    let mut bytes = vec![0; tensor.extent.len() as usize];
    bundle.read_tensor_into(tensor, &mut bytes).unwrap();
    assert_eq!(bytes, expected, "{name}");
}

fn assert_records(bundle: &Bundle) {
    let file = fs::read(bundle.neurons_path()).unwrap();
    let ascending: Vec<u32> = (0..NEURONS).collect();
    for (index, order) in [(0, ascending.as_slice()), (1, &ORDER)] {
        let group = &bundle.groups()[index as usize];
        assert_eq!(group.extent().offset(), u64::from(index) * 4096);
        assert_eq!((group.neurons(), group.extent().len()), (5, 5 * 512));
        for (position, &neuron) in (0u32..).zip(order) {
            assert_eq!((group.neuron_at(position), group.position_of(neuron)), (neuron, position));
            let extent = group.record_extent(position);
            let payload = &file[extent.offset() as usize..extent.end() as usize];
            assert_eq!(payload, record(index, neuron));
            flint_bundle::check_record(payload, group.record_crc(position)).unwrap();
        }
    }
}
