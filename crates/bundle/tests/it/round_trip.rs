//! Whatever shape is written, the same bytes are read, where the format document puts them.

use crate::sample;
use flint_bundle::{Bundle, BundleWriter, Overwrite, check_record};
use flint_geometry::{DType, ModelShape, RecordLayout};
use proptest::prelude::*;
use std::fs;
use std::path::Path;

#[derive(Debug, Clone)]
struct Model {
    shape: ModelShape,
    tensors: Vec<(DType, Vec<u64>)>,
    texts: Vec<Vec<u8>>,
    /// Stored order, empty for ascending, and whether there are biases; per layer.
    groups: Vec<(Vec<u32>, bool)>,
}

fn element() -> impl Strategy<Value = DType> {
    prop_oneof![Just(DType::F16), Just(DType::Bf16), Just(DType::F32)]
}

fn model() -> impl Strategy<Value = Model> {
    let shape = (1u32..4, 1u32..12, element(), 1u32..1500, any::<bool>()).prop_map(
        |(layers, neurons, element, width, gated)| {
            let record = RecordLayout::new(element, width, gated).unwrap();
            ModelShape { layers, neurons, vocabulary: 3, context: 4, kv_width: 5, record }
        },
    );
    shape.prop_flat_map(|shape| {
        let ascending: Vec<u32> = (0..shape.neurons).collect();
        let order = prop_oneof![Just(Vec::new()), Just(ascending).prop_shuffle()];
        (
            proptest::collection::vec((element(), proptest::collection::vec(1u64..40, 0..4)), 0..4),
            proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..5000), 0..3),
            proptest::collection::vec((order, any::<bool>()), shape.layers as usize),
        )
            .prop_map(move |(tensors, texts, groups)| Model {
                shape,
                tensors,
                texts,
                groups,
            })
    })
}

fn payload(model: &Model, group: u32, neuron: u32) -> Vec<u8> {
    sample::bytes(group * 1000 + neuron, model.shape.record.payload_bytes())
}

fn tensor_bytes(element: DType, dims: &[u64], salt: u32) -> Vec<u8> {
    let each = if element == DType::F32 { 4 } else { 2 };
    sample::bytes(salt, dims.iter().product::<u64>() as usize * each)
}

fn write(model: &Model, dir: &Path) -> Bundle {
    let architecture = sample::ARCHITECTURE.to_owned();
    let refuse = Overwrite::Refuse;
    let mut writer =
        BundleWriter::create(dir, refuse, model.shape, sample::source(), architecture).unwrap();
    for (index, (element, dims)) in (0u32..).zip(&model.tensors) {
        let bytes = tensor_bytes(*element, dims, index);
        writer.tensor(&format!("tensor {index}"), *element, dims, &bytes).unwrap();
    }
    for (group, (order, biases)) in (0u32..).zip(&model.groups) {
        let bias = vec![0.5; model.shape.neurons as usize];
        let up = biases.then_some(bias.as_slice());
        let gate = up.filter(|_| model.shape.record.is_gated());
        match order.is_empty() {
            true => writer.begin_group(model.shape.neurons, gate, up).unwrap(),
            false => writer.begin_ordered_group(order.clone(), gate, up).unwrap(),
        }
        for position in 0..model.shape.neurons {
            let neuron = order.get(position as usize).copied().unwrap_or(position);
            let payload = payload(model, group, neuron);
            let (up, down) = payload.split_at(payload.len() / 2);
            writer.record(&[up, down]).unwrap();
        }
        writer.finish_group().unwrap();
    }
    for (index, text) in model.texts.iter().enumerate() {
        writer.text(&format!("{index}.txt"), text).unwrap();
    }
    writer.commit().unwrap()
}

fn assert_same(model: &Model, bundle: &Bundle) {
    assert_eq!(bundle.shape(), &model.shape);
    for (index, (element, dims)) in (0u32..).zip(&model.tensors) {
        let tensor = bundle.tensor(&format!("tensor {index}")).unwrap();
        let mut bytes = vec![0; tensor.extent.len() as usize];
        bundle.read_tensor_into(tensor, &mut bytes).unwrap();
        assert_eq!(bytes, tensor_bytes(*element, dims, index));
    }
    // Where the format document puts them: rounded by hand, not by the crate.
    let file = fs::read(bundle.neurons_path()).unwrap();
    let stride = model.shape.record.payload_bytes().div_ceil(512) * 512;
    let group_bytes = (stride * model.shape.neurons as usize).div_ceil(4096) * 4096;
    assert_eq!(file.len(), group_bytes * model.shape.layers as usize);
    for (index, (order, biases)) in (0u32..).zip(&model.groups) {
        let group = &bundle.groups()[index as usize];
        assert_eq!(bundle.up_bias(index).is_some(), *biases);
        for neuron in 0..model.shape.neurons {
            let position =
                order.iter().position(|&stored| stored == neuron).unwrap_or(neuron as usize);
            assert_eq!(group.position_of(neuron) as usize, position);
            let start = index as usize * group_bytes + position * stride;
            let payload = payload(model, index, neuron);
            assert_eq!(file[start..start + payload.len()], payload);
            check_record(&payload, group.record_crc(position as u32)).unwrap();
        }
    }
    for (index, text) in model.texts.iter().enumerate() {
        assert_eq!(&bundle.read_text(&format!("{index}.txt")).unwrap(), text);
    }
    for file in fs::read_dir(bundle.dir()).unwrap().map(Result::unwrap) {
        if file.file_name() != "manifest.bin" {
            assert_eq!(file.metadata().unwrap().len() % 4096, 0, "{:?}", file.file_name());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 24,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn random_models_come_back_as_they_were_written(model in model()) {
        let home = tempfile::tempdir().unwrap();
        let dir = home.path().join("random.flint");
        let written = write(&model, &dir);
        let opened = Bundle::open(&dir).unwrap();
        assert_same(&model, &opened);
        prop_assert_eq!(written.tensors(), opened.tensors());
        let mut last = (0, 0);
        opened.verify(&mut |done, total| last = (done, total)).unwrap();
        prop_assert_eq!(last.0, last.1);
        let dense: u64 = opened.tensors().iter().map(|tensor| tensor.extent.len()).sum();
        let on_disk: u64 = crate::fixture::files(&dir).values().map(|file| file.len() as u64).sum();
        prop_assert!(on_disk <= BundleWriter::disk_needed(&model.shape, dense));
    }
}

#[test]
fn the_sample_comes_back_with_every_feature() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("sample.flint");
    sample::assert_weights(&sample::write_weights(&dir, Overwrite::Refuse));
    sample::assert_sample(&sample::write(&home.path().join("other.flint")));
}

#[test]
fn an_estimate_past_any_disk_does_not_wrap() {
    let record = RecordLayout::new(DType::F32, u32::MAX, true).unwrap();
    let shape = ModelShape { layers: u32::MAX, neurons: u32::MAX, record, ..sample::shape() };
    assert_eq!(BundleWriter::disk_needed(&shape, u64::MAX), u64::MAX);
}
