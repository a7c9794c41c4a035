//! `flint verify` finds a single flipped bit in every section of tiny-opt, and between them. (The bundle crate
//! flips every byte of a small bundle.)

use crate::device::copy;
use crate::program::flint;
use flint_bundle::{Bundle, replace_predictors};
use flint_fixtures::tiny_opt_bundle;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Ends of sections and parts of records, beside random places inside them.
fn places(start: u64, end: u64, random: &mut ChaCha8Rng) -> Vec<u64> {
    if start == end {
        return Vec::new();
    }
    let inside = start + random.next_u64() % (end - start);
    vec![start, inside, end - 1]
}

/// Files and offsets that touch every section of the bundle, the bytes between them and the manifest.
fn samples(bundle: &Bundle) -> Vec<(PathBuf, u64)> {
    let mut random = ChaCha8Rng::seed_from_u64(6);
    let dir = bundle.dir();
    let file = |role: &str| {
        let mut paths = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
        paths.find(|path| path.file_name().unwrap().to_str().unwrap().starts_with(role)).unwrap()
    };
    let mut samples = Vec::new();
    let mut add = |path: &Path, sections: &[(u64, u64)]| {
        let length = fs::metadata(path).unwrap().len();
        let mut covered = 0;
        for &(start, end) in sections.iter().chain([&(length, length)]) {
            let padding = places(covered, start, &mut random);
            samples.extend(padding.into_iter().map(|at| (path.to_owned(), at)));
            let inside = places(start, end, &mut random);
            samples.extend(inside.into_iter().map(|at| (path.to_owned(), at)));
            covered = end;
        }
    };
    let ends = |extent: flint_geometry::Extent| (extent.offset(), extent.end());
    let tensors: Vec<_> = bundle.tensors().iter().map(|tensor| ends(tensor.extent)).collect();
    add(&file("dense"), &tensors);
    let texts: Vec<_> = bundle.texts().iter().map(|text| ends(text.extent)).collect();
    add(&file("texts"), &texts);
    // Each group's first and last records by themselves.
    let records = bundle.groups().iter().flat_map(|group| {
        let last = group.neurons() - 1;
        [0, last / 2, last].map(|position| ends(group.record_extent(position)))
    });
    add(&file("neurons"), &records.collect::<Vec<_>>());
    let predictors = bundle.predictors().unwrap().groups.iter().filter_map(|entry| match entry {
        flint_bundle::PredictorEntry::Blob { extent, .. } => Some(ends(*extent)),
        flint_bundle::PredictorEntry::Dense => None,
    });
    add(&file("predictors"), &predictors.collect::<Vec<_>>());
    let manifest = dir.join("manifest.bin");
    let length = fs::metadata(&manifest).unwrap().len();
    let step = (length / 40) as usize;
    add(&manifest, &(0..length).step_by(step).map(|at| (at, at + 1)).collect::<Vec<_>>());
    samples
}

fn flip(path: &Path, at: u64, bit: u32) {
    let file = OpenOptions::new().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ (1 << bit)], at).unwrap();
}

#[test]
fn one_flipped_bit_in_any_section_is_found_and_its_file_named() {
    let home = tempfile::tempdir().unwrap();
    let out = home.path().join("tiny.flint");
    copy(&tiny_opt_bundle(), &out);
    let blobs = (0..6).map(|layer| (layer != 3).then(|| vec![layer; 100 + layer as usize]));
    let bundle = replace_predictors(&out, "sample", blobs, None).unwrap();
    let samples = samples(&bundle);
    assert!(samples.len() > 300, "{}", samples.len());
    let mut kinds = std::collections::BTreeSet::new();
    for (number, (path, at)) in samples.iter().enumerate() {
        let name = path.file_name().unwrap().to_str().unwrap();
        flip(path, *at, number as u32 % 8);
        let found = Bundle::open(&out).and_then(|bundle| bundle.verify(&mut |_, _| {}));
        let error = found.expect_err(&format!("{name}: byte {at} is not covered")).to_string();
        assert!(error.contains(name), "{name} {at}: {error}");
        // The program says the same, for the first of each kind of file.
        if kinds.insert(name.split('-').next().unwrap().to_owned()) {
            let output = flint(&["verify", out.to_str().unwrap()]).output().unwrap();
            let line = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(2), "{line}");
            assert!(line.contains(name) && line.lines().count() == 1, "{line}");
            assert!(output.stdout.is_empty());
        }
        flip(path, *at, number as u32 % 8);
    }
    assert_eq!(kinds.len(), 5, "{kinds:?}");
    assert!(flint(&["verify", out.to_str().unwrap()]).status().unwrap().success());
}
