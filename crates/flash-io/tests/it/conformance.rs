//! What every backend owes its caller. Each test runs over all of them.

use crate::bed::{Bed, content, next, read_all, record};
use flint_flash_io::{
    FileId, MergePolicy, Options, Priority, ReadError, RecordRead, Segment, Segments,
};
use flint_geometry::Extent;
use flint_iobuf::{Lease, Pool};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

macro_rules! on_every_backend {
    ($($name:ident),* $(,)?) => {
        mod threads { $(#[test] fn $name() { super::$name(super::Bed::Threads); })* }
        mod uring { $(#[test] fn $name() { super::$name(super::Bed::Uring); })* }
        mod simulated { $(#[test] fn $name() { super::$name(super::Bed::Simulated); })* }
    };
}

on_every_backend!(
    any_extent_of_any_file_arrives_whole,
    neighbours_and_small_gaps_are_one_device_read,
    reads_are_widened_for_a_coarse_device,
    the_last_bytes_of_a_file_can_be_read,
    a_truncated_file_is_named_with_offset_and_lengths,
    a_full_queue_delays_but_loses_nothing,
    large_extents_go_into_large_leases,
    records_without_a_device_read_come_back_too,
    closing_a_ring_mid_read_returns_what_was_lent,
    reading_goes_on_while_records_are_taken,
    polling_finds_every_record,
    a_guess_is_read_or_taken_back,
    segments_of_several_files_lie_one_behind_the_other,
    each_client_gets_its_own_records,
    a_client_that_is_gone_leaves_nothing_behind,
    what_one_client_waits_for_overtakes_what_another_reads_ahead,
    a_split_record_that_was_cancelled_comes_back_once,
    a_lease_that_is_too_short_is_a_bug_of_the_caller,
);

const GAPS: MergePolicy =
    MergePolicy { max_gap_bytes: 2048, max_request_bytes: 64 << 10, part_bytes: 0 };

fn any_extent_of_any_file_arrives_whole(bed: Bed) {
    let files = [content(100_000, 1), content(70_001, 2)];
    let alignment = prop_oneof![Just(None), Just(Some(512)), Just(Some(4096)), Just(Some(16384))];
    let gap = prop_oneof![Just(0), 1u64..5000, Just(1 << 20)];
    let wants = proptest::collection::vec((0..2u32, 0u64..70_000, 0u64..9000), 1..60);
    let settings = ProptestConfig { cases: 24, ..ProptestConfig::default() };
    let mut runner = TestRunner::new(settings);
    let case = (alignment, gap, 1usize..40, any::<bool>(), any::<bool>(), wants);
    let outcome =
        runner.run(&case, |(min_alignment, max_gap_bytes, depth, sectors, direct, wants)| {
            let merge = MergePolicy { max_gap_bytes, max_request_bytes: 40_000, part_bytes: 0 };
            let max_requests = depth;
            let options =
                Options { min_alignment, merge, max_requests, direct, ..Options::default() };
            let Some(mut ready) = bed.open(&files, options) else { return Ok(()) };
            let mut batch = Vec::new();
            let mut expected = Vec::new();
            for (tag, &(file, offset, len)) in wants.iter().enumerate() {
                let offset = if sectors { offset / 512 * 512 } else { offset };
                let len = len.min(files[file as usize].len() as u64 - offset);
                let read = record(&ready.reader, offset, len);
                let extent = read.segments.only().unwrap().extent;
                batch.push(RecordRead::new(tag as u64, FileId(file), extent, read.into));
                expected.push(&files[file as usize][offset as usize..(offset + len) as usize]);
            }
            ready.reader.submit(&mut batch, Priority::Demand);
            let mut seen = vec![false; wants.len()];
            while let Some(done) = next(&mut ready.reader) {
                prop_assert!(done.result.is_ok(), "{:?}", done.result);
                prop_assert_eq!(&done.into[done.at.clone()], expected[done.tag as usize]);
                prop_assert!(!std::mem::replace(&mut seen[done.tag as usize], true));
            }
            prop_assert!(seen.into_iter().all(|seen| seen));
            prop_assert_eq!(ready.reader.counters().records, wants.len() as u64);
            Ok(())
        });
    outcome.unwrap();
}

fn neighbours_and_small_gaps_are_one_device_read(bed: Bed) {
    let file = content(64 << 10, 3);
    let options = Options { merge: GAPS, ..Options::default() };
    let Some(mut ready) = bed.open(std::slice::from_ref(&file), options) else { return };
    // Two neighbours, a gap of 1 KiB, a third; then one that is too far away.
    let wants = [(0, 4096), (4096, 4096), (9216, 4096), (20_480, 4096)];
    for done in read_all(&mut ready.reader, &wants) {
        done.result.unwrap();
        let from = done.tag as usize;
        assert_eq!(done.into[done.at], file[from..from + 4096]);
    }
    let counters = ready.reader.counters();
    assert_eq!((counters.device_reads, counters.records), (2, 4));
    assert_eq!(counters.bytes_read, 13_312 + 4096);
}

fn reads_are_widened_for_a_coarse_device(bed: Bed) {
    let file = content(64 << 10, 4);
    let options = Options { min_alignment: Some(4096), merge: GAPS, ..Options::default() };
    let Some(mut ready) = bed.open(std::slice::from_ref(&file), options) else { return };
    let report = ready.reader.report();
    assert!(report.widened && report.alignment == 4096, "{report:?}");
    let len = 5 * 512;
    let lease_bytes = ready.reader.lease_bytes(len);
    assert_eq!(lease_bytes, 8192);
    let pool = Pool::new(12, lease_bytes).unwrap();
    for sector in 0..12 {
        let extent = Extent::new(sector * len as u64, len as u64).unwrap();
        let place = ready.reader.place(extent);
        let into = pool.take().unwrap();
        let mut batch = vec![RecordRead::new(0, FileId(0), extent, into)];
        ready.reader.submit(&mut batch, Priority::Demand);
        let done = next(&mut ready.reader).unwrap();
        done.result.unwrap();
        assert_eq!(done.at, place);
        let from = extent.offset() as usize;
        assert_eq!(done.into[done.at], file[from..from + len]);
    }
    // Records that share blocks are read one by one, in whole blocks: from 0 to 2560 is one, from 2560 to
    // 5120 two, and so on.
    let blocks: u64 = (0..12).map(|n| (n * 2560 + 2560u64).div_ceil(4096) - n * 2560 / 4096).sum();
    assert_eq!(ready.reader.counters().bytes_read, blocks * 4096);
}

fn the_last_bytes_of_a_file_can_be_read(bed: Bed) {
    for (bytes, min_alignment) in [(10_000, None), (10_000, Some(4096)), (1, None), (8192, None)] {
        let file = content(bytes, 5);
        let options = Options { min_alignment, ..Options::default() };
        let Some(mut ready) = bed.open(std::slice::from_ref(&file), options) else { return };
        let len = bytes.min(700);
        let done = read_all(&mut ready.reader, &[((bytes - len) as u64, len as u64)]).remove(0);
        done.result.unwrap();
        assert_eq!(done.into[done.at], file[bytes - len..]);
    }
}

fn a_guess_is_read_or_taken_back(bed: Bed) {
    let file = content(512 << 10, 7);
    let options = Options { max_requests: 1, merge: MergePolicy::NEVER, ..Options::default() };
    let Some(mut ready) = bed.open(std::slice::from_ref(&file), options) else { return };
    let reader = &mut ready.reader;
    let guesses = 64;
    let mut batch: Vec<RecordRead> =
        (0..guesses).map(|tag| RecordRead { tag, ..record(reader, tag * 4096, 4096) }).collect();
    reader.submit(&mut batch, Priority::Speculative);
    batch.push(RecordRead { tag: guesses, ..record(reader, 0, 4096) });
    reader.submit(&mut batch, Priority::Demand);
    let mut seen = vec![0; guesses as usize + 1];
    let mut recalled = 0;
    reader.cancel(Priority::Speculative, |tag, lease| {
        assert!(lease.len() >= 4096, "the lease of guess {tag} comes back with it");
        seen[tag as usize] += 1;
        recalled += 1;
    });
    while let Some(done) = next(reader) {
        done.result.unwrap();
        let from = done.tag as usize % guesses as usize * 4096;
        assert_eq!(done.into[done.at], file[from..from + 4096]);
        seen[done.tag as usize] += 1;
    }
    assert!(recalled > 0, "a device that reads one at a time was given {guesses}");
    assert_eq!(seen[guesses as usize], 1, "the exact read is not taken back");
    assert!(seen.iter().all(|&times| times == 1), "{seen:?}");
    reader.cancel(Priority::Speculative, |tag, _| panic!("guess {tag} is long back"));
}

fn a_truncated_file_is_named_with_offset_and_lengths(bed: Bed) {
    let file = content(10_000, 6);
    let options = Options { merge: GAPS, ..Options::default() };
    let Some(mut ready) = bed.open(std::slice::from_ref(&file), options) else { return };
    // One merged read, cut in its second record; the third begins behind the end.
    let wants = [(4096, 4096), (8192, 4096), (12_288, 4096)];
    let mut done = read_all(&mut ready.reader, &wants).into_iter();
    let whole = done.next().unwrap();
    whole.result.unwrap();
    assert_eq!(whole.into[whole.at], file[4096..8192]);
    for (at, arrived) in [(8192, 10_000 - 8192), (12_288, 0)] {
        let cut = done.next().unwrap();
        assert!(cut.into.len() >= 4096, "the lease comes back");
        let error = cut.result.unwrap_err();
        assert!(error.to_string().contains(ready.paths[0].to_str().unwrap()), "{error}");
        let ReadError::EndOfFile { offset, expected, got, .. } = error else { panic!("{error}") };
        assert_eq!((offset, expected, got), (at, 4096, arrived));
    }
}

fn a_full_queue_delays_but_loses_nothing(bed: Bed) {
    let file = content(1 << 20, 7);
    for (max_requests, max_bytes) in [(1, 1), (3, 9000), (64, 1)] {
        let options = Options { max_requests, max_bytes, ..Options::default() };
        let Some(mut ready) = bed.open(std::slice::from_ref(&file), options) else { return };
        let wants: Vec<(u64, u64)> = (0..200).map(|n| (n * 37 % 250 * 4096, 4096)).collect();
        let (guesses, exact) = wants.split_at(100);
        for (wants, priority) in [(guesses, Priority::Speculative), (exact, Priority::Demand)] {
            let mut batch = wants.iter().map(|&(at, len)| record(&ready.reader, at, len)).collect();
            ready.reader.submit(&mut batch, priority);
        }
        let mut records = 0;
        while let Some(done) = next(&mut ready.reader) {
            done.result.unwrap();
            let from = done.tag as usize;
            assert_eq!(done.into[done.at], file[from..from + 4096]);
            records += 1;
        }
        assert_eq!(records, 200);
    }
}

fn large_extents_go_into_large_leases(bed: Bed) {
    let file = content((9 << 20) + 777, 8);
    let options = Options { max_bytes: 2 << 20, ..Options::default() };
    let Some(mut ready) = bed.open(std::slice::from_ref(&file), options) else { return };
    let mut wants: Vec<(u64, u64)> = (0..9).map(|n| (n << 20, 1 << 20)).collect();
    wants.push((100, (9 << 20) + 677));
    for done in read_all(&mut ready.reader, &wants) {
        done.result.unwrap();
        let from = done.tag as usize;
        assert!(done.into[done.at.clone()] == file[from..from + done.at.len()]);
    }
}

fn records_without_a_device_read_come_back_too(bed: Bed) {
    let Some(mut ready) = bed.open(&[content(5000, 9)], Options::default()) else { return };
    let done = read_all(&mut ready.reader, &[(100, 0), (i64::MAX as u64 - 100, 200)]);
    assert!(done[0].result.is_ok() && done[0].at.is_empty());
    assert!(matches!(done[1].result, Err(ReadError::EndOfFile { got: 0, expected: 200, .. })));
    assert_eq!(ready.reader.counters().device_reads, 0);
    assert!(next(&mut ready.reader).is_none() && ready.reader.try_next().is_none());
}

fn closing_a_ring_mid_read_returns_what_was_lent(bed: Bed) {
    let options = Options { max_requests: 4, merge: MergePolicy::NEVER, ..Options::default() };
    let Some(mut ready) = bed.open(&[content(4 << 20, 10)], options) else { return };
    let pool = Pool::new(500, 8192).unwrap();
    let mut batch: Vec<RecordRead> = (0..500)
        .map(|n| RecordRead { into: pool.take().unwrap(), ..record(&ready.reader, n * 8192, 8192) })
        .collect();
    ready.reader.submit(&mut batch, Priority::Speculative);
    assert!(next(&mut ready.reader).unwrap().result.is_ok());
    drop(ready);
    assert_eq!(pool.available(), 500);
}

fn reading_goes_on_while_records_are_taken(bed: Bed) {
    let file = content(1 << 20, 11);
    let Some(mut ready) = bed.open(std::slice::from_ref(&file), Options::default()) else { return };
    let mut batch: Vec<RecordRead> =
        (0..16).map(|n| record(&ready.reader, n * 8192, 2048)).collect();
    ready.reader.submit(&mut batch, Priority::Demand);
    let (mut records, mut place) = (0, 1234567u64);
    while let Some(done) = next(&mut ready.reader) {
        done.result.unwrap();
        let from = done.tag as usize;
        assert_eq!(done.into[done.at], file[from..from + 2048]);
        records += 1;
        if records < 400 {
            place = place.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            let tag = (place >> 33) % 500 * 2048;
            let extent = Extent::new(tag, 2048).unwrap();
            batch.push(RecordRead::new(tag, FileId(0), extent, done.into));
            let guess = records % 3 == 0;
            let priority = if guess { Priority::Speculative } else { Priority::Demand };
            ready.reader.submit(&mut batch, priority);
        }
    }
    assert_eq!(records, 415);
    let counters = ready.reader.counters();
    assert_eq!(counters.records, 415);
    assert!(counters.busy > std::time::Duration::ZERO);
}

fn polling_finds_every_record(bed: Bed) {
    let Some(mut ready) = bed.open(&[content(1 << 20, 12)], Options::default()) else { return };
    let mut batch = (0..50).map(|n| record(&ready.reader, n * 16_384, 4096)).collect();
    ready.reader.submit(&mut batch, Priority::Demand);
    let mut records = 0;
    while records < 50 {
        match ready.reader.try_next() {
            Some(done) => {
                done.result.unwrap();
                records += 1;
            }
            None => std::thread::yield_now(),
        }
    }
    assert!(ready.reader.try_next().is_none());
    assert_eq!(ready.reader.counters().wait, std::time::Duration::ZERO);
}

fn a_lease_that_is_too_short_is_a_bug_of_the_caller(bed: Bed) {
    let Some(mut ready) = bed.open(&[content(8192, 13)], Options::default()) else { return };
    let short = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let extent = Extent::new(0, 8192).unwrap();
        let into = Lease::alone(4096).unwrap();
        let mut batch = vec![RecordRead::new(0, FileId(0), extent, into)];
        ready.reader.submit(&mut batch, Priority::Demand);
    }));
    assert!(short.is_err());
}

fn segments_of_several_files_lie_one_behind_the_other(bed: Bed) {
    let files = [content(90_000, 20), content(70_001, 21), content(300_000, 22)];
    let alignment = prop_oneof![Just(None), Just(Some(4096))];
    let segment = (0..3u32, 0u64..60_000, 0u64..200_000);
    let records = proptest::collection::vec(proptest::collection::vec(segment, 1..=8), 1..12);
    let settings = ProptestConfig { cases: 24, ..ProptestConfig::default() };
    let mut runner = TestRunner::new(settings);
    let outcome =
        runner.run(&(alignment, 1usize..9, records), |(min_alignment, depth, records)| {
            let merge =
                MergePolicy { max_gap_bytes: 0, max_request_bytes: 20_000, part_bytes: 20_000 };
            let options =
                Options { min_alignment, merge, max_requests: depth, ..Options::default() };
            let Some(mut ready) = bed.open(&files, options) else { return Ok(()) };
            let (mut batch, mut expected) = (Vec::new(), Vec::new());
            for (tag, list) in records.iter().enumerate() {
                let segments = list.iter().map(|&(file, offset, len)| {
                    let len = len.min(files[file as usize].len() as u64 - offset);
                    Segment { file: FileId(file), extent: Extent::new(offset, len).unwrap() }
                });
                let segments = Segments::new(&segments.collect::<Vec<_>>()).unwrap();
                let lease = ready.reader.lease_bytes_of(&segments);
                // A place that is longer than it must be.
                let into = Lease::alone(lease + 100).unwrap();
                expected.push((segments.clone(), ready.reader.places(&segments)));
                batch.push(RecordRead { tag: tag as u64, segments, into });
            }
            ready.reader.submit(&mut batch, Priority::Demand);
            let mut seen = 0;
            while let Some(done) = next(&mut ready.reader) {
                prop_assert!(done.result.is_ok(), "{:?}", done.result);
                let (segments, places) = &expected[done.tag as usize];
                for (segment, place) in segments.iter().zip(places) {
                    let (from, to) =
                        (segment.extent.offset() as usize, segment.extent.end() as usize);
                    prop_assert!(
                        done.into[place.clone()] == files[segment.file.0 as usize][from..to]
                    );
                }
                if segments.only().is_some() && !done.at.is_empty() {
                    prop_assert_eq!(&done.at, &places[0]);
                }
                prop_assert_eq!(done.into.len(), ready.reader.lease_bytes_of(segments) + 100);
                seen += 1;
            }
            prop_assert_eq!(seen, records.len());
            Ok(())
        });
    outcome.unwrap();
    assert!(Segments::new(&[]).is_none());
    let segment = Segment { file: FileId(0), extent: Extent::new(0, 1).unwrap() };
    assert!(Segments::new(&[segment; 9]).is_none());
}

fn each_client_gets_its_own_records(bed: Bed) {
    let file = content(1 << 20, 23);
    let Some(mut ready) = bed.open(std::slice::from_ref(&file), Options::default()) else { return };
    let mut other = ready.reader.client();
    for n in 0..40 {
        let reader = if n % 3 == 0 { &mut other } else { &mut ready.reader };
        let mut batch = vec![record(reader, n * 8192, 4096)];
        reader.submit(&mut batch, Priority::Demand);
    }
    let of = |reader: &mut flint_flash_io::Reader| {
        let mut tags: Vec<u64> = std::iter::from_fn(|| next(reader))
            .map(|done| {
                done.result.unwrap();
                let from = done.tag as usize;
                assert_eq!(done.into[done.at], file[from..from + 4096]);
                done.tag / 8192
            })
            .collect();
        tags.sort_unstable();
        tags
    };
    assert_eq!(of(&mut other), (0..40).step_by(3).collect::<Vec<u64>>());
    let rest: Vec<u64> = (0..40).filter(|n| n % 3 != 0).collect();
    assert_eq!(of(&mut ready.reader), rest);
    assert_eq!((other.counters().records, ready.reader.counters().records), (14, 26));
    assert_eq!(other.counters().bytes_read, 14 * 4096);
}

fn a_client_that_is_gone_leaves_nothing_behind(bed: Bed) {
    let options = Options { max_requests: 2, merge: MergePolicy::NEVER, ..Options::default() };
    let Some(mut ready) = bed.open(&[content(1 << 20, 24)], options) else { return };
    let pool = Pool::new(60, 8192).unwrap();
    let mut other = ready.reader.client();
    let mut batch: Vec<RecordRead> = (0..60)
        .map(|n| RecordRead { into: pool.take().unwrap(), ..record(&other, n * 8192, 8192) })
        .collect();
    other.submit(&mut batch, Priority::ReadAhead);
    drop(other);
    assert!(pool.available() >= 58, "what the device was not given is dropped at once");
    // What it was given comes back with the reads of others.
    batch.extend((0..20).map(|n| record(&ready.reader, n * 8192, 8192)));
    ready.reader.submit(&mut batch, Priority::Demand);
    assert_eq!(std::iter::from_fn(|| next(&mut ready.reader)).count(), 20);
    drop(ready);
    assert_eq!(pool.available(), 60);
}

fn what_one_client_waits_for_overtakes_what_another_reads_ahead(bed: Bed) {
    let options = Options { max_requests: 1, merge: MergePolicy::NEVER, ..Options::default() };
    let Some(mut ready) = bed.open(&[content(4 << 20, 25)], options) else { return };
    let mut other = ready.reader.client();
    let mut batch: Vec<RecordRead> = (0..400).map(|n| record(&other, n * 8192, 8192)).collect();
    other.submit(&mut batch, Priority::ReadAhead);
    batch.push(record(&ready.reader, 0, 8192));
    ready.reader.submit(&mut batch, Priority::Demand);
    assert!(next(&mut ready.reader).unwrap().result.is_ok());
    assert!(other.counters().device_reads < 400, "it waited for all of them");
    assert_eq!(std::iter::from_fn(|| next(&mut other)).count(), 400);
}

fn a_split_record_that_was_cancelled_comes_back_once(bed: Bed) {
    let merge = MergePolicy { part_bytes: 8192, ..MergePolicy::NEVER };
    let options = Options { max_requests: 1, merge, ..Options::default() };
    let Some(mut ready) = bed.open(&[content(1 << 20, 26)], options) else { return };
    let reader = &mut ready.reader;
    let mut batch: Vec<RecordRead> = (0..4).map(|n| record(reader, n << 17, 1 << 17)).collect();
    let lease = batch[0].into.len();
    reader.submit(&mut batch, Priority::Speculative);
    let mut times = [0; 4];
    reader.cancel(Priority::Speculative, |tag, into| {
        assert_eq!(into.len(), lease, "all parts of the lease come back");
        times[(tag >> 17) as usize] += 1;
    });
    assert!(times.iter().sum::<u32>() >= 2, "a device that reads one at a time has begun all");
    while let Some(done) = next(reader) {
        let cancelled = matches!(done.result, Err(ReadError::Cancelled { .. }));
        assert!(cancelled || done.result.is_ok(), "{:?}", done.result);
        assert_eq!(done.into.len(), lease);
        times[(done.tag >> 17) as usize] += 1;
    }
    assert_eq!(times, [1; 4]);
}
