//! A bundle is complete or it is not one, whatever interrupts its writer.

use crate::{fixture, sample};
use flint_bundle::{Bundle, BundleError, ManifestFault, Overwrite, replace_predictors};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

fn names(dir: &Path) -> Vec<String> {
    fixture::files(dir).into_keys().collect()
}

fn put(dir: &Path, files: &BTreeMap<String, Vec<u8>>, keep: impl Fn(&str) -> bool) {
    for (name, bytes) in files.iter().filter(|(name, _)| keep(name)) {
        fs::write(dir.join(name), bytes).unwrap();
    }
}

#[test]
fn a_dropped_writer_leaves_nothing() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("a/b.flint");
    let mut writer = sample::writer(&dir, Overwrite::Refuse).unwrap();
    writer.begin_group(sample::NEURONS, None, None).unwrap();
    writer.record(&[&sample::record(0, 0)]).unwrap();
    assert!(names(&dir).iter().all(|name| name.ends_with(".partial")));
    assert!(matches!(Bundle::open(&dir), Err(BundleError::NotABundle { .. })));
    drop(writer);
    assert!(!dir.exists());
}

#[test]
fn a_bundle_with_groups_missing_is_not_committed() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("short.flint");
    let error = sample::writer(&dir, Overwrite::Refuse).unwrap().commit().unwrap_err();
    let BundleError::Manifest { fault: ManifestFault::Count { expected: 2, got: 0, .. }, .. } =
        error
    else {
        panic!("{error}")
    };
    assert!(!dir.exists());
}

#[test]
fn what_an_interrupted_writer_left_is_no_bundle_and_is_removed_by_the_next() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path();
    let leftovers =
        ["dense.partial", "neurons.partial", "manifest.partial", "neurons-00000000deadbeef.bin"];
    for name in leftovers {
        fs::write(dir.join(name), b"half of something").unwrap();
    }
    fs::write(dir.join("notes.txt"), b"mine").unwrap();
    assert!(matches!(Bundle::open(dir), Err(BundleError::NotABundle { .. })));
    // Before the new data is written, or the disk would have to hold both.
    drop(sample::writer(dir, Overwrite::Refuse).unwrap());
    assert_eq!(names(dir), ["notes.txt"]);
    sample::assert_weights(&sample::write_weights(dir, Overwrite::Refuse));
    assert!(leftovers.iter().all(|name| !dir.join(name).exists()));
    assert_eq!(names(dir).len(), 5);
    assert!(dir.join("notes.txt").exists());
}

#[test]
fn a_bundle_is_overwritten_only_by_force_and_stays_whole_until_the_commit() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("sample.flint");
    sample::write(&dir);
    let old = names(&dir);
    let refused = sample::writer(&dir, Overwrite::Refuse).unwrap_err();
    assert!(matches!(refused, BundleError::Exists { .. }), "{refused}");

    let orphan = dir.join("neurons-00000000deadbeef.bin");
    fs::write(&orphan, b"of a writer that did not come to its commit").unwrap();
    let mut writer = sample::writer(&dir, Overwrite::Force).unwrap();
    writer.text("config.json", b"new").unwrap();
    assert!(!orphan.exists());
    sample::assert_sample(&Bundle::open(&dir).unwrap());
    drop(writer);
    assert_eq!(names(&dir), old);
    sample::assert_sample(&Bundle::open(&dir).unwrap());

    // The same bytes once more: not one old file may be written over, so no name is used twice.
    sample::assert_weights(&sample::write_weights(&dir, Overwrite::Force));
    let new = names(&dir);
    assert_eq!(new.len(), 4);
    assert!(new.iter().all(|name| name == "manifest.bin" || !old.contains(name)), "{new:?}");
}

#[test]
fn a_bundle_that_reads_back_wrong_never_replaces_the_old_one() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("sample.flint");
    for old in [false, true] {
        if old {
            sample::write(&dir);
        }
        let before = if old { fixture::files(&dir) } else { BTreeMap::new() };
        let writer = sample::fill(&dir, Overwrite::Force);
        // The device forgets a byte of the neurons while the dense tensors are read back.
        let mut forgotten = false;
        let read = writer.commit_verified(&mut |_, _| {
            let new = |name: &&String| name.starts_with("neurons-") && !before.contains_key(*name);
            if std::mem::replace(&mut forgotten, true) {
                return;
            }
            let mut files = fixture::files(&dir);
            let name = files.keys().find(new).unwrap().clone();
            let bytes = files.get_mut(&name).unwrap();
            bytes[0] ^= 1;
            fs::write(dir.join(name), bytes).unwrap();
        });
        let error = read.unwrap_err();
        assert!(matches!(error, BundleError::Checksum { .. }), "{error}");
        match old {
            true => assert_eq!(fixture::files(&dir), before),
            false => assert!(!dir.exists()),
        }
    }
    let mut checked = 0;
    let writer = sample::fill(&dir, Overwrite::Force);
    let bundle = writer.commit_verified(&mut |done, _| checked = done).unwrap();
    assert_eq!(checked, bundle.file_bytes());
    sample::assert_weights(&bundle);
}

#[test]
fn one_writer_at_a_time() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("sample.flint");
    sample::write(&dir);
    let writer = sample::writer(&dir, Overwrite::Force).unwrap();
    let second = sample::writer(&dir, Overwrite::Force).unwrap_err();
    assert!(matches!(second, BundleError::Busy { .. }), "{second}");
    let third = replace_predictors(&dir, "x", [Some(b""), None], None).unwrap_err();
    assert!(matches!(third, BundleError::Busy { .. }), "{third}");
    drop(writer);
    replace_predictors(&dir, "x", [Some(b""), None], None).unwrap();
}

#[test]
fn predictors_are_replaced_and_weights_are_not_touched() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("sample.flint");
    sample::write(&dir);
    let before = fixture::files(&dir);
    let blobs = [Some(b"first".to_vec()), Some(Vec::new())];
    let bundle = replace_predictors(&dir, "other", blobs, None).unwrap();
    sample::assert_weights(&bundle);
    assert_eq!(bundle.predictors().unwrap().kind, "other");
    assert_eq!(bundle.read_predictor(0).unwrap().unwrap(), b"first");
    assert_eq!(bundle.read_predictor(1).unwrap().unwrap(), b"");
    assert_eq!(bundle.calibration(), None);
    let after = fixture::files(&dir);
    assert_eq!(after.len(), 5);
    let kept = |name: &&String| !name.starts_with("predictors") && *name != "manifest.bin";
    assert_eq!(before.keys().filter(kept).count(), 3);
    assert!(
        before.iter().filter(|(name, _)| kept(name)).all(|(name, bytes)| after[name] == *bytes)
    );
}

#[test]
fn predictors_that_do_not_fit_leave_the_bundle_as_it_was() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("sample.flint");
    sample::write(&dir);
    let before = fixture::files(&dir);
    let mut wrong = sample::calibration();
    wrong.groups[0].hot = vec![sample::NEURONS];
    assert!(replace_predictors(&dir, "x", [Some(b"only one")], None).is_err());
    assert!(replace_predictors(&dir, "", [Some(b"a"), Some(b"b")], None).is_err());
    assert!(replace_predictors(&dir, "x", [Some(b"a"), Some(b"b")], Some(wrong)).is_err());
    assert_eq!(fixture::files(&dir), before);
}

/// Replays the commit step by step: at every step the directory is the old bundle or the new one.
#[test]
fn every_step_of_a_commit_shows_the_old_bundle_or_the_new() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("sample.flint");
    sample::write_weights(&dir, Overwrite::Refuse);
    let old = fixture::files(&dir);
    let new_bundle = replace_predictors(
        &dir,
        "low-rank",
        [Some(sample::PREDICTOR), None],
        Some(sample::calibration()),
    );
    sample::assert_sample(&new_bundle.unwrap());
    let with_predictors = fixture::files(&dir);
    sample::write_weights(&dir, Overwrite::Force);
    let rewritten = fixture::files(&dir);

    for (from, to) in [(&old, &with_predictors), (&with_predictors, &rewritten)] {
        let fresh: Vec<&String> = to.keys().filter(|name| !from.contains_key(*name)).collect();
        let stale: Vec<&String> = from.keys().filter(|name| !to.contains_key(*name)).collect();
        for published in 0..=fresh.len() {
            let dir = tempfile::tempdir().unwrap();
            put(dir.path(), from, |_| true);
            put(dir.path(), to, |name| fresh[..published].iter().any(|fresh| *fresh == name));
            let bundle = Bundle::open(dir.path()).unwrap();
            sample::assert_weights(&bundle);
            assert_eq!(bundle.predictors().is_some(), from == &with_predictors);
        }
        for removed in 0..=stale.len() {
            let dir = tempfile::tempdir().unwrap();
            put(dir.path(), from, |name| !stale[..removed].iter().any(|stale| *stale == name));
            put(dir.path(), to, |_| true);
            let bundle = Bundle::open(dir.path()).unwrap();
            sample::assert_weights(&bundle);
            assert_eq!(bundle.predictors().is_some(), to == &with_predictors);
        }
    }
}

#[test]
fn names_that_no_bundle_may_have_are_refused_when_they_are_given() {
    use flint_geometry::DType::F32;
    let home = tempfile::tempdir().unwrap();
    let mut writer = sample::writer(&home.path().join("names.flint"), Overwrite::Refuse).unwrap();
    for name in ["", "../config.json", "a/b", "a\\b", "..", "a\nb"] {
        assert!(writer.text(name, b"").is_err(), "{name:?}");
    }
    writer.text("config.json", b"").unwrap();
    assert!(writer.text("config.json", b"").is_err());
    writer.tensor("model/a.b", F32, &[1], &[0; 4]).unwrap();
    assert!(writer.tensor("model/a.b", F32, &[1], &[0; 4]).is_err());
    assert!(writer.tensor(&"x".repeat(256), F32, &[1], &[0; 4]).is_err());
    assert!(writer.tensor("zero", F32, &[3, 0], &[]).is_err());
    assert!(writer.tensor("huge", F32, &[1 << 40, 1 << 40], &[]).is_err());
    assert_eq!(writer.bytes_written(), 4096);
}

#[test]
#[should_panic(expected = "bytes of a record")]
fn a_record_of_another_length_is_a_mistake_of_the_caller() {
    let home = tempfile::tempdir().unwrap();
    let mut writer = sample::writer(&home.path().join("x.flint"), Overwrite::Refuse).unwrap();
    writer.begin_group(sample::NEURONS, None, None).unwrap();
    let _ = writer.record(&[&[0; 197]]);
}
