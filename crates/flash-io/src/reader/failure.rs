//! From a device's bare failure to an error that names the file and the record.

use super::Device;
use crate::{Failure, FileId, ReadError};
use flint_geometry::Extent;
use std::io;

impl Device {
    /// The error of a record of which `got` bytes arrived.
    pub(super) fn error(
        &self,
        file: FileId,
        record: Extent,
        got: u64,
        failure: Failure,
    ) -> ReadError {
        let path = self.paths[file.0 as usize].clone();
        let (offset, expected) = (record.offset(), record.len());
        match failure {
            Failure::EndOfFile => ReadError::EndOfFile { path, offset, expected, got },
            Failure::Os(code) => {
                let cause = io::Error::from_raw_os_error(code);
                if is_impossible(code) {
                    ReadError::Impossible { path, offset, expected, got, cause }
                } else {
                    ReadError::Device { path, offset, expected, got, cause }
                }
            }
            Failure::Overrun => {
                let cause = io::Error::other("more bytes than were asked for");
                ReadError::Impossible { path, offset, expected, got, cause }
            }
        }
    }
}

/// Whether an error number blames the question: a descriptor, an address, an alignment or a list of places
/// that the system would not take. Reads that reach a device never get these.
fn is_impossible(code: i32) -> bool {
    matches!(code, libc::EBADF | libc::EFAULT | libc::EINVAL | libc::EISDIR | libc::ESPIPE)
}
