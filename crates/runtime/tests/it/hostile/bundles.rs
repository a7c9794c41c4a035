//! Attacks by bundles: whatever reads one refuses it in one line, in bounded memory. Most attacks on the manifest
//! stand beside its parser, in the tests of the bundle crate; these need the program.

use super::{ROOM, Victim, flint, hole, replace_by};
use flint_fixtures::tiny_opt_bundle;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use tempfile::TempDir;

/// A copy of the bundle that ships.
struct Copy {
    home: TempDir,
}

impl Copy {
    fn new() -> Copy {
        let copy = Copy { home: tempfile::tempdir().unwrap() };
        fs::create_dir(copy.dir()).unwrap();
        crate::checkpoints::copy(&tiny_opt_bundle(), &copy.dir());
        copy
    }

    fn dir(&self) -> PathBuf {
        self.home.path().join("model.flint")
    }

    fn manifest(&self) -> PathBuf {
        self.dir().join("manifest.bin")
    }

    /// Checks that every command refuses it in a line that holds `parts`.
    fn refused(&self, attack: &str, parts: &[&str]) {
        let dir = self.dir();
        let dir = dir.to_str().unwrap();
        for arguments in [
            &["generate", "-m", dir, "-p", "a", "-n", "1"][..],
            &["plan", "-m", dir],
            &["inspect", dir],
            &["verify", dir],
        ] {
            let ended = flint(arguments);
            ended.refused(attack, parts);
            assert_eq!(ended.lines.len(), 1, "{attack}: {:?}", ended.lines);
            let most = good_inspect() + ROOM;
            assert!(ended.peak <= most, "{attack}: {} bytes, at most {most}", ended.peak);
        }
    }
}

/// Peak memory of looking at a good bundle, in bytes.
fn good_inspect() -> u64 {
    static PEAK: OnceLock<u64> = OnceLock::new();
    *PEAK.get_or_init(|| {
        let ended = flint(&["inspect", tiny_opt_bundle().to_str().unwrap()]);
        assert_eq!(ended.status, Some(0), "{:?}", ended.lines);
        ended.peak
    })
}

/// Writes a manifest of this payload.
fn seal(path: &Path, payload: &[u8]) {
    let mut file = b"FLINT\r\n\x1a\x01\0\0\0".to_vec();
    file.extend(crc32c::crc32c(payload).to_le_bytes());
    file.extend((payload.len() as u64).to_le_bytes());
    file.extend(crc32c::crc32c(&file).to_le_bytes());
    file.extend([0; 4]);
    file.extend(payload);
    fs::write(path, file).unwrap();
}

#[test]
fn manifests_that_take_memory_are_refused() {
    let copy = Copy::new();
    let good = fs::read(copy.manifest()).unwrap()[32..].to_vec();
    for claim in [u64::MAX, 1 << 40, (1 << 18) + 1, 1 << 20] {
        // Where the table of tensors has its count: behind three texts, the shape, a text and three files.
        let mut at = 0;
        for _ in 0..3 {
            at += 8 + u64::from_le_bytes(good[at..at + 8].try_into().unwrap()) as usize;
        }
        at += 7 * 4 + 1;
        at += 8 + u64::from_le_bytes(good[at..at + 8].try_into().unwrap()) as usize + 3 * 16;
        let mut payload = good.clone();
        payload[at..at + 8].copy_from_slice(&claim.to_le_bytes());
        seal(&copy.manifest(), &payload);
        copy.refused("tensors", &["manifest.bin", "does not decode", "at most 262144"]);
    }
    // Whatever the bytes, a list of one-byte items is the densest.
    seal(&copy.manifest(), &vec![0; 20 << 20]);
    copy.refused("zeros", &["manifest.bin"]);
    hole(&copy.manifest(), 1 << 40);
    copy.refused("a terabyte", &["manifest.bin", "1099511627776 bytes"]);
}

#[test]
fn files_that_are_none_are_refused() {
    for (thing, said) in [
        ("directory", "regular file"),
        ("pipe", "regular file"),
        ("/dev/zero", "regular file"),
        ("loop", "manifest.bin"),
    ] {
        let copy = Copy::new();
        replace_by(&copy.manifest(), thing);
        copy.refused(thing, &["manifest.bin", said]);
    }
    for role in ["dense", "neurons", "texts"] {
        for (thing, said) in [
            ("directory", "regular file"),
            ("pipe", "regular file"),
            ("/dev/zero", "regular file"),
            ("loop", "cannot look at"),
        ] {
            let copy = Copy::new();
            let mut files = fs::read_dir(copy.dir()).unwrap().map(|entry| entry.unwrap().path());
            let file = files
                .find(|file| file.file_name().unwrap().to_str().unwrap().starts_with(role))
                .unwrap();
            replace_by(&file, thing);
            copy.refused(thing, &[role, said]);
        }
    }
}

#[test]
fn a_bundle_in_a_loop_of_links_is_refused() {
    let copy = Copy::new();
    fs::remove_dir_all(copy.dir()).unwrap();
    replace_by(&copy.dir(), "loop");
    copy.refused("loop", &["model.flint"]);
    let victim = Victim::small();
    fs::remove_dir_all(victim.dir()).unwrap();
    replace_by(&victim.dir(), "loop");
    victim.refused("loop", &["checkpoint"]);
}
