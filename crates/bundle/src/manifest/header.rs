//! The 32 bytes before the payload. Magic and version keep their place in every format version.
//!
//! ```text
//! offset  bytes  field
//!      0      8  magic "FLINT\r\n\x1a"
//!      8      4  format version, u32
//!     12      4  CRC-32C of the payload, u32
//!     16      8  length of the payload in bytes, u64
//!     24      4  CRC-32C of bytes 0..24, u32
//!     28      4  reserved, zero, u32
//! ```

use crate::{BundleError, ManifestFault, Part};
use std::path::Path;

/// The format version that this build writes, and the newest that it reads.
pub const FORMAT_VERSION: u32 = 1;

/// The line ends show a copy that translated them.
const MAGIC: [u8; 8] = *b"FLINT\r\n\x1a";

const VERSION_AT: usize = MAGIC.len();
const PAYLOAD_CRC_AT: usize = VERSION_AT + size_of::<u32>();
const PAYLOAD_LEN_AT: usize = PAYLOAD_CRC_AT + size_of::<u32>();
const HEADER_CRC_AT: usize = PAYLOAD_LEN_AT + size_of::<u64>();
const RESERVED_AT: usize = HEADER_CRC_AT + size_of::<u32>();

/// Bytes before the payload.
pub(super) const HEADER_BYTES: usize = RESERVED_AT + size_of::<u32>();

/// What the header says about the payload.
pub(super) struct Header {
    payload_crc: u32,
    payload_len: u64,
}

impl Header {
    /// The header that belongs before `payload`.
    pub(super) fn of(payload: &[u8]) -> Header {
        Header { payload_crc: crc32c::crc32c(payload), payload_len: payload.len() as u64 }
    }

    /// Its bytes, in the newest format version.
    pub(super) fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[..VERSION_AT].copy_from_slice(&MAGIC);
        bytes[VERSION_AT..PAYLOAD_CRC_AT].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
        bytes[PAYLOAD_CRC_AT..PAYLOAD_LEN_AT].copy_from_slice(&self.payload_crc.to_le_bytes());
        bytes[PAYLOAD_LEN_AT..HEADER_CRC_AT].copy_from_slice(&self.payload_len.to_le_bytes());
        let crc = crc32c::crc32c(&bytes[..HEADER_CRC_AT]);
        bytes[HEADER_CRC_AT..RESERVED_AT].copy_from_slice(&crc.to_le_bytes());
        bytes
    }
}

/// Checks the header and the payload's checksum; the payload.
///
/// # Panics
/// When there are fewer bytes than a header has.
pub(super) fn split<'a>(path: &Path, bytes: &'a [u8]) -> Result<&'a [u8], BundleError> {
    let (header, payload) = bytes.split_at(HEADER_BYTES);
    check_kind(path, header)?;
    check_part(
        path,
        Part::ManifestHeader,
        0,
        &header[..HEADER_CRC_AT],
        u32_at(header, HEADER_CRC_AT),
    )?;
    let reserved = u32_at(header, RESERVED_AT);
    if reserved != 0 {
        let fault = ManifestFault::Reserved { got: reserved };
        return Err(BundleError::Manifest { path: path.to_owned(), fault });
    }
    let said = u64::from_le_bytes(array_at(header, PAYLOAD_LEN_AT));
    if said != payload.len() as u64 {
        return Err(BundleError::FileLength {
            path: path.to_owned(),
            expected: said.saturating_add(HEADER_BYTES as u64),
            got: bytes.len() as u64,
        });
    }
    let crc = u32_at(header, PAYLOAD_CRC_AT);
    check_part(path, Part::ManifestPayload, HEADER_BYTES, payload, crc)?;
    Ok(payload)
}

/// Magic, then version: a newer version may arrange everything after them anew, so nothing else is
/// looked at before.
fn check_kind(path: &Path, header: &[u8]) -> Result<(), BundleError> {
    let path = path.to_owned();
    let got: [u8; 8] = array_at(header, 0);
    if got != MAGIC {
        return Err(BundleError::Magic { path, expected: MAGIC, got });
    }
    let got = u32_at(header, VERSION_AT);
    if got == 0 || got > FORMAT_VERSION {
        return Err(BundleError::Version { path, got, supported: FORMAT_VERSION });
    }
    Ok(())
}

fn check_part(
    path: &Path,
    part: Part,
    offset: usize,
    bytes: &[u8],
    expected: u32,
) -> Result<(), BundleError> {
    let got = crc32c::crc32c(bytes);
    if got == expected {
        return Ok(());
    }
    let (offset, len) = (offset as u64, bytes.len() as u64);
    Err(BundleError::Checksum { path: path.to_owned(), part, offset, len, expected, got })
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(array_at(bytes, at))
}

fn array_at<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    std::array::from_fn(|i| bytes[at + i])
}
