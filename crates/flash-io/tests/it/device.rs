//! How a device read goes on after attempts that did not bring everything.

use flint_flash_io::{DeviceRead, Failure, FileId, Gap, Piece, RecordPiece, Step};
use flint_iobuf::Lease;

/// 100 bytes wanted at 50 of a widened kilobyte, a gap of 512, then 512 wanted of 512.
fn read() -> DeviceRead {
    let piece = |tag, bytes, at| {
        Piece::Record(RecordPiece {
            tag,
            part: None,
            into: Lease::alone(bytes).unwrap(),
            bytes,
            at,
        })
    };
    let pieces =
        vec![piece(1, 1024, 50..150), Piece::Gap(Gap { bytes: 512 }), piece(2, 512, 0..300)];
    DeviceRead::new(FileId(0), 4096, 512, pieces)
}

#[test]
fn short_attempts_resume_at_a_block_until_all_is_there() {
    let mut read = read();
    assert_eq!(read.bytes(), 2048);
    assert_eq!(read.advance(Ok(700)), Step::Again);
    assert_eq!((read.got(), read.resume()), (700, 512));
    assert_eq!(read.advance(Ok(1000)), Step::Again);
    assert_eq!((read.got(), read.resume()), (1512, 1024));
    // Up to the end of the last record is enough: the file may end in the last block.
    assert_eq!(read.advance(Ok(812)), Step::End(None));
}

#[test]
fn an_attempt_that_brings_nothing_new_is_the_end_of_the_file() {
    let mut nothing = read();
    assert_eq!(nothing.advance(Ok(0)), Step::End(Some(Failure::EndOfFile)));
    let mut tail = read();
    assert_eq!(tail.advance(Ok(700)), Step::Again);
    assert_eq!(tail.advance(Ok(188)), Step::End(Some(Failure::EndOfFile)));
    assert_eq!(tail.got(), 700);
}

#[test]
fn interruptions_are_repeated_and_failures_end() {
    let mut read = read();
    for _ in 0..100 {
        assert_eq!(read.advance(Err(libc::EINTR)), Step::Again);
        assert_eq!(read.advance(Err(libc::EAGAIN)), Step::Again);
    }
    assert_eq!(read.advance(Err(libc::EIO)), Step::End(Some(Failure::Os(libc::EIO))));
}

#[test]
fn a_device_that_is_never_ready_is_given_up() {
    let mut read = read();
    let attempts = (0..).find(|_| read.advance(Err(libc::EAGAIN)) != Step::Again);
    assert!(attempts.is_some());
}

#[test]
fn more_bytes_than_asked_for_are_refused() {
    assert_eq!(read().advance(Ok(2049)), Step::End(Some(Failure::Overrun)));
}

#[test]
fn bytes_are_scattered_to_their_records_and_gaps_are_dropped() {
    let mut read = read();
    let bytes: Vec<u8> = (0..2048).map(|n| (n / 8) as u8).collect();
    read.scatter(0, &bytes[..700]);
    read.scatter(700, &bytes[700..]);
    let pieces = read.into_pieces();
    let (Piece::Record(first), Piece::Record(last)) = (&pieces[0], &pieces[2]) else { panic!() };
    assert_eq!(first.into[..1024], bytes[..1024]);
    assert_eq!(last.into[..512], bytes[1536..]);
}
