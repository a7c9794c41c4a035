//! Opening: what is refused, and which path is taken where.

use crate::bed::{Bed, content, read_all};
use flint_flash_io::{Options, ReadError, Reader};

#[test]
fn a_missing_file_is_named() {
    let missing = std::env::temp_dir().join("flint-no-such-file");
    let Err(error) = Reader::open(std::slice::from_ref(&missing), Options::default()) else {
        panic!()
    };
    assert!(matches!(&error, ReadError::Open { path, .. } if *path == missing), "{error:?}");
    assert!(error.to_string().contains("flint-no-such-file"));
}

#[test]
fn what_is_no_file_is_refused_without_waiting_for_it() {
    let directory = tempfile::tempdir().unwrap();
    assert!(Reader::open(&[directory.path().to_owned()], Options::default()).is_err());
    let pipe = directory.path().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    if made.is_ok_and(|status| status.success()) {
        assert!(Reader::open(&[pipe], Options::default()).is_err());
    }
}

#[test]
fn direct_reading_can_be_switched_off_and_the_report_says_so() {
    let file = content(10_000, 1);
    let options = Options { direct: false, ..Options::default() };
    let mut ready = Bed::Threads.open(std::slice::from_ref(&file), options).unwrap();
    let report = ready.reader.report();
    assert!(!report.direct && !report.widened && report.alignment == 1, "{report:?}");
    assert_eq!(report.reasons.len(), 1);
    assert_eq!(ready.reader.lease_bytes(1000), 1000);
    let done = read_all(&mut ready.reader, &[(77, 1000)]).remove(0);
    assert_eq!((done.at.clone(), &done.into[done.at]), (0..1000, &file[77..1077]));
}

#[test]
fn a_file_system_in_memory_is_read_through_the_page_cache_and_says_so() {
    let Ok(directory) = tempfile::tempdir_in("/dev/shm") else { return };
    let path = directory.path().join("data");
    let bytes = content(20_000, 2);
    std::fs::write(&path, &bytes).unwrap();
    for min_alignment in [None, Some(4096)] {
        let options = Options { min_alignment, ..Options::default() };
        let mut reader = Reader::open(std::slice::from_ref(&path), options).unwrap();
        let report = reader.report();
        assert!(!report.direct, "{report:?}");
        assert!(report.reasons.iter().any(|why| why.contains("in memory")), "{report:?}");
        assert_eq!(report.widened, min_alignment.is_some());
        let done = read_all(&mut reader, &[(15_000, 5000)]).remove(0);
        done.result.unwrap();
        assert_eq!(done.into[done.at], bytes[15_000..]);
    }
}

#[test]
fn one_file_that_refuses_direct_reading_decides_for_all() {
    let Ok(memory) = tempfile::tempdir_in("/dev/shm") else { return };
    let disk = tempfile::tempdir().unwrap();
    let paths = [disk.path().join("a"), memory.path().join("b")];
    for path in &paths {
        std::fs::write(path, [1; 5000]).unwrap();
    }
    let report = Reader::open(&paths, Options::default()).unwrap().report();
    assert!(!report.direct);
}

#[test]
fn a_lease_has_room_for_any_sector_of_a_coarse_device() {
    let options = Options { min_alignment: Some(4096), ..Options::default() };
    let ready = Bed::Simulated.open(&[content(8192, 3)], options).unwrap();
    for len in [512, 4096, 4608, 16 << 10] {
        let lease = ready.reader.lease_bytes(len);
        let worst = (0..8).map(|sector| (sector * 512 + len).next_multiple_of(4096)).max();
        assert_eq!(Some(lease), worst, "{len}");
    }
}
