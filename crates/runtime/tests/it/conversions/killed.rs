//! Killed at random moments: at every one of them the place holds what it held before, or the new bundle.

use super::{convert, names, whole};
use crate::program::flint;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

/// Moments of each kind.
const MOMENTS: u64 = 50;

/// Kills a conversion after `delay`; whether it came to its end before.
fn killed(name: &str, out: &Path, extra: &[&str], delay: Duration) -> bool {
    let mut child = convert(name, out, extra).spawn().unwrap();
    thread::sleep(delay);
    child.kill().unwrap();
    child.wait().unwrap().success()
}

/// How long a conversion takes here, the longest of a few.
fn usual(name: &str, home: &Path) -> Duration {
    let times = (0..4).map(|round| {
        let out = home.join(format!("usual-{round}.flint"));
        let began = Instant::now();
        assert!(convert(name, &out, &[]).status().unwrap().success());
        began.elapsed()
    });
    times.max().unwrap()
}

/// A moment between 0 and a little past the usual end.
fn moment(random: &mut ChaCha8Rng, usual: Duration) -> Duration {
    usual.mul_f64(f64::from(random.next_u32()) / f64::from(u32::MAX) * 1.1)
}

/// Files that are not part of a finished bundle.
fn leftovers(dir: &Path) -> usize {
    let partial = |path: &&std::path::PathBuf| path.extension().is_some_and(|e| e == "partial");
    names(dir).iter().filter(partial).count()
}

#[test]
fn a_convert_killed_at_any_moment_leaves_no_half_bundle_and_the_next_starts_clean() {
    let home = tempfile::tempdir().unwrap();
    let usual = usual("llama-2", home.path());
    let mut random = ChaCha8Rng::seed_from_u64(4);
    let (mut interrupted, mut ended) = (0, 0);
    let mut out = home.path().join("0.flint");
    for number in 0..MOMENTS {
        let delay = moment(&mut random, usual);
        let success = killed("llama-2", &out, &[], delay);
        interrupted += usize::from(leftovers(&out) > 0);
        match whole(&out) {
            // The next one goes over what this one left.
            None => assert!(!success),
            Some(files) => {
                ended += 1;
                // Killed after the commit, all that may be left is what the bundle replaced: nothing here.
                assert_eq!(files.len(), 4, "{files:?} after {delay:?}");
                out = home.path().join(format!("{}.flint", number + 1));
            }
        }
    }
    eprintln!(
        "{MOMENTS} moments within {usual:?}: {interrupted} left files, {ended} came too late"
    );
    assert!(interrupted >= 5, "{interrupted} of {MOMENTS} were killed while writing");
    let rerun = convert("llama-2", &out, &[]).output().unwrap();
    assert!(rerun.status.success() || out.join("manifest.bin").exists(), "{rerun:?}");
    assert_eq!(whole(&out).unwrap().len(), 4);
}

#[test]
fn a_forced_convert_killed_at_any_moment_leaves_the_old_bundle_or_the_new() {
    let home = tempfile::tempdir().unwrap();
    let out = home.path().join("model.flint");
    let usual = usual("llama-2", home.path());
    assert!(convert("llama-2", &out, &[]).status().unwrap().success());
    let manifest = || std::fs::read(out.join("manifest.bin")).unwrap();
    let mut random = ChaCha8Rng::seed_from_u64(5);
    let (mut interrupted, mut replaced) = (0, 0);
    for number in 0..MOMENTS {
        let before = manifest();
        let name = if number % 2 == 0 { "opt-post-ln-free" } else { "llama-2" };
        let delay = moment(&mut random, usual);
        killed(name, &out, &["--force"], delay);
        interrupted += usize::from(leftovers(&out) > 0);
        assert!(whole(&out).is_some(), "neither the old bundle nor the new one");
        replaced += usize::from(manifest() != before);
        let runs = ["generate", "--tokens", "3,5", "-n", "2", "-q", "-m", out.to_str().unwrap()];
        if number % 10 == 0 {
            assert!(flint(&runs).status().unwrap().success());
        }
    }
    eprintln!(
        "{MOMENTS} moments within {usual:?}: {interrupted} left files, {replaced} replaced it"
    );
    assert!(interrupted >= 5, "{interrupted} of {MOMENTS} were killed while writing");
    assert!(convert("llama-2", &out, &["--force"]).status().unwrap().success());
    assert_eq!(whole(&out).unwrap().len(), 4, "something was left over");
}
