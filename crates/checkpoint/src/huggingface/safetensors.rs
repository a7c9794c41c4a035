//! The header of a safetensors file, read without mapping or loading the file.
//!
//! Attacks that end here, each with a test in `tests/it/hostile/safetensors.rs`: a header length near 2^64, past the
//! file, or of terabytes; a header that is not JSON, not UTF-8, nested without end, or of other types; tensors
//! that overlap, leave gaps, run backwards or past the end; sizes whose product wraps; hundreds of thousands
//! of tensors or sizes; a name that comes twice; metadata that would take many times its length once parsed;
//! a file cut short.

use super::header::{Header, HeaderTensor};
use super::{CheckpointError, MOST_TENSORS, read_error};
use ::safetensors::tensor::{Dtype, Metadata, TensorInfo};
use serde::de::{Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::collections::HashSet;
use std::fmt;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Largest header that is read. The format allows 100 MB; a thousand tensors take a tenth of a megabyte.
const LARGEST_HEADER: u64 = 16 << 20;

/// Bytes of the header length at the start of the file.
const LENGTH_BYTES: u64 = 8;

/// No tensor of a model has more.
const MOST_DIMENSIONS: usize = 8;

/// Longest name of a tensor, in bytes.
const LONGEST_NAME: usize = 512;

/// Reads and checks the header.
pub(super) fn read_header(path: &Path, file: &File) -> Result<Header, CheckpointError> {
    let bad = |problem: String| CheckpointError::BadFile { path: path.to_owned(), problem };
    let size = file.metadata().map_err(|cause| read_error(path, cause))?.len();
    if size < LENGTH_BYTES {
        return Err(bad(format!("{size} bytes are too few for a safetensors file")));
    }
    let mut length = [0; LENGTH_BYTES as usize];
    file.read_exact_at(&mut length, 0).map_err(|cause| read_error(path, cause))?;
    let length = u64::from_le_bytes(length);
    if length > LARGEST_HEADER || length > size - LENGTH_BYTES {
        return Err(bad(format!(
            "is not a safetensors file: a header of {length} bytes in {size}"
        )));
    }
    let mut text = vec![0; length as usize];
    file.read_exact_at(&mut text, LENGTH_BYTES).map_err(|cause| read_error(path, cause))?;
    let (tensors, end) = parse(&text).map_err(|cause| bad(format!("bad header: {cause}")))?;
    let data = LENGTH_BYTES + length;
    let expected = data.saturating_add(end);
    if expected != size {
        return Err(CheckpointError::BadLength { path: path.to_owned(), expected, got: size });
    }
    let placed = tensors.into_iter().map(|tensor| {
        // Within the file, as its end is.
        HeaderTensor { offset: data + tensor.offset, ..tensor }
    });
    Ok(Header { tensors: placed.collect(), crc: crc32c::crc32c(&text) })
}

/// The tensors of a header, by offset from the start of the data, and where the last one ends.
pub(crate) fn parse(text: &[u8]) -> Result<(Vec<HeaderTensor>, u64), String> {
    let Tensors(mut tensors) = serde_json::from_slice(text).map_err(|error| error.to_string())?;
    tensors.sort_by_key(|(_, info)| info.data_offsets);
    // Checks that tensors tile the data without overlap or gap and agree with their sizes.
    Metadata::new(None, tensors.clone()).map_err(|error| error.to_string())?;
    let end = tensors.last().map_or(0, |(_, info)| info.data_offsets.1 as u64);
    let tensors = tensors.into_iter().map(|(name, info)| HeaderTensor {
        name,
        kind: format!("{:?}", info.dtype),
        dims: info.shape,
        offset: info.data_offsets.0 as u64,
    });
    Ok((tensors.collect(), end))
}

/// The library's own reader of headers takes sixteen times their length, and the last of two tensors of one
/// name: so the text is read here, and what it says is checked by the library.
struct Tensors(Vec<(String, TensorInfo)>);

#[derive(Deserialize)]
struct Info {
    dtype: Dtype,
    #[serde(deserialize_with = "dimensions")]
    shape: Vec<usize>,
    data_offsets: (usize, usize),
}

impl<'de> Deserialize<'de> for Tensors {
    fn deserialize<D: Deserializer<'de>>(parser: D) -> Result<Tensors, D::Error> {
        struct Entries;

        impl<'de> Visitor<'de> for Entries {
            type Value = Tensors;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("tensors by name")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tensors, A::Error> {
                let (mut tensors, mut seen) = (Vec::new(), HashSet::new());
                while let Some(name) = map.next_key::<String>()? {
                    if name.len() > LONGEST_NAME {
                        return Err(A::Error::custom(format!("a name of {} bytes", name.len())));
                    }
                    if !seen.insert(name.clone()) {
                        return Err(A::Error::custom(format!("'{name}' is there twice")));
                    }
                    if name == "__metadata__" {
                        map.next_value::<IgnoredAny>()?;
                        continue;
                    }
                    if tensors.len() == MOST_TENSORS {
                        return Err(A::Error::custom(format!("more than {MOST_TENSORS} tensors")));
                    }
                    let Info { dtype, shape, data_offsets } = map.next_value()?;
                    tensors.push((name, TensorInfo { dtype, shape, data_offsets }));
                }
                Ok(Tensors(tensors))
            }
        }

        parser.deserialize_map(Entries)
    }
}

/// A list of sizes that is not kept before it is counted.
fn dimensions<'de, D: Deserializer<'de>>(parser: D) -> Result<Vec<usize>, D::Error> {
    struct Sizes;

    impl<'de> Visitor<'de> for Sizes {
        type Value = Vec<usize>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list of sizes")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Vec<usize>, A::Error> {
            let mut sizes = Vec::new();
            while let Some(size) = items.next_element()? {
                if sizes.len() == MOST_DIMENSIONS {
                    let most = format!("more than {MOST_DIMENSIONS} dimensions");
                    return Err(A::Error::custom(most));
                }
                sizes.push(size);
            }
            Ok(sizes)
        }
    }

    parser.deserialize_seq(Sizes)
}
