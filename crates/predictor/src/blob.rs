//! The bytes of one stored group: a fixed header, then lists whose lengths follow from it.
//!
//! ```text
//!  0  magic       4 bytes, one per kind of predictor
//!  4  version     u32 = 1
//!  8  width       u32
//! 12  neurons     u32
//! 16  parameter   u32: the rank (of a cascade: of its first stage), or the bits per weight
//! 20  threshold   f32; of a cascade that of its candidates
//! 24  lists       of f32 (all finite) and bytes, without padding; of a cascade: the blobs of its stages
//! ```
//! Attacks that end here, each with a test in `tests/it/blobs.rs`: sizes near 2^32 whose product wraps, a length that
//! is not what they ask for, another kind or version, scales, biases and thresholds that are infinite or
//! none, bytes cut or changed anywhere. How long a blob may be at all is checked before it is read.
//!
//! Everything is little-endian. Sizes are checked against the model, the length against the sizes, and
//! only then is anything allocated.

use crate::BlobFault;
use std::ops::RangeInclusive;

const VERSION: u32 = 1;

/// Bytes of a stored group, or of a stage of it, that are not held in memory.
pub const BLOB_HEADER: u64 = 24;

/// Bytes before the lists.
pub(crate) const HEADER: usize = BLOB_HEADER as usize;

/// What stands in the header, after the magic and the version.
pub(crate) struct Header {
    pub(crate) magic: [u8; 4],
    pub(crate) width: usize,
    pub(crate) neurons: usize,
    pub(crate) parameter: usize,
    pub(crate) threshold: f32,
}

impl Header {
    /// Starts a blob.
    pub(crate) fn write(&self) -> Vec<u8> {
        let mut bytes = self.magic.to_vec();
        for number in [VERSION, self.width as u32, self.neurons as u32, self.parameter as u32] {
            bytes.extend(number.to_le_bytes());
        }
        bytes.extend(self.threshold.to_le_bytes());
        bytes
    }
}

/// What a blob is expected to be.
pub(crate) struct Expected {
    pub(crate) magic: [u8; 4],
    pub(crate) width: usize,
    pub(crate) neurons: usize,
    /// Name and possible values of the parameter.
    pub(crate) parameter: (&'static str, RangeInclusive<usize>),
}

/// A blob whose header was checked; the lists are taken one after the other.
pub(crate) struct Blob<'a> {
    pub(crate) parameter: usize,
    pub(crate) threshold: f32,
    rest: &'a [u8],
}

impl<'a> Blob<'a> {
    /// Checks the header, and that what follows is as long as `body` says of the parameter.
    pub(crate) fn open(
        bytes: &'a [u8],
        expected: &Expected,
        body: impl FnOnce(u64) -> Option<u64>,
    ) -> Result<Blob<'a>, BlobFault> {
        let Some((head, rest)) = bytes.split_first_chunk::<HEADER>() else {
            return Err(BlobFault::Header { expected: HEADER, got: bytes.len() });
        };
        let word = |index: usize| {
            let at = 4 * index;
            [head[at], head[at + 1], head[at + 2], head[at + 3]]
        };
        let number = |index| u32::from_le_bytes(word(index));
        if word(0) != expected.magic {
            return Err(BlobFault::Magic { expected: expected.magic, got: word(0) });
        }
        if number(1) != VERSION {
            return Err(BlobFault::Version { expected: VERSION, got: number(1) });
        }
        check("the width", number(2), expected.width..=expected.width)?;
        check("the number of neurons", number(3), expected.neurons..=expected.neurons)?;
        let (name, values) = &expected.parameter;
        check(name, number(4), values.clone())?;
        let (length, got) = (body(u64::from(number(4))).unwrap_or(u64::MAX), rest.len() as u64);
        if length != got {
            return Err(BlobFault::Length { expected: length, got });
        }
        let threshold = f32::from_le_bytes(word(5));
        if !threshold.is_finite() {
            return Err(BlobFault::NotFinite { field: "the threshold", index: 0 });
        }
        Ok(Blob { parameter: number(4) as usize, threshold, rest })
    }

    /// The next `count` bytes.
    pub(crate) fn bytes(&mut self, count: usize) -> &'a [u8] {
        let (bytes, rest) = self.rest.split_at(count);
        self.rest = rest;
        bytes
    }

    /// The next `count` signed bytes.
    pub(crate) fn integers(&mut self, count: usize) -> Vec<i8> {
        self.bytes(count).iter().map(|&byte| byte as i8).collect()
    }

    /// The next `count` numbers.
    pub(crate) fn floats(
        &mut self,
        field: &'static str,
        count: usize,
    ) -> Result<Vec<f32>, BlobFault> {
        let (numbers, _) = self.bytes(4 * count).as_chunks::<4>();
        let numbers: Vec<f32> = numbers.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect();
        match numbers.iter().position(|number| !number.is_finite()) {
            Some(index) => Err(BlobFault::NotFinite { field, index }),
            None => Ok(numbers),
        }
    }
}

/// Appends numbers to a blob.
pub(crate) fn write_floats(bytes: &mut Vec<u8>, numbers: &[f32]) {
    bytes.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
}

/// Appends signed bytes to a blob.
pub(crate) fn write_integers(bytes: &mut Vec<u8>, integers: &[i8]) {
    bytes.extend(integers.iter().map(|&integer| integer as u8));
}

fn check(field: &'static str, got: u32, range: RangeInclusive<usize>) -> Result<(), BlobFault> {
    if range.contains(&(got as usize)) {
        return Ok(());
    }
    Err(BlobFault::Size { field, least: *range.start() as u32, most: *range.end() as u32, got })
}
