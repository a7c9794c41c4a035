//! The archive of a PyTorch file: where the pickle and the storages lie in the file.
//!
//! Attacks that end here or in `directory.rs`, each with a test in `tests/it/hostile/pytorch.rs`: claims of 2^64
//! entries, of a directory of terabytes or outside the file; names that are paths (nothing is ever unpacked),
//! not UTF-8, thousands of bytes long, or there twice; entries past the end, compressed or encrypted
//! (unpacked, a megabyte could become a terabyte); no pickle, two of them, or one of gigabytes; two
//! directories of which readers would see different ones. Entries that share bytes are harmless: they are only
//! read, and the disk that a bundle takes is checked before it is written.

use super::directory::{self, Entry, ReadAt};
use super::error::{ArchiveError, LARGEST_PROGRAM};
use std::collections::HashMap;
use std::io;
use std::ops::Range;

/// First bytes of a zip archive.
const MAGIC: [u8; 4] = *b"PK\x03\x04";

const PROGRAM: &str = "data.pkl";
const BYTE_ORDER: &str = "byteorder";

/// Where things are in a file.
pub(super) struct Archive {
    program: Range<u64>,
    /// Bytes of each storage by its key.
    storages: HashMap<String, Range<u64>>,
    /// Checksum over what the archive says of its entries' contents.
    entries_crc: u32,
}

impl Archive {
    /// Reads the directory of `file`, which has `size` bytes.
    pub(super) fn open<R: ReadAt + ?Sized>(file: &R, size: u64) -> Result<Archive, ArchiveError> {
        let mut magic = [0; MAGIC.len()];
        file.read_exact_at(&mut magic, 0).map_err(|_| ArchiveError::NotZip)?;
        if magic != MAGIC {
            return Err(ArchiveError::NotZip);
        }
        let mut places = HashMap::new();
        let mut entries_crc = 0;
        for Entry { name, place, crc } in directory::entries(file, size)? {
            entries_crc = crc32c::crc32c_append(entries_crc, &crc.to_le_bytes());
            if places.contains_key(&name) {
                return Err(ArchiveError::Twice { entry: name });
            }
            places.insert(name, place);
        }
        let root = root(&places)?;
        let program = places.remove(&format!("{root}{PROGRAM}")).ok_or(ArchiveError::NoProgram)?;
        if program.end - program.start > LARGEST_PROGRAM {
            return Err(ArchiveError::LargeProgram { got: program.end - program.start });
        }
        if let Some(place) = places.get(&format!("{root}{BYTE_ORDER}")) {
            check_byte_order(file, place)?;
        }
        let data = format!("{root}data/");
        let storages = places.into_iter().filter_map(|(name, place)| {
            name.strip_prefix(&data).map(|key| (key.to_owned(), place))
        });
        Ok(Archive { program, storages: storages.collect(), entries_crc })
    }

    /// The pickle.
    pub(super) fn program<R: ReadAt + ?Sized>(&self, file: &R) -> io::Result<Vec<u8>> {
        // The length was checked.
        let mut bytes = vec![0; (self.program.end - self.program.start) as usize];
        file.read_exact_at(&mut bytes, self.program.start)?;
        Ok(bytes)
    }

    /// Where the storage `key` is in the file.
    pub(super) fn storage(&self, key: &str) -> Option<&Range<u64>> {
        self.storages.get(key)
    }

    /// A checksum of the pickle and of what the archive says of its contents.
    pub(super) fn checksum(&self, program: &[u8]) -> u32 {
        crc32c::crc32c_append(self.entries_crc, program)
    }
}

/// The directory of the archive that holds the pickle, with its slash.
fn root(places: &HashMap<String, Range<u64>>) -> Result<String, ArchiveError> {
    let mut roots = places.keys().filter_map(|name| {
        name.strip_suffix(PROGRAM).filter(|root| root.ends_with('/')).map(str::to_owned)
    });
    let root = roots.next().ok_or(ArchiveError::NoProgram)?;
    match roots.next() {
        None => Ok(root),
        Some(_) => Err(ArchiveError::TwoPrograms),
    }
}

fn check_byte_order<R: ReadAt + ?Sized>(file: &R, place: &Range<u64>) -> Result<(), ArchiveError> {
    const LITTLE: &[u8] = b"little";
    let mut order = [0; LITTLE.len()];
    if place.end - place.start != LITTLE.len() as u64 {
        return Err(ArchiveError::BigEndian);
    }
    file.read_exact_at(&mut order, place.start)?;
    if order == LITTLE { Ok(()) } else { Err(ArchiveError::BigEndian) }
}
