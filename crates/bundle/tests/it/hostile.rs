//! Manifests made to harm: each is one error of one line, and takes no memory that it does not
//! fill.

use crate::format::raw_sample;
use crate::raw::{Raw, Tensor, seal};
use flint_bundle::{Bundle, BundleError, ManifestFault};
use proptest::prelude::*;
use std::fs;

/// What opening a bundle with this manifest and the sample's data files says.
fn open(manifest: &[u8]) -> Result<Bundle, BundleError> {
    let home = tempfile::tempdir().unwrap();
    for (name, bytes) in crate::fixture::files(&crate::fixture::path()) {
        fs::write(home.path().join(name), bytes).unwrap();
    }
    fs::write(home.path().join("manifest.bin"), manifest).unwrap();
    Bundle::open(home.path())
}

fn refusal(manifest: &[u8]) -> String {
    let message = open(manifest).unwrap_err().to_string();
    assert!(!message.contains('\n') && message.len() < 1000, "{message}");
    assert!(message.contains("manifest.bin"), "{message}");
    message
}

type Attack = (&'static str, fn(&mut Raw), &'static str);

const SECTIONS: &[Attack] = &[
    ("offset near 2^64", |raw| raw.tensors[1].section.0 = u64::MAX, "starts at 1844674407370955"),
    ("length near 2^64", |raw| raw.texts[1].1.1 = u64::MAX, "past 64 bits"),
    ("length whose padding wraps", |raw| raw.texts[0].1.1 = u64::MAX - 10, "past 64 bits"),
    ("overlap", |raw| raw.tensors[1].section.0 = 0, "starts at 0, expected 4096"),
    ("hole", |raw| raw.texts[1].1.0 = 8192, "starts at 8192, expected 4096"),
    ("out of order", |raw| raw.groups.swap(0, 1), "starts at 4096, expected 0"),
    ("not aligned", |raw| raw.groups[1].offset = 4095, "starts at 4095, expected 4096"),
    ("predictor overlaps", |raw| predictor(raw, Some((4096, 1, 0))), "starts at 4096, expected 0"),
    ("predictor past its file", |raw| predictor(raw, Some((0, 1 << 50, 0))), "sections end at"),
    ("dense file short", |raw| raw.files[0].1 = 4096, "4096 bytes long, but its sections end"),
    ("neurons file short", |raw| raw.files[1].1 = 0, "0 bytes long, but its sections end at 8192"),
    ("texts file huge", |raw| raw.files[2].1 = u64::MAX, "but its sections end at 8192"),
];

const COUNTS: &[Attack] = &[
    ("no layers", |raw| raw.shape[0] = 0, "none may be 0"),
    ("no neurons", |raw| raw.shape[1] = 0, "none may be 0"),
    ("no width", |raw| raw.shape[6] = 0, "none may be 0"),
    ("2^32 layers", |raw| raw.shape[0] = u32::MAX, "number of groups: 2, expected 4294967295"),
    ("2^32 neurons", |raw| raw.shape[1] = u32::MAX, "neurons in a group: 5, expected 4294967295"),
    ("2^32 wide", |raw| raw.shape[6] = u32::MAX, "starts at 4096, expected 12884901"),
    ("group missing", |raw| raw.groups.truncate(1), "number of groups: 1, expected 2"),
    ("neuron missing", |raw| raw.groups[1].neurons = 4, "neurons in a group: 4, expected 5"),
    ("checksum missing", |raw| raw.groups[1].crcs.truncate(4), "checksums in a group: 4"),
    ("order short", |raw| raw.groups[1].order.truncate(4), "the stored order: 4, expected 5"),
    ("order repeats", |raw| raw.groups[1].order[0] = 2, "group 1 names neuron 2 twice"),
    ("order outside", |raw| raw.groups[1].order[0] = 5, "group 1 names neuron 5 twice, or"),
    ("hot outside", |raw| hot(raw, u32::MAX), "hot neurons of group 0 names neuron 4294967295"),
    ("hot repeats", |raw| hot(raw, 3), "hot neurons of group 0 names neuron 3"),
    ("predictor missing", |raw| predictors(raw).truncate(1), "predictors: 1, expected 2"),
    ("predictor more", |raw| predictors(raw).push(None), "predictors: 3, expected 2"),
    ("calibrated more", |raw| calibrate(raw), "calibrated groups: 3, expected 2"),
];

const TENSORS: &[Attack] = &[
    ("size of zero", |raw| raw.tensors[0].dims = vec![0, 33], "the smallest 0"),
    ("too many sizes", |raw| raw.tensors[0].dims = vec![1; 900], "900 dimensions"),
    ("product wraps", |raw| raw.tensors[0].dims = vec![1 << 33; 2], "no more than 64 bits"),
    ("other product", |raw| raw.tensors[0].dims = vec![7, 34], "462 bytes long, expected 476"),
    ("bias is not a tensor", |raw| raw.groups[0].up_bias = Some(5), "names tensor 5 as a bias"),
    ("bias far away", |raw| raw.groups[0].up_bias = Some(u32::MAX), "names tensor 4294967295"),
    ("bias of another type", |raw| raw.groups[0].gate_bias = Some(3), "names tensor 3 as a bias"),
    ("bias of halves", |raw| halve(&mut raw.tensors[2]), "names tensor 2 as a bias"),
    ("bias of another size", |raw| raw.groups[0].gate_bias = Some(4), "names tensor 4 as a bias"),
    ("gate bias without gate", |raw| raw.gated = 0, "group 0 names tensor 1 as a bias"),
];

const NAMES: &[Attack] = &[
    ("path", |raw| raw.texts[0].0 = "../../etc/passwd".into(), "not a plain name"),
    ("absolute path", |raw| raw.texts[0].0 = "/etc/passwd".into(), "not a plain name"),
    ("other path", |raw| raw.texts[0].0 = "a\\b".into(), "not a plain name"),
    ("parent", |raw| raw.texts[0].0 = "..".into(), "not a plain name"),
    ("line end", |raw| raw.tensors[0].name = "a\nb".into(), r#""a\nb", which is not a plain"#),
    ("escape", |raw| raw.source[0] = "\u{1b}[2J".into(), "which is not a plain name"),
    ("nul", |raw| raw.texts[0].0 = "a\0".into(), "not a plain name"),
    ("empty", |raw| raw.tensors[0].name.clear(), "0 bytes long, expected 1 to 255"),
    ("very long", |raw| raw.texts[0].0 = "x".repeat(1 << 20), "1048576 bytes long"),
    ("long kind", |raw| kind(raw), "the name of a predictor kind is 256"),
    ("two tensors", |raw| raw.tensors[0].name = "norm".into(), r#"tensor are named "norm""#),
    ("two texts", |raw| raw.texts[0].0 = "tokenizer.json".into(), r#"named "tokenizer.json""#),
];

/// The same numbers of dimensions in f16.
fn halve(tensor: &mut Tensor) {
    tensor.element = 0;
    tensor.section.1 /= 2;
}

fn predictors(raw: &mut Raw) -> &mut Vec<Option<(u64, u64, u32)>> {
    &mut raw.predictors.as_mut().unwrap().groups
}

fn predictor(raw: &mut Raw, section: Option<(u64, u64, u32)>) {
    predictors(raw)[0] = section;
}

fn kind(raw: &mut Raw) {
    raw.predictors.as_mut().unwrap().kind = "k".repeat(256);
}

fn hot(raw: &mut Raw, neuron: u32) {
    raw.calibration.as_mut().unwrap().groups[0].1[1] = neuron;
}

fn calibrate(raw: &mut Raw) {
    let groups = &mut raw.calibration.as_mut().unwrap().groups;
    groups.push(groups[0].clone());
}

#[test]
fn the_manifest_that_is_attacked_opens() {
    crate::sample::assert_weights(&open_sample());
}

fn open_sample() -> Bundle {
    Bundle::open(&crate::fixture::path()).unwrap()
}

#[test]
fn every_contradiction_is_one_error_that_names_it() {
    let attacks = [SECTIONS, COUNTS, TENSORS, NAMES].concat();
    // Miri takes ten seconds for each.
    for (name, attack, expected) in attacks.into_iter().step_by(if cfg!(miri) { 8 } else { 1 }) {
        let mut raw = raw_sample();
        attack(&mut raw);
        let message = refusal(&seal(&raw.payload()));
        assert!(message.contains(expected), "{name}: {message}");
    }
}

#[test]
fn a_file_that_the_manifest_makes_up_is_missing() {
    let mut raw = raw_sample();
    raw.files[0].0 ^= 1;
    let error = open(&seal(&raw.payload())).unwrap_err();
    assert!(matches!(error, BundleError::MissingFile { .. }), "{error}");
}

/// Writes 2^64 - 1, and a few other great numbers, over each place of the payload in turn: counts
/// and lengths among them. Nothing may panic, hang or take memory.
#[test]
fn great_numbers_anywhere_are_refused_or_harmless() {
    let payload = raw_sample().payload();
    let home = tempfile::tempdir().unwrap();
    for (name, bytes) in crate::fixture::files(&crate::fixture::path()) {
        fs::write(home.path().join(name), bytes).unwrap();
    }
    for number in [u64::MAX, 1 << 63, 1 << 40, (1 << 30) - 1, u64::MAX - 4095] {
        for at in 0..payload.len() - 8 {
            let mut hostile = payload.clone();
            hostile[at..at + 8].copy_from_slice(&number.to_le_bytes());
            fs::write(home.path().join("manifest.bin"), seal(&hostile)).unwrap();
            // A checksum or a calibrated number may be anything; whatever opens must also verify or
            // fail.
            if let Ok(bundle) = Bundle::open(home.path()) {
                let _ = bundle.verify(&mut |_, _| {});
            }
        }
    }
}

#[test]
fn values_that_do_not_exist_are_refused() {
    let raw = raw_sample();
    let payload = raw.payload();
    let mut gated = raw.clone();
    gated.gated = 2;
    let mut element = raw.clone();
    element.shape[5] = 3;
    let mut text = payload.clone();
    text[8] = 0xff;
    for hostile in [gated.payload(), element.payload(), text] {
        assert!(refusal(&seal(&hostile)).contains("does not decode"));
    }
    let error = open(&seal(&[payload.as_slice(), &[0; 3]].concat())).unwrap_err();
    let BundleError::Manifest { fault: ManifestFault::TrailingBytes { used, len }, .. } = error
    else {
        panic!("{error}")
    };
    assert_eq!(len - used, 3);
    // Miri takes a second for each.
    for len in (0..payload.len()).step_by(if cfg!(miri) { 97 } else { 1 }) {
        assert!(refusal(&seal(&payload[..len])).contains("does not decode"), "{len}");
    }
}

/// The header with some bytes replaced and its checksum made right again.
fn header(at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut file = seal(&raw_sample().payload());
    file[at..at + bytes.len()].copy_from_slice(bytes);
    let crc = crc32c::crc32c(&file[..24]);
    file[24..28].copy_from_slice(&crc.to_le_bytes());
    file
}

#[test]
fn headers_that_lie_are_refused() {
    let newer = refusal(&header(8, &2u32.to_le_bytes()));
    assert!(newer.contains("format version 2") && newer.contains("versions 1 to 1"), "{newer}");
    assert!(newer.contains("update flint"), "{newer}");
    assert!(refusal(&header(8, &0u32.to_le_bytes())).contains("format version 0"));
    assert!(refusal(&header(0, b"GGUF")).contains("not a flint manifest"));
    assert!(refusal(&header(12, &[1, 2, 3, 4])).contains("the payload"));
    assert!(
        refusal(&header(16, &u64::MAX.to_le_bytes())).contains("expected 18446744073709551615")
    );
    assert!(refusal(&header(16, &0u64.to_le_bytes())).contains("expected 32"));
    assert!(refusal(&header(28, &[0, 0, 1, 0])).contains("reserved"));
    let mut altered = seal(&raw_sample().payload());
    altered[24] ^= 1;
    assert!(refusal(&altered).contains("the header"));
    assert!(refusal(b"").contains("0 bytes long, expected 32"));
    assert!(refusal(&[0; 31]).contains("31 bytes long"));
}

#[test]
fn a_newer_version_is_named_even_when_its_header_is_another() {
    let mut newer = b"FLINT\r\n\x1a".to_vec();
    newer.extend(7u32.to_le_bytes());
    newer.extend([0xab; 100]);
    assert!(refusal(&newer).contains("format version 7"));
}

#[test]
fn a_manifest_of_many_gigabytes_is_not_read() {
    let home = tempfile::tempdir().unwrap();
    let file = fs::File::create(home.path().join("manifest.bin")).unwrap();
    file.set_len(1 << 40).unwrap();
    let error = Bundle::open(home.path()).unwrap_err();
    assert!(matches!(error, BundleError::ManifestTooLong { .. }), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 256,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn random_payloads_never_panic(
        mut payload in proptest::collection::vec(any::<u8>(), 0..300),
        splice in any::<bool>(),
        at in 0usize..300,
    ) {
        if splice {
            let sample = raw_sample().payload();
            payload = [&sample[..at.min(sample.len())], &payload].concat();
        }
        let _ = open(&seal(&payload));
    }
}
