//! Misfortune on purpose: what the reader hides, what it reports, and that a seed replays it.

use crate::bed::{HARMLESS, content, next, read_all, record, simulated};
use flint_flash_io::{Faults, MergePolicy, Options, Priority, ReadError, Reader, RecordRead, Wait};
use flint_iobuf::Pool;
use proptest::prelude::*;
use std::path::PathBuf;
use std::time::Duration;

fn open(file: &[u8], options: &Options, faults: Faults, seed: u64) -> Reader {
    simulated(&[file.to_vec()], &[PathBuf::from("simulated-file")], options, faults, seed)
}

fn alone() -> Options {
    Options { merge: MergePolicy::NEVER, ..Options::default() }
}

/// Tags in order of completion, with whether each succeeded.
fn story(seed: u64) -> Vec<(u64, bool)> {
    let faults = Faults { eio: 50, ..HARMLESS };
    let mut reader = open(&content(1 << 20, 1), &alone(), faults, seed);
    let mut batch = (0..100).map(|n| record(&reader, n * 8192, 8192)).collect();
    reader.submit(&mut batch, Priority::Demand);
    std::iter::from_fn(|| next(&mut reader)).map(|done| (done.tag, done.result.is_ok())).collect()
}

#[test]
fn a_seed_replays_its_misfortunes() {
    assert_eq!(story(7), story(7));
    assert_ne!(story(7), story(8));
    assert!(!story(7).is_sorted(), "reads overtake each other");
}

#[test]
fn exact_reads_overtake_queued_guesses() {
    let options = Options { max_requests: 1, ..alone() };
    let mut reader = open(&content(1 << 20, 2), &options, Faults::NONE, 0);
    let batch = |reader: &Reader, range: std::ops::Range<u64>| -> Vec<RecordRead> {
        range.map(|n| record(reader, n * 4096, 4096)).collect()
    };
    let (mut guesses, mut exact) = (batch(&reader, 0..5), batch(&reader, 5..10));
    reader.submit(&mut guesses, Priority::Speculative);
    // One guess is with the device already.
    assert_eq!(next(&mut reader).unwrap().tag, 0);
    reader.submit(&mut exact, Priority::Demand);
    let order: Vec<u64> = std::iter::from_fn(|| next(&mut reader)).map(|d| d.tag / 4096).collect();
    assert_eq!(order, [1, 5, 6, 7, 8, 9, 2, 3, 4]);
}

#[test]
fn a_failing_device_is_an_error_that_names_the_record_and_returns_the_lease() {
    let faults = Faults { eio: 1000, ..Faults::NONE };
    let mut reader = open(&content(1 << 16, 3), &alone(), faults, 0);
    let done = read_all(&mut reader, &[(8192, 4096)]).remove(0);
    assert!(done.into.len() >= 4096);
    let error = done.result.unwrap_err();
    let text = error.to_string();
    let ReadError::Device { offset, expected, got, cause, .. } = error else { panic!("{error}") };
    assert_eq!((offset, expected, got), (8192, 4096, 0));
    assert_eq!(cause.raw_os_error(), Some(libc::EIO));
    assert!(text.contains("simulated-file") && text.contains("8192"), "{text}");
}

#[test]
fn a_read_that_never_ends_is_named_and_what_it_lent_stays_lent() {
    let faults = Faults { hang: 1000, ..Faults::NONE };
    let mut reader = open(&content(1 << 16, 9), &alone(), faults, 0);
    let pool = Pool::new(1, 4096).unwrap();
    let mut other = reader.client();
    let mut batch = vec![RecordRead { into: pool.take().unwrap(), ..record(&reader, 8192, 4096) }];
    reader.submit(&mut batch, Priority::Demand);
    let limit = Duration::from_secs(90);
    assert!(matches!(reader.wait(limit), Ok(Wait::TimedOut)));
    assert!(matches!(other.wait(limit), Ok(Wait::Idle)), "another client has nothing to wait for");
    let error = reader.next_within(limit).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("simulated-file") && text.contains("90 s"), "{text}");
    assert!(text.contains("4096 bytes at offset 8192"), "{text}");
    assert_eq!(pool.available(), 0);
    // Nobody waits for it any more, and it is the device's own until that is closed.
    drop(reader);
    assert_eq!(pool.available(), 0);
    drop(other);
    assert_eq!(pool.available(), 1);
}

#[test]
fn a_device_that_is_never_ready_becomes_an_error() {
    let faults = Faults { again: 1000, ..Faults::NONE };
    let mut reader = open(&content(8192, 4), &alone(), faults, 0);
    let done = read_all(&mut reader, &[(0, 4096)]).remove(0);
    assert!(matches!(done.result, Err(ReadError::Device { .. })));
}

#[test]
fn corruption_is_one_flipped_bit_that_only_a_checksum_can_see() {
    let file = content(1 << 16, 5);
    let faults = Faults { corrupt: 1000, ..Faults::NONE };
    let mut reader = open(&file, &alone(), faults, 0);
    let done = read_all(&mut reader, &[(0, 4096)]).remove(0);
    done.result.unwrap();
    let bits: u32 = done.into[done.at].iter().zip(&file).map(|(a, b)| (a ^ b).count_ones()).sum();
    assert_eq!(bits, 1);
}

#[test]
fn a_stalled_read_is_overtaken_and_counts_as_busy_time() {
    let faults = Faults { stall: 20, delay_micros: 10, ..Faults::NONE };
    let mut reader = open(&content(1 << 20, 6), &alone(), faults, 3);
    let wants: Vec<(u64, u64)> = (0..200).map(|n| (n * 4096, 4096)).collect();
    assert!(read_all(&mut reader, &wants).iter().all(|done| done.result.is_ok()));
    assert!(reader.counters().busy.as_micros() > 1000);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn whatever_happens_a_record_is_whole_or_an_error(
        seed in any::<u64>(),
        (eio, short, again) in (0u32..300, 0u32..900, 0u32..500),
        wants in proptest::collection::vec((0u64..60_000, 1u64..9000), 1..40),
        max_gap_bytes in 0u64..4000,
    ) {
        let file = content(62_345, seed);
        let merge = MergePolicy { max_gap_bytes, max_request_bytes: 20_000, part_bytes: 0 };
        let options = Options { merge, max_requests: 5, ..Options::default() };
        let faults = Faults { eio, short, again, ..HARMLESS };
        let mut reader = open(&file, &options, faults, seed);
        let mut left = wants.len();
        for done in read_all(&mut reader, &wants) {
            left -= 1;
            let from = done.tag as usize;
            match done.result {
                Ok(()) => prop_assert_eq!(&done.into[done.at.clone()], &file[from..from + done.at.len()]),
                Err(ReadError::EndOfFile { .. }) => prop_assert!(from + done.at.len() > file.len()),
                Err(ReadError::Device { .. }) => prop_assert!(eio > 0),
                Err(other) => prop_assert!(false, "{other}"),
            }
        }
        prop_assert_eq!(left, 0);
    }
}
