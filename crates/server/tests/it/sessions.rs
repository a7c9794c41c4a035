//! Conversations outlive the server, within a cap, and only for the same model.

use crate::house::{House, job, tokens};
use flint_engine::{MemoryBudget, OpenModel, RunOptions};
use flint_fixtures::tiny_opt_bundle;
use flint_kernels::KvElement;
use flint_server::Sessions;
use std::fs;
use std::path::{Path, PathBuf};

const CONTEXT: usize = 160;

const PLENTY: u64 = 1 << 30;

fn options() -> RunOptions {
    RunOptions { memory: MemoryBudget::Percent(1000.0), ..RunOptions::default() }
}

fn house(directory: &Path, most_bytes: u64, options: &RunOptions) -> House {
    let files = OpenModel::open(&tiny_opt_bundle()).unwrap();
    let sessions = Sessions::new(directory, most_bytes, &files, options).unwrap();
    House::keeping(CONTEXT, options.clone(), Some(sessions))
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let paths = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<PathBuf> = paths.collect();
    paths.sort();
    paths
}

#[test]
fn a_conversation_goes_on_after_a_restart_and_says_the_same() {
    let place = tempfile::tempdir().unwrap();
    let (prompt, other) = (tokens(100, 1), [tokens(64, 1), tokens(40, 7)].concat());
    let first = house(place.path(), PLENTY, &options());
    let answer = first.answer(job(prompt.clone(), 20));
    assert_eq!(answer.usage.cached, 0);
    assert_eq!(first.answer(job(other.clone(), 20)).usage.cached, 64);
    drop(first);
    let kept = files(place.path());
    assert_eq!(kept.len(), 2);
    for path in &kept {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }
    let second = house(place.path(), PLENTY, &options());
    let again = second.answer(job(prompt.clone(), 20));
    assert_eq!((again.usage.cached, again.text), (96, answer.text));
    assert_eq!(second.answer(job(other, 20)).usage.cached, 96);
    // Pages that two conversations have in common are shared again: both fit beside a third.
    assert_eq!(second.answer(job(tokens(CONTEXT - 8, 5), 8)).usage.generated, 8);
    drop(second);
    // Another way to keep keys and values is another model.
    let f16 = RunOptions { kv: KvElement::F16, ..options() };
    let third = house(place.path(), PLENTY, &f16);
    assert_eq!(third.answer(job(prompt, 20)).usage.cached, 0);
}

#[test]
fn what_did_not_change_is_not_written_again() {
    let place = tempfile::tempdir().unwrap();
    let first = house(place.path(), PLENTY, &options());
    first.answer(job(tokens(100, 1), 4));
    drop(first);
    let written = || files(place.path())[0].metadata().unwrap();
    use std::os::unix::fs::MetadataExt;
    let before = written();
    drop(house(place.path(), PLENTY, &options()));
    assert_eq!((written().ino(), written().len()), (before.ino(), before.len()));
    assert!(written().modified().unwrap() > before.modified().unwrap());
}

#[test]
fn the_latest_are_kept_within_the_cap() {
    let place = tempfile::tempdir().unwrap();
    let total = || files(place.path()).iter().map(|it| it.metadata().unwrap().len()).sum::<u64>();
    let talk = |cap: u64, seeds: std::ops::Range<usize>| {
        let house = house(place.path(), cap, &options());
        let cached: Vec<usize> =
            seeds.map(|seed| house.answer(job(tokens(90, seed), 4)).usage.cached).collect();
        cached
    };
    talk(PLENTY, 0..1);
    let one = total();
    // Room for two: the first of three is left out, and what lay there before.
    talk(2 * one + one / 2, 1..4);
    assert_eq!(files(place.path()).len(), 2);
    assert!(total() <= 2 * one + one / 2);
    assert_eq!(talk(2 * one + one / 2, 2..4), [80, 80]);
    // Room for none.
    talk(one / 2, 3..4);
    assert_eq!(total(), 0);
}

#[test]
fn a_broken_file_is_left_out() {
    let place = tempfile::tempdir().unwrap();
    let first = house(place.path(), PLENTY, &options());
    let answer = first.answer(job(tokens(100, 1), 20));
    drop(first);
    let path = files(place.path()).remove(0);
    let whole = fs::read(&path).unwrap();
    let damaged = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = whole.clone();
        change(&mut bytes);
        fs::write(&path, bytes).unwrap();
        let house = house(place.path(), PLENTY, &options());
        let again = house.answer(job(tokens(100, 1), 20));
        assert_eq!(again.text, answer.text);
        again.usage.cached
    };
    assert_eq!(damaged(&|_| {}), 96);
    let last = whole.len() - 1;
    for at in [0, 9, 13, 17, 21, 40, 2000, whole.len() / 2, last] {
        assert_eq!(damaged(&|bytes| bytes[at] ^= 1), 0, "byte {at} of {}", whole.len());
    }
    for length in [0, 5, 28, whole.len() / 2, last] {
        assert_eq!(damaged(&|bytes| bytes.truncate(length)), 0, "{length} bytes");
    }
    assert_eq!(damaged(&|bytes| bytes[12..16].fill(0xff)), 0);
    assert_eq!(damaged(&|bytes| bytes.push(0)), 0);
}
