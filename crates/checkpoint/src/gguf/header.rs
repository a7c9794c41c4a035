//! The part of a file before its tensors: marks, counts, metadata, the table of tensors.

use super::cursor::Cursor;
use super::error::{Counted, GgufError, HeaderFault, TensorFault};
use super::metadata::Metadata;
use super::tensor::{Entry, Tensor};
use super::value::Value;
use crate::lookalike::{Lookalike, SEEN};
use flint_geometry::Extent;
use std::collections::btree_map::{BTreeMap, Entry as Place};
use std::io::Read;
use std::path::Path;

const MAGIC: &[u8; 4] = b"GGUF";

/// Most tensors of a model, all parts together.
pub(super) const MOST_TENSORS: u64 = 1 << 16;

/// Most metadata keys.
const MOST_KEYS: u64 = 1 << 16;

/// Longest name of a key or tensor, in bytes. Names in use have less than 100.
const LONGEST_NAME: u64 = 255;

/// Fewest bytes that a key with its value takes: a length, one byte of name, a type, one byte of value.
const LEAST_KEY: u64 = 8 + 1 + 4 + 1;

/// Fewest bytes that a tensor takes in the table: a length, one byte of name, one dimension, type and offset.
const LEAST_TENSOR: u64 = 8 + 1 + 4 + 8 + 4 + 8;

/// Where the alignment of tensors is said, and what it is otherwise.
const ALIGNMENT: (&str, u64) = ("general.alignment", 32);

/// What a file says before its tensors.
#[derive(Debug)]
pub(super) struct Header {
    pub(super) version: u32,
    pub(super) alignment: u64,
    pub(super) metadata: Metadata,
    /// In the order of the file.
    pub(super) tensors: Vec<Tensor>,
}

impl Header {
    /// Reads the header of the file at `path`, which has `len` bytes and is part `shard` of its model.
    pub(super) fn read(
        path: &Path,
        source: impl Read,
        len: u64,
        shard: usize,
    ) -> Result<Header, GgufError> {
        let mut cursor = Cursor::new(path, source, len);
        check_magic(path, &mut cursor)?;
        let version = cursor.u32()?;
        match version {
            2 | 3 => {}
            _ if version & 0xffff == 0 && version != 0 => {
                return Err(cursor.fault(HeaderFault::BigEndian));
            }
            _ => return Err(cursor.fault(HeaderFault::Version(version))),
        }
        let tensors = count(&mut cursor, Counted::Tensors, MOST_TENSORS)?;
        let keys = count(&mut cursor, Counted::Keys, MOST_KEYS)?;
        let least = tensors * LEAST_TENSOR + keys * LEAST_KEY;
        cursor.expect(least, 1)?;
        let metadata = Metadata::new(path, values(&mut cursor, keys)?);
        let alignment = metadata.get::<u64>(ALIGNMENT.0)?.unwrap_or(ALIGNMENT.1);
        if !alignment.is_power_of_two() || !(8..=1 << 16).contains(&alignment) {
            return Err(cursor.fault(HeaderFault::Alignment(alignment)));
        }
        let fault = |name: &str, fault| {
            let (path, name) = (path.to_owned(), name.to_owned());
            GgufError::Tensor { path, name, fault }
        };
        let mut entries = Vec::new();
        for _ in 0..tensors {
            let name = name(&mut cursor, Counted::Tensors)?;
            entries.push(Entry::read(name, &mut cursor, fault)?);
        }
        let start = cursor.position().next_multiple_of(alignment);
        let tensors = place(entries, start, alignment, len, shard)
            .map_err(|(name, found)| fault(&name, found))?;
        Ok(Header { version, alignment, metadata, tensors })
    }
}

/// Where each entry lies, given that the data begins at `start`.
///
/// Every tensor begins where the padding of the one before it ends, in the order of the table, as llama.cpp writes
/// and demands it. So no two share a byte.
fn place(
    entries: Vec<Entry>,
    start: u64,
    alignment: u64,
    len: u64,
    shard: usize,
) -> Result<Vec<Tensor>, (String, TensorFault)> {
    let mut tensors = Vec::with_capacity(entries.len());
    let mut expected = 0u64;
    for Entry { name, kind, dims, offset, bytes } in entries {
        if offset != expected {
            return Err((name, TensorFault::Misplaced { expected, got: offset }));
        }
        let extent = start.checked_add(offset).and_then(|offset| Extent::new(offset, bytes));
        let Some(extent) = extent else { return Err((name, TensorFault::TooLarge)) };
        if extent.end() > len {
            return Err((name, TensorFault::PastEnd { end: extent.end(), file: len }));
        }
        // Both are at most the length of the file, and the padding is small.
        expected = (offset + bytes).next_multiple_of(alignment);
        tensors.push(Tensor { name, kind, dims, shard, extent });
    }
    Ok(tensors)
}

fn check_magic<R: Read>(path: &Path, cursor: &mut Cursor<'_, R>) -> Result<(), GgufError> {
    let mut start = Vec::new();
    cursor.append(cursor.len().min(MAGIC.len() as u64), &mut start)?;
    if start == MAGIC {
        return Ok(());
    }
    let more = cursor.left().min(SEEN as u64);
    cursor.append(more, &mut start)?;
    Err(GgufError::NotGguf { path: path.to_owned(), found: Lookalike::of(&start) })
}

fn count<R: Read>(cursor: &mut Cursor<'_, R>, what: Counted, most: u64) -> Result<u64, GgufError> {
    let count = cursor.u64()?;
    match count > most {
        true => Err(cursor.fault(HeaderFault::TooMany { what, count, most })),
        false => Ok(count),
    }
}

fn values<R: Read>(
    cursor: &mut Cursor<'_, R>,
    keys: u64,
) -> Result<BTreeMap<String, Value>, GgufError> {
    let mut values = BTreeMap::new();
    for _ in 0..keys {
        let key = name(cursor, Counted::Keys)?;
        let value = Value::read(cursor)?;
        match values.entry(key) {
            Place::Vacant(place) => drop(place.insert(value)),
            Place::Occupied(place) => {
                return Err(cursor.fault(HeaderFault::KeyTwice(place.key().clone())));
            }
        }
    }
    Ok(values)
}

/// A name, of the things that `what` counts.
fn name<R: Read>(cursor: &mut Cursor<'_, R>, what: Counted) -> Result<String, GgufError> {
    let len = cursor.u64()?;
    if !(1..=LONGEST_NAME).contains(&len) {
        return Err(cursor.fault(HeaderFault::BadName(what)));
    }
    let mut bytes = Vec::new();
    cursor.append(len, &mut bytes)?;
    let name = String::from_utf8(bytes).ok().filter(|name| !name.contains(char::is_control));
    name.ok_or_else(|| cursor.fault(HeaderFault::BadName(what)))
}
