//! The payload of format version 1, as it lies on disk. Frozen: a change of any field here is a new
//! format version with a file of its own. `docs/FORMAT.md` draws the same fields in the same order.
//!
//! bincode with fixed-size little-endian integers: a list is a u64 count and its items, a string a
//! u64 length and UTF-8, an option one byte 0 or 1 and then the value, a bool one byte, an
//! enumeration a u32. Texts borrow from the payload, so a length that claims more than there is
//! fails before anything is allocated for it; lists of more than numbers have a limit
//! (`at_most.rs`).

mod from_contents;

use super::MAX_MANIFEST;
use super::at_most::{self, at_most};
use crate::ManifestFault;
use bincode::config::{self, Configuration, Fixint, Limit, LittleEndian};
use serde::{Deserialize, Serialize};

const LIMIT: usize = MAX_MANIFEST as usize;
const ENCODING: Configuration<LittleEndian, Fixint, Limit<LIMIT>> =
    config::standard().with_little_endian().with_fixed_int_encoding().with_limit::<LIMIT>();

#[derive(Serialize, Deserialize)]
pub(super) struct ManifestV1<'a> {
    #[serde(borrow)]
    pub(super) source: SourceV1<'a>,
    pub(super) shape: ShapeV1,
    pub(super) architecture: &'a str,
    pub(super) dense_file: FileV1,
    pub(super) neurons_file: FileV1,
    pub(super) texts_file: FileV1,
    #[serde(borrow, deserialize_with = "at_most::<{ at_most::TENSORS }, _, _>")]
    pub(super) tensors: Vec<TensorV1<'a>>,
    #[serde(deserialize_with = "at_most::<{ at_most::LAYERS }, _, _>")]
    pub(super) groups: Vec<GroupV1>,
    #[serde(borrow, deserialize_with = "at_most::<{ at_most::TEXTS }, _, _>")]
    pub(super) texts: Vec<TextV1<'a>>,
    pub(super) predictors: Option<PredictorsV1<'a>>,
    pub(super) calibration: Option<CalibrationV1>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct SourceV1<'a> {
    pub(super) family: &'a str,
    pub(super) converter: &'a str,
    pub(super) fingerprint: &'a str,
}

#[derive(Serialize, Deserialize)]
pub(super) struct ShapeV1 {
    pub(super) layers: u32,
    pub(super) neurons: u32,
    pub(super) vocabulary: u32,
    pub(super) context: u32,
    pub(super) kv_width: u32,
    pub(super) element: ElementV1,
    pub(super) width: u32,
    pub(super) gated: bool,
}

/// f16 is 0, bf16 is 1, f32 is 2.
#[derive(Serialize, Deserialize)]
pub(super) enum ElementV1 {
    F16,
    Bf16,
    F32,
}

/// A data file: its name is its role and the suffix in 16 hexadecimal digits.
#[derive(Serialize, Deserialize)]
pub(super) struct FileV1 {
    pub(super) suffix: u64,
    pub(super) len: u64,
}

#[derive(Serialize, Deserialize)]
pub(super) struct SectionV1 {
    pub(super) offset: u64,
    pub(super) len: u64,
    pub(super) crc: u32,
}

#[derive(Serialize, Deserialize)]
pub(super) struct TensorV1<'a> {
    pub(super) name: &'a str,
    pub(super) element: ElementV1,
    #[serde(deserialize_with = "at_most::<{ at_most::SIZES }, _, _>")]
    pub(super) dims: Vec<u64>,
    pub(super) section: SectionV1,
}

#[derive(Serialize, Deserialize)]
pub(super) struct GroupV1 {
    pub(super) neurons: u32,
    pub(super) offset: u64,
    pub(super) gate_bias: Option<u32>,
    pub(super) up_bias: Option<u32>,
    pub(super) order: Vec<u32>,
    pub(super) record_crcs: Vec<u32>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct TextV1<'a> {
    pub(super) name: &'a str,
    pub(super) section: SectionV1,
}

#[derive(Serialize, Deserialize)]
pub(super) struct PredictorsV1<'a> {
    pub(super) file: FileV1,
    pub(super) kind: &'a str,
    /// No section: every neuron of the group is computed.
    #[serde(deserialize_with = "at_most::<{ at_most::LAYERS }, _, _>")]
    pub(super) groups: Vec<Option<SectionV1>>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct CalibrationV1 {
    pub(super) tokens: u64,
    #[serde(deserialize_with = "at_most::<{ at_most::LAYERS }, _, _>")]
    pub(super) groups: Vec<GroupCalibrationV1>,
    pub(super) perplexity_exact: Option<f64>,
    pub(super) perplexity_sparse: Option<f64>,
    #[serde(deserialize_with = "at_most::<{ at_most::POINTS }, _, _>")]
    pub(super) loads_per_token: Vec<LoadsV1>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct GroupCalibrationV1 {
    pub(super) active_mean: f32,
    pub(super) predicted_mean: f32,
    pub(super) recall: f32,
    pub(super) precision: f32,
    pub(super) hot: Vec<u32>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct LoadsV1 {
    pub(super) slots: u64,
    pub(super) loads: f64,
}

impl<'a> ManifestV1<'a> {
    /// The payload as structs, its numbers unchecked.
    pub(super) fn decode(payload: &'a [u8]) -> Result<ManifestV1<'a>, ManifestFault> {
        let (manifest, used) = bincode::serde::borrow_decode_from_slice(payload, ENCODING)
            .map_err(|cause| ManifestFault::Decode(cause.to_string()))?;
        if used != payload.len() {
            let (used, len) = (used as u64, payload.len() as u64);
            return Err(ManifestFault::TrailingBytes { used, len });
        }
        Ok(manifest)
    }

    /// The payload as bytes.
    pub(super) fn encode(&self) -> Result<Vec<u8>, ManifestFault> {
        bincode::serde::encode_to_vec(self, ENCODING)
            .map_err(|cause| ManifestFault::Encode(cause.to_string()))
    }
}
