//! One read as a device sees it: consecutive bytes of a file into scattered places, until all are there.
//!
//! How a read goes on after a short or interrupted attempt is decided here alone, so that every
//! backend treats them alike.

use crate::FileId;
use flint_iobuf::Lease;
use std::ops::Range;

/// How often one attempt is repeated when the system answers "not now". A device that says so this often
/// without a byte in between is not coming back.
const MAX_RETRIES: u32 = 10_000;

/// Who a read is for: the clients of a reader are counted on.
pub type ClientId = u32;

/// Part of a device read, in file order.
#[derive(Debug)]
pub enum Piece {
    /// Bytes somebody asked for.
    Record(RecordPiece),
    /// Bytes between two records, to be thrown away.
    Gap(Gap),
}

/// Bytes between two records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// How many.
    pub bytes: usize,
}

/// Which part of a record that several device reads bring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartOf {
    /// The record, as the reader counts those that have parts.
    pub record: u64,
    /// Which part, in the order of memory.
    pub index: u32,
}

/// One record, or a part of one, and the lease it goes to.
#[derive(Debug)]
pub struct RecordPiece {
    /// The caller's tag.
    pub tag: u64,
    /// Set where it is a part.
    pub part: Option<PartOf>,
    /// Filled from its first byte on.
    pub into: Lease,
    /// Bytes of the lease that the device fills: the widened record.
    pub bytes: usize,
    /// Where the record itself lies in the lease.
    pub at: Range<usize>,
}

impl Piece {
    /// Bytes of the file that the piece takes.
    pub fn bytes(&self) -> usize {
        match self {
            Piece::Record(record) => record.bytes,
            Piece::Gap(gap) => gap.bytes,
        }
    }
}

/// A read for the device. It owns the memory it goes to: whoever holds the read decides when that may
/// be touched, and a backend keeps it until the device is done.
#[derive(Debug)]
pub struct DeviceRead {
    file: FileId,
    offset: u64,
    alignment: u64,
    pieces: Vec<Piece>,
    /// Bytes of all pieces.
    bytes: usize,
    /// Bytes up to the end of the last record: what must arrive. Behind it lies only widening, which may
    /// reach past the end of the file.
    needed: usize,
    got: usize,
    retries: u32,
    client: ClientId,
    id: u64,
    requests: u32,
}

/// Why a device read ended before all its bytes were there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// The file ends before.
    EndOfFile,
    /// The system's error number.
    Os(i32),
    /// The device claims more bytes than it was asked for.
    Overrun,
}

/// A device read that ended.
#[derive(Debug)]
pub struct DeviceDone {
    /// The read, with its memory.
    pub read: DeviceRead,
    /// `None` when every needed byte is there.
    pub failure: Option<Failure>,
}

/// What a backend does after an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Try again, from [`DeviceRead::resume`] on.
    Again,
    /// Hand the read back with this result.
    End(Option<Failure>),
}

impl DeviceRead {
    /// A read of `pieces` from `offset` on. Attempts start on multiples of `alignment`.
    ///
    /// # Panics
    /// When `alignment` is not a power of two.
    pub fn new(file: FileId, offset: u64, alignment: u64, pieces: Vec<Piece>) -> DeviceRead {
        assert!(alignment.is_power_of_two(), "alignment {alignment} is not a power of two");
        let (mut bytes, mut needed) = (0, 0);
        for piece in &pieces {
            if let Piece::Record(record) = piece {
                needed = bytes + record.at.end;
            }
            bytes += piece.bytes();
        }
        DeviceRead {
            file,
            offset,
            alignment,
            pieces,
            bytes,
            needed,
            got: 0,
            retries: 0,
            client: 0,
            id: 0,
            requests: 1,
        }
    }

    /// Says who it is for, and gives it a number that no other read has.
    pub fn assign(&mut self, client: ClientId, id: u64) {
        (self.client, self.id) = (client, id);
    }

    /// Who it is for.
    pub fn client(&self) -> ClientId {
        self.client
    }

    /// Says how many requests it took, where a backend makes several of it.
    pub fn set_requests(&mut self, requests: u32) {
        self.requests = requests;
    }

    /// Requests that it took.
    pub fn requests(&self) -> u32 {
        self.requests
    }

    /// Its number.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Which file.
    pub fn file(&self) -> FileId {
        self.file
    }

    /// First byte in the file.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Bytes of all pieces.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Bytes that have arrived.
    pub fn got(&self) -> usize {
        self.got
    }

    /// The pieces, in file order.
    pub fn pieces_mut(&mut self) -> &mut [Piece] {
        &mut self.pieces
    }

    /// Gives the pieces back, for their leases and for the memory of the list.
    pub fn into_pieces(self) -> Vec<Piece> {
        self.pieces
    }

    /// Where the next attempt starts, counted from `offset`: what has arrived, down to whole blocks.
    pub fn resume(&self) -> usize {
        self.got - self.got % self.alignment as usize
    }

    /// Takes in the result of an attempt that started at `resume`: bytes, or an error number.
    pub fn advance(&mut self, attempt: Result<usize, i32>) -> Step {
        let bytes = match attempt {
            Ok(bytes) => bytes,
            Err(libc::EINTR | libc::EAGAIN) if self.retries < MAX_RETRIES => {
                self.retries += 1;
                return Step::Again;
            }
            Err(code) => return Step::End(Some(Failure::Os(code))),
        };
        let reached = self.resume() + bytes;
        if reached > self.bytes {
            return Step::End(Some(Failure::Overrun));
        }
        if reached <= self.got {
            return Step::End(Some(Failure::EndOfFile));
        }
        self.got = reached;
        self.retries = 0;
        if reached >= self.needed { Step::End(None) } else { Step::Again }
    }

    /// Copies `data` to where bytes from `at` on (counted from `offset`) belong; for devices that are memory.
    pub fn scatter(&mut self, mut at: usize, mut data: &[u8]) {
        for piece in &mut self.pieces {
            let bytes = piece.bytes();
            if at >= bytes {
                at -= bytes;
                continue;
            }
            let (now, rest) = data.split_at(data.len().min(bytes - at));
            if let Piece::Record(record) = piece {
                record.into[at..at + now.len()].copy_from_slice(now);
            }
            (at, data) = (0, rest);
            if data.is_empty() {
                return;
            }
        }
    }
}
