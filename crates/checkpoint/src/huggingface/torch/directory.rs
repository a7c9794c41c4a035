//! The directory at the end of a zip archive: name, place and checksum of each entry, nothing unpacked.
//!
//! Our own reader, because libraries reserve memory for as many entries as a file claims to have, and differ on
//! which of two directories counts. Here there is one: the one that the last 22 bytes of the file name.
//! `tests/it/checkpoints/pytorch.rs` compares it with files that a library and PyTorch wrote.

use super::error::{ArchiveError, MOST_ENTRIES};
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;

/// Longest name of an entry, in bytes.
const LONGEST_NAME: usize = 512;

/// Largest directory: room for the most entries with names and extra fields of a usual length.
const LARGEST_DIRECTORY: u64 = 16 << 20;

const END: [u8; 4] = *b"PK\x05\x06";
const END_BYTES: u64 = 22;
const LOCATOR: [u8; 4] = *b"PK\x06\x07";
const LOCATOR_BYTES: u64 = 20;
const LONG_END: [u8; 4] = *b"PK\x06\x06";
const LONG_END_BYTES: u64 = 56;
const ENTRY: [u8; 4] = *b"PK\x01\x02";
const ENTRY_BYTES: usize = 46;
const LOCAL: [u8; 4] = *b"PK\x03\x04";
const LOCAL_BYTES: u64 = 30;

/// Kind of the extra field that holds what does not fit in 32 bits.
const LONG_FIELDS: u16 = 1;

/// Bytes that can be read at any offset: a file, or memory in tests.
pub(crate) trait ReadAt {
    /// Fills `bytes` from `offset` on.
    fn read_exact_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()>;
}

impl ReadAt for File {
    fn read_exact_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        FileExt::read_exact_at(self, bytes, offset)
    }
}

impl ReadAt for [u8] {
    fn read_exact_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        let rest = usize::try_from(offset).ok().and_then(|start| self.get(start..));
        let found = rest.and_then(|rest| rest.get(..bytes.len()));
        bytes.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}

/// An entry that is stored as it is.
pub(super) struct Entry {
    pub(super) name: String,
    /// Its bytes in the file.
    pub(super) place: Range<u64>,
    pub(super) crc: u32,
}

/// Where the directory is, and how many entries it claims.
struct Directory {
    place: Range<u64>,
    entries: u64,
}

/// The entries of the archive in `file`, which has `size` bytes, in the order of its directory.
pub(super) fn entries<R: ReadAt + ?Sized>(file: &R, size: u64) -> Result<Vec<Entry>, ArchiveError> {
    let directory = find(file, size)?;
    let mut bytes = vec![0; (directory.place.end - directory.place.start) as usize];
    file.read_exact_at(&mut bytes, directory.place.start)?;
    let mut rest = bytes.as_slice();
    let mut entries = Vec::new();
    for _ in 0..directory.entries {
        entries.push(entry(file, &mut rest, directory.place.start)?);
    }
    match rest.is_empty() {
        true => Ok(entries),
        false => Err(ArchiveError::Damaged("its directory is longer than its entries")),
    }
}

/// Reads the record at the end of the file, and the longer one before it where its fields do not suffice.
fn find<R: ReadAt + ?Sized>(file: &R, size: u64) -> Result<Directory, ArchiveError> {
    const CUT: ArchiveError = ArchiveError::Damaged("it does not end with its directory");
    let mut end = [0; END_BYTES as usize];
    let at = size.checked_sub(END_BYTES).ok_or(CUT)?;
    file.read_exact_at(&mut end, at)?;
    // No comment after it: PyTorch writes none, and one could hold another record.
    if end[..4] != END || u16_at(&end, 20) != 0 {
        return Err(CUT);
    }
    let (entries, bytes, start) = (u16_at(&end, 10), u32_at(&end, 12), u32_at(&end, 16));
    let long = entries == u16::MAX || bytes == u32::MAX || start == u32::MAX;
    let (mut entries, mut bytes, mut start) =
        (u64::from(entries), u64::from(bytes), u64::from(start));
    let mut expected_end = at;
    if let Some((place, record)) = long_end(file, at)? {
        expected_end = place;
        if long {
            (entries, bytes, start) =
                (u64_at(&record, 32), u64_at(&record, 40), u64_at(&record, 48));
        }
    }
    if entries > MOST_ENTRIES {
        return Err(ArchiveError::TooMany { got: entries });
    }
    if bytes > LARGEST_DIRECTORY || start.checked_add(bytes) != Some(expected_end) {
        return Err(ArchiveError::Damaged("its directory is not where it says"));
    }
    Ok(Directory { place: start..expected_end, entries })
}

/// The longer record and its place, where a locator of one stands before `at`.
fn long_end<R: ReadAt + ?Sized>(
    file: &R,
    at: u64,
) -> Result<Option<(u64, [u8; LONG_END_BYTES as usize])>, ArchiveError> {
    let Some(locator_at) = at.checked_sub(LOCATOR_BYTES) else { return Ok(None) };
    let mut locator = [0; LOCATOR_BYTES as usize];
    file.read_exact_at(&mut locator, locator_at)?;
    if locator[..4] != LOCATOR {
        return Ok(None);
    }
    let place = u64_at(&locator, 8);
    let mut record = [0; LONG_END_BYTES as usize];
    if place.checked_add(LONG_END_BYTES) != Some(locator_at) {
        return Err(ArchiveError::Damaged("its long directory record is not where it says"));
    }
    file.read_exact_at(&mut record, place)?;
    match record[..4] == LONG_END {
        true => Ok(Some((place, record))),
        false => Err(ArchiveError::Damaged("its long directory record is malformed")),
    }
}

/// Takes the next entry off `rest`. Contents end before the directory, at `end`.
fn entry<R: ReadAt + ?Sized>(file: &R, rest: &mut &[u8], end: u64) -> Result<Entry, ArchiveError> {
    const SHORT: ArchiveError = ArchiveError::Damaged("its directory is shorter than its entries");
    let fixed = take(rest, ENTRY_BYTES).filter(|fixed| fixed[..4] == ENTRY).ok_or(SHORT)?;
    let name = take(rest, usize::from(u16_at(fixed, 28))).ok_or(SHORT)?;
    let extra = take(rest, usize::from(u16_at(fixed, 30))).ok_or(SHORT)?;
    take(rest, usize::from(u16_at(fixed, 32))).ok_or(SHORT)?;
    if name.len() > LONGEST_NAME {
        return Err(ArchiveError::Damaged("the name of an entry is longer than 512 bytes"));
    }
    let name = std::str::from_utf8(name)
        .map_err(|_| ArchiveError::Damaged("the name of an entry is not UTF-8"))?
        .to_owned();
    const ENCRYPTED: u16 = 1;
    let stored = u16_at(fixed, 10) == 0 && u16_at(fixed, 8) & ENCRYPTED == 0;
    let Some([bytes, packed, header]) = long_fields(fixed, extra) else {
        return Err(ArchiveError::Damaged("a long field of an entry is missing"));
    };
    if !stored || bytes != packed {
        return Err(ArchiveError::NotPlain { entry: name });
    }
    let cut = |name| ArchiveError::CutShort { entry: name };
    let Some(after) = header.checked_add(LOCAL_BYTES).filter(|&after| after <= end) else {
        return Err(cut(name));
    };
    let mut local = [0; LOCAL_BYTES as usize];
    file.read_exact_at(&mut local, header)?;
    if local[..4] != LOCAL {
        return Err(cut(name));
    }
    let start = after + u64::from(u16_at(&local, 26)) + u64::from(u16_at(&local, 28));
    match start.checked_add(bytes).filter(|&last| last <= end) {
        Some(last) => Ok(Entry { name, place: start..last, crc: u32_at(fixed, 16) }),
        None => Err(cut(name)),
    }
}

/// Length, packed length and place of the local header: those that do not fit in 32 bits stand in an extra
/// field, in this order.
fn long_fields(fixed: &[u8], extra: &[u8]) -> Option<[u64; 3]> {
    let mut long = extra_field(extra, LONG_FIELDS).unwrap_or_default();
    let mut fields = [0; 3];
    for (field, at) in fields.iter_mut().zip([24, 20, 42]) {
        *field = match u32_at(fixed, at) {
            u32::MAX => u64_at(take(&mut long, 8)?, 0),
            short => u64::from(short),
        };
    }
    Some(fields)
}

/// The contents of the first extra field of this kind.
fn extra_field(mut extra: &[u8], kind: u16) -> Option<&[u8]> {
    loop {
        let head = take(&mut extra, 4)?;
        let contents = take(&mut extra, usize::from(u16_at(head, 2)))?;
        if u16_at(head, 0) == kind {
            return Some(contents);
        }
    }
}

fn take<'a>(rest: &mut &'a [u8], len: usize) -> Option<&'a [u8]> {
    let (taken, left) = rest.split_at_checked(len)?;
    *rest = left;
    Some(taken)
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(std::array::from_fn(|index| bytes[at + index]))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(std::array::from_fn(|index| bytes[at + index]))
}
