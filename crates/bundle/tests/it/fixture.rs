//! The first bundle ever written reads forever.

use crate::sample;
use flint_bundle::Bundle;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

pub(crate) fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/v1.flint")
}

/// Names and bytes of every file in a directory.
pub(crate) fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(dir).unwrap().map(Result::unwrap);
    entries
        .map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap()))
        .collect()
}

#[test]
fn the_first_bundle_of_version_1_reads_as_it_was_written() {
    sample::assert_sample(&Bundle::open(&path()).unwrap());
}

#[test]
fn the_writer_still_writes_the_bytes_of_version_1() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("sample.flint");
    sample::write(&dir);
    let (written, first) = (files(&dir), files(&path()));
    assert!(written.keys().eq(first.keys()), "{:?}", written.keys());
    for (name, bytes) in written {
        assert!(bytes == first[&name], "{name} differs from the fixture");
    }
}

/// Wrote the fixture once. It is committed, and never written again.
#[test]
#[ignore = "the fixture exists and must not change"]
fn write_the_fixture() {
    sample::write(&path());
}
