//! The zip archive: where the pickle and the storages lie in the file.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use zip::{CompressionMethod, ZipArchive};

/// Largest pickle that is read: a checkpoint of a thousand tensors takes a tenth of a megabyte.
const LARGEST_PROGRAM: u64 = 16 << 20;

/// Most entries: one for each tensor, and a few more.
const MOST_ENTRIES: usize = 1 << 18;

/// First bytes of a zip archive.
const MAGIC: [u8; 4] = *b"PK\x03\x04";

const PROGRAM: &str = "data.pkl";
const BYTE_ORDER: &str = "byteorder";

/// Why a file is no archive of tensors.
#[derive(Debug, thiserror::Error)]
pub(super) enum ArchiveError {
    #[error(
        "is not a zip archive: if it is a PyTorch file from before version 1.6, load and save it with a newer one"
    )]
    NotZip,
    #[error("is not a whole zip archive ({0}): download it again")]
    Damaged(#[from] zip::result::ZipError),
    #[error("cannot be read: {0}")]
    Read(#[from] io::Error),
    #[error("holds no data.pkl: it is not a PyTorch file")]
    NoProgram,
    #[error("holds {got} entries, at most {MOST_ENTRIES} are read")]
    TooMany { got: usize },
    #[error("its data.pkl has {got} bytes, at most {LARGEST_PROGRAM} are read")]
    LargeProgram { got: u64 },
    #[error("its entry '{entry}' is compressed or encrypted: PyTorch stores plain bytes")]
    NotPlain { entry: String },
    #[error("its entry '{entry}' reaches past the end of the file: download it again")]
    CutShort { entry: String },
    #[error("was written on a big-endian machine, which is not supported")]
    BigEndian,
}

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
    pub(super) fn open(file: &File, size: u64) -> Result<Archive, ArchiveError> {
        let mut magic = [0; MAGIC.len()];
        file.read_exact_at(&mut magic, 0).map_err(|_| ArchiveError::NotZip)?;
        if magic != MAGIC {
            return Err(ArchiveError::NotZip);
        }
        let mut reader = BufReader::new(file);
        reader.seek(SeekFrom::Start(0))?;
        let mut zip = ZipArchive::new(reader)?;
        if zip.len() > MOST_ENTRIES {
            return Err(ArchiveError::TooMany { got: zip.len() });
        }
        let mut entries = HashMap::new();
        let mut entries_crc = 0;
        for index in 0..zip.len() {
            let (name, place, crc) = entry(&mut zip, index, size)?;
            entries_crc = crc32c::crc32c_append(entries_crc, &crc.to_le_bytes());
            entries.insert(name, place);
        }
        let name = entries.keys().find(|name| name.ends_with(&format!("/{PROGRAM}")));
        let name = name.ok_or(ArchiveError::NoProgram)?;
        let root = name[..name.len() - PROGRAM.len()].to_owned();
        let program = entries.remove(&format!("{root}{PROGRAM}")).ok_or(ArchiveError::NoProgram)?;
        if program.end - program.start > LARGEST_PROGRAM {
            return Err(ArchiveError::LargeProgram { got: program.end - program.start });
        }
        if let Some(place) = entries.get(&format!("{root}{BYTE_ORDER}")) {
            check_byte_order(file, place)?;
        }
        let data = format!("{root}data/");
        let storages = entries.into_iter().filter_map(|(name, place)| {
            name.strip_prefix(&data).map(|key| (key.to_owned(), place))
        });
        Ok(Archive { program, storages: storages.collect(), entries_crc })
    }

    /// The pickle.
    pub(super) fn program(&self, file: &File) -> io::Result<Vec<u8>> {
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

/// Name, bytes in the file and checksum of an entry, which has to be stored as it is.
fn entry<R: Read + Seek>(
    zip: &mut ZipArchive<R>,
    index: usize,
    size: u64,
) -> Result<(String, Range<u64>, u32), ArchiveError> {
    let found = zip.by_index_raw(index)?;
    let entry = found.name()?.into_owned();
    if found.compression() != CompressionMethod::Stored || found.encrypted() {
        return Err(ArchiveError::NotPlain { entry });
    }
    let place = found.data_start().and_then(|start| Some(start..start.checked_add(found.size())?));
    match place {
        Some(place) if place.end <= size => Ok((entry, place, found.crc32())),
        _ => Err(ArchiveError::CutShort { entry }),
    }
}

fn check_byte_order(file: &File, place: &Range<u64>) -> Result<(), ArchiveError> {
    const LITTLE: &[u8] = b"little";
    let mut order = [0; LITTLE.len()];
    if place.end - place.start != LITTLE.len() as u64 {
        return Err(ArchiveError::BigEndian);
    }
    file.read_exact_at(&mut order, place.start)?;
    if order == LITTLE { Ok(()) } else { Err(ArchiveError::BigEndian) }
}
