//! The probe: it measures what was asked, and leaves nothing behind.

use flint_flash_io::{ProbeOptions, ReadError, probe};
use std::time::Duration;

fn options() -> ProbeOptions {
    ProbeOptions {
        sizes: vec![4096, 65_536],
        depths: vec![1, 8],
        each: Duration::from_millis(2),
        temporary_bytes: 3 << 20,
        ..ProbeOptions::default()
    }
}

#[test]
fn a_directory_is_measured_with_a_temporary_file_that_is_removed() {
    let directory = tempfile::tempdir().unwrap();
    let mut seen = Vec::new();
    let left = || std::fs::read_dir(directory.path()).unwrap().count();
    let report = probe(directory.path(), &options(), |at| {
        seen.push((at.done, at.points));
        // Even a process that is killed now leaves nothing.
        assert!(cfg!(not(target_os = "linux")) || left() == 0);
    });
    let report = report.unwrap();
    let points: Vec<_> = report.random.iter().map(|point| (point.bytes, point.depth)).collect();
    assert_eq!(points, [(4096, 1), (4096, 8), (65_536, 1), (65_536, 8)]);
    assert_eq!(seen, [(0, 5), (1, 5), (2, 5), (3, 5), (4, 5)]);
    assert_eq!(report.file_bytes, 3 << 20);
    for point in report.random.iter().chain([&report.sequential]) {
        assert!(point.reads > 0 && point.micros_per_read > 0.0, "{point:?}");
        assert!(point.cpu_micros_per_read > 0.0, "a read costs some CPU: {point:?}");
        let expected = point.bytes as f64 / point.micros_per_read;
        assert!((point.megabytes_per_second / expected - 1.0).abs() < 1e-9, "{point:?}");
    }
    assert_eq!(left(), 0);
}

#[test]
fn a_file_is_measured_with_the_sizes_that_fit_and_kept() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), [1; 10_000]).unwrap();
    let report = probe(file.path(), &options(), |_| ()).unwrap();
    assert!(report.random.iter().all(|point| point.bytes == 4096));
    assert_eq!(report.sequential.bytes, 10_000);
    assert_eq!(std::fs::metadata(file.path()).unwrap().len(), 10_000);
}

#[test]
fn too_small_a_file_is_refused_with_the_length_it_needs() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), [1; 100]).unwrap();
    let error = probe(file.path(), &options(), |_| ()).unwrap_err();
    assert!(matches!(error, ReadError::TooSmall { bytes: 100, needed: 4096, .. }), "{error}");
}
