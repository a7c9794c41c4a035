//! The format document says what the files hold: a twin built from it makes the fixture's bytes.

use crate::raw::{Calibration, Group, Predictors, Raw, Section, Tensor, seal};
use crate::{fixture, sample};
use std::fs;

/// FNV-1a over the length and checksum of each section, as the format document says.
fn suffix(sections: &[Section]) -> u64 {
    let bytes = sections.iter().flat_map(|&(_, len, crc)| {
        len.to_le_bytes().into_iter().chain(crc.to_le_bytes()).collect::<Vec<u8>>()
    });
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

fn section(at: u64, bytes: &[u8]) -> Section {
    (at * 4096, bytes.len() as u64, crc32c::crc32c(bytes))
}

fn little_endian(numbers: &[f32]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}

/// The records of a group with their padding.
fn records(group: u32, order: &[u32]) -> Vec<u8> {
    let record = |&neuron| [sample::record(group, neuron), vec![0; 512 - 198]].concat();
    order.iter().flat_map(record).collect()
}

/// The manifest of the sample.
pub(crate) fn raw_sample() -> Raw {
    let tensor = |name: &str, element, dims: &[u64], section| Tensor {
        name: name.to_owned(),
        element,
        dims: dims.to_vec(),
        section,
    };
    let tensors = vec![
        tensor("embedding", 0, &[7, 33], section(0, &sample::bytes(1, 462))),
        tensor("groups.0.gate_bias", 2, &[5], section(1, &little_endian(&sample::GATE_BIAS))),
        tensor("groups.0.up_bias", 2, &[5], section(2, &little_endian(&sample::UP_BIAS))),
        tensor("norm", 1, &[33], section(3, &sample::bytes(2, 66))),
        tensor("scale", 2, &[], section(4, &sample::bytes(3, 4))),
    ];
    let crcs = |group, order: &[u32]| {
        order.iter().map(|&neuron| crc32c::crc32c(&sample::record(group, neuron))).collect()
    };
    let ascending = [0, 1, 2, 3, 4];
    let (gate_bias, up_bias) = (Some(1), Some(2));
    let groups = vec![
        Group {
            neurons: 5,
            offset: 0,
            gate_bias,
            up_bias,
            order: vec![],
            crcs: crcs(0, &ascending),
        },
        Group {
            neurons: 5,
            offset: 4096,
            gate_bias: None,
            up_bias: None,
            order: sample::ORDER.to_vec(),
            crcs: crcs(1, &sample::ORDER),
        },
    ];
    let texts = vec![
        ("config.json".to_owned(), section(0, sample::CONFIG)),
        ("tokenizer.json".to_owned(), section(1, sample::TOKENIZER)),
    ];
    let dense: Vec<Section> = tensors.iter().map(|tensor| tensor.section).collect();
    let neurons = [section(0, &records(0, &ascending)), section(1, &records(1, &sample::ORDER))];
    let blob = section(0, sample::PREDICTOR);
    Raw {
        source: ["sample", "flint 0.1.0", "0123abcd"].map(str::to_owned),
        shape: [2, 5, 7, 16, 8, 1, 33],
        gated: 1,
        architecture: sample::ARCHITECTURE.to_owned(),
        files: [
            (suffix(&dense), 5 * 4096),
            (suffix(&neurons), 2 * 4096),
            (suffix(&[texts[0].1, texts[1].1]), 2 * 4096),
        ],
        tensors,
        groups,
        texts,
        predictors: Some(Predictors {
            file: (suffix(&[blob]), 4096),
            kind: "low-rank".to_owned(),
            groups: vec![Some(blob), None],
        }),
        calibration: Some(Calibration {
            tokens: 1000,
            groups: vec![([1.5, 2.25, 0.75, 0.5], vec![3, 0]), ([1.5, 2.25, 0.75, 0.5], vec![])],
            perplexities: [Some(12.5), None],
            loads: vec![(2, 3.5), (10, 0.0)],
        }),
    }
}

#[test]
fn the_format_document_alone_makes_the_manifest_of_the_fixture() {
    let raw = raw_sample();
    let files = fixture::files(&fixture::path());
    assert_eq!(seal(&raw.payload()), files["manifest.bin"]);
    let roles = ["dense", "neurons", "texts"].into_iter().zip(raw.files);
    for (role, (suffix, len)) in roles.chain([("predictors", raw.predictors.unwrap().file)]) {
        assert_eq!(files[&format!("{role}-{suffix:016x}.bin")].len() as u64, len);
    }
    assert_eq!(files.len(), 5);
}

/// Names of the fields of a frozen struct.
fn struct_fields(code: &str, name: &str) -> Vec<String> {
    let body = code.split(&format!("struct {name}")).nth(1).unwrap().split("\n}").next().unwrap();
    let fields = body.lines().filter_map(|line| line.trim().strip_prefix("pub(super) "));
    fields.map(|line| line.split(':').next().unwrap().to_owned()).collect()
}

/// First cells of the table whose first line begins with `heading`.
fn table_fields(document: &str, heading: &str) -> Vec<String> {
    let table = &document[document.find(heading).unwrap()..];
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    rows.map(|row| row.split('|').nth(1).unwrap().trim().to_owned()).collect()
}

#[test]
fn the_document_draws_the_fields_of_the_frozen_structs_in_their_order() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/");
    let document = fs::read_to_string(format!("{root}../../docs/FORMAT.md")).unwrap();
    let code = fs::read_to_string(format!("{root}src/manifest/v1.rs")).unwrap();
    let within = |outer: &str, name| {
        let fields = struct_fields(&code, name).into_iter();
        fields.map(|field| format!("{outer}.{field}")).collect::<Vec<String>>()
    };
    let top =
        struct_fields(&code, "ManifestV1<'a>").into_iter().flat_map(|field| match field.as_str() {
            "source" => within("source", "SourceV1<'a>"),
            "shape" => within("shape", "ShapeV1"),
            _ => vec![field],
        });
    assert_eq!(table_fields(&document, "| field | type |"), top.collect::<Vec<String>>());
    for (heading, name) in [
        ("| tensor | type |", "TensorV1<'a>"),
        ("| group | type |", "GroupV1"),
        ("| predictors | type |", "PredictorsV1<'a>"),
        ("| calibration | type |", "CalibrationV1"),
    ] {
        assert_eq!(table_fields(&document, heading), struct_fields(&code, name), "{name}");
    }
}
