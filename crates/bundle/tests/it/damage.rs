//! Every single altered byte and every truncation of a bundle is found.

use crate::{fixture, sample};
use flint_bundle::{Bundle, BundleError};
use std::fs::{self, File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

fn sample_files(dir: &Path) -> Vec<PathBuf> {
    sample::write(dir);
    fixture::files(dir).keys().map(|name| dir.join(name)).collect()
}

fn open_and_verify(dir: &Path) -> Result<(), BundleError> {
    Bundle::open(dir)?.verify(&mut |_, _| {})
}

fn put(file: &mut File, at: u64, byte: u8) {
    file.seek(SeekFrom::Start(at)).unwrap();
    file.write_all(&[byte]).unwrap();
}

#[test]
fn every_altered_byte_is_found_and_its_file_named() {
    let home = tempfile::tempdir().unwrap();
    let files = sample_files(home.path());
    let total: u64 = files.iter().map(|file| fs::metadata(file).unwrap().len()).sum();
    assert!(files.len() == 5 && total <= 64 << 10, "{total}");
    for path in files {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let mut file = OpenOptions::new().write(true).open(&path).unwrap();
        for (at, byte) in (0u64..).zip(fs::read(&path).unwrap()) {
            put(&mut file, at, byte ^ (1 << (at % 8)));
            match open_and_verify(home.path()) {
                Ok(()) => panic!("{name}: byte {at} is not covered"),
                Err(error) => assert!(error.to_string().contains(&name), "{name} {at}: {error}"),
            }
            put(&mut file, at, byte);
        }
    }
    open_and_verify(home.path()).unwrap();
}

#[test]
fn every_truncation_and_a_longer_file_are_found_at_open() {
    let home = tempfile::tempdir().unwrap();
    for path in sample_files(home.path()) {
        let bytes = fs::read(&path).unwrap();
        let file = OpenOptions::new().write(true).open(&path).unwrap();
        for len in (0..bytes.len()).rev() {
            file.set_len(len as u64).unwrap();
            let error = Bundle::open(home.path()).unwrap_err();
            assert!(matches!(error, BundleError::FileLength { got, .. } if got == len as u64));
        }
        fs::write(&path, [bytes.as_slice(), &[0]].concat()).unwrap();
        let error = Bundle::open(home.path()).unwrap_err();
        assert!(matches!(error, BundleError::FileLength { .. }), "{error}");
        fs::write(&path, bytes).unwrap();
    }
    sample::assert_sample(&Bundle::open(home.path()).unwrap());
}

/// What opening and verifying says once `byte` of the file of this role is altered.
fn complaint(role: &str, at: u64) -> String {
    let home = tempfile::tempdir().unwrap();
    let files = sample_files(home.path());
    let path =
        files.iter().find(|path| path.to_str().unwrap().contains(&format!("{role}-"))).unwrap();
    let byte = fs::read(path).unwrap()[at as usize];
    put(&mut OpenOptions::new().write(true).open(path).unwrap(), at, !byte);
    open_and_verify(home.path()).unwrap_err().to_string()
}

#[test]
fn damage_is_reported_with_tensor_record_or_text_and_offset() {
    for (role, at, expected) in [
        ("dense", 5, "tensor \"embedding\" (462 bytes at offset 0) has checksum"),
        ("dense", 500, "offset 500 holds ff, expected 00 (padding)"),
        ("neurons", 700, "the record of group 0 neuron 1 (198 bytes at offset 512)"),
        ("neurons", 4096, "the record of group 1 neuron 4 (198 bytes at offset 4096)"),
        ("neurons", 512 + 198, "offset 710 holds ff"),
        ("texts", 4096, "text file \"tokenizer.json\" (9 bytes at offset 4096)"),
        ("predictors", 3, "the predictor of group 0 (26 bytes at offset 0)"),
    ] {
        let message = complaint(role, at);
        assert!(message.contains(expected), "{role} {at}: {message}");
        assert!(message.contains("convert the checkpoint again"), "{message}");
    }
}

#[test]
fn a_damaged_part_is_not_handed_out() {
    let home = tempfile::tempdir().unwrap();
    for path in sample_files(home.path()) {
        let mut bytes = fs::read(&path).unwrap();
        if !path.ends_with("manifest.bin") {
            bytes[0] ^= 1;
            fs::write(&path, bytes).unwrap();
        }
    }
    let bundle = Bundle::open(home.path()).unwrap();
    let tensor = bundle.tensor("embedding").unwrap();
    let mut bytes = vec![0; 462];
    assert!(matches!(
        bundle.read_tensor_into(tensor, &mut bytes),
        Err(BundleError::Checksum { .. })
    ));
    assert!(matches!(bundle.read_text("config.json"), Err(BundleError::Checksum { .. })));
    assert!(matches!(bundle.read_predictor(0), Err(BundleError::Checksum { .. })));
    let group = &bundle.groups()[0];
    let file = fs::read(bundle.neurons_path()).unwrap();
    assert!(flint_bundle::check_record(&file[..198], group.record_crc(0)).is_err());
    assert!(matches!(bundle.read_text("merges.txt"), Err(BundleError::MissingText { .. })));
}

#[test]
fn files_that_are_missing_or_no_files_are_named() {
    let home = tempfile::tempdir().unwrap();
    for path in sample_files(home.path()) {
        let bytes = fs::read(&path).unwrap();
        fs::remove_file(&path).unwrap();
        let error = Bundle::open(home.path()).unwrap_err();
        match path.ends_with("manifest.bin") {
            true => assert!(matches!(error, BundleError::NotABundle { .. }), "{error}"),
            false => assert!(matches!(error, BundleError::MissingFile { .. }), "{error}"),
        }
        fs::create_dir(&path).unwrap();
        let error = Bundle::open(home.path()).unwrap_err();
        assert!(matches!(error, BundleError::NotRegular { .. }), "{error}");
        fs::remove_dir(&path).unwrap();
        fs::write(&path, bytes).unwrap();
    }
    let nowhere = home.path().join("nowhere");
    assert!(matches!(Bundle::open(&nowhere), Err(BundleError::NotABundle { .. })));
}
