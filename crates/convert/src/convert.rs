//! From a checkpoint as downloaded to a bundle, one layer at a time.

mod dense;
mod error;
mod neurons;
mod recode;
mod space;
mod target;

pub use error::ConvertError;

use flint_bundle::{Bundle, BundleWriter, Overwrite, Source};
use flint_checkpoint::{Checkpoint, Picked, Rows, tokenizer_json};
use flint_engine::{CancelToken, describe_checkpoint};
use flint_geometry::DType;
use flint_model::{Architecture, Family};
use std::path::{Path, PathBuf};

/// Text files of a checkpoint that a bundle keeps as they are.
const TEXTS: [&str; 6] = [
    "config.json",
    "generation_config.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "vocab.json",
    "merges.txt",
];

/// What to convert, and how.
#[derive(Debug, Clone)]
pub struct ConvertOptions {
    /// Directory of the checkpoint.
    pub checkpoint: PathBuf,
    /// Directory of the bundle.
    pub out: PathBuf,
    /// Encoding to store weights in; that of the checkpoint when `None`.
    pub element: Option<DType>,
    /// Whether a bundle that exists may be replaced.
    pub force: bool,
}

/// What happens while converting.
#[derive(Debug, Clone, PartialEq)]
pub enum ConvertEvent {
    /// Before anything is written.
    Planned {
        /// Family of the model.
        family: String,
        /// Encoding of the neurons.
        element: DType,
        /// Bytes of disk that the bundle will take.
        disk_bytes: u64,
        /// Bytes of disk that are free, where the system says so.
        free_bytes: Option<u64>,
    },
    /// Bytes written.
    Written {
        /// So far.
        done: u64,
        /// In all, estimated.
        total: u64,
    },
    /// Bytes of the new bundle that were read back and checked.
    Verified {
        /// So far.
        done: u64,
        /// In all.
        total: u64,
    },
}

/// Converts, and reads everything back before the bundle is complete.
///
/// # Errors
/// When the checkpoint is not one that can be converted, there is no room, or writing fails. No bundle is
/// left then but one that was there before.
pub fn convert(
    options: &ConvertOptions,
    listen: &mut dyn FnMut(ConvertEvent),
) -> Result<Bundle, ConvertError> {
    convert_until(options, &CancelToken::default(), listen)
}

/// The same, and ends early when `cancel` asks for it: then nothing is left but what was there before.
///
/// # Errors
/// As for [`convert`], and when it was halted.
pub fn convert_until(
    options: &ConvertOptions,
    cancel: &CancelToken,
    listen: &mut dyn FnMut(ConvertEvent),
) -> Result<Bundle, ConvertError> {
    let checkpoint = Checkpoint::open(&options.checkpoint)?;
    let (family, architecture) = describe_checkpoint(&checkpoint)?;
    target::check(options)?;
    let plan = Conversion::plan(checkpoint, family, architecture, options.element)?;
    let shape = plan.architecture.shape(plan.element)?;
    let disk_bytes = BundleWriter::disk_needed(&shape, plan.dense_bytes);
    let free_bytes = space::free_bytes(&options.out);
    let family = plan.architecture.family.clone();
    listen(ConvertEvent::Planned { family, element: plan.element, disk_bytes, free_bytes });
    if let Some(free) = free_bytes.filter(|&free| free < disk_bytes) {
        let path = options.out.clone();
        return Err(ConvertError::NoSpace { path, needed: disk_bytes, free });
    }
    let overwrite = if options.force { Overwrite::Force } else { Overwrite::Refuse };
    let source = Source {
        family: plan.architecture.family.clone(),
        converter: concat!("flint ", env!("CARGO_PKG_VERSION")).to_owned(),
        fingerprint: plan.checkpoint.fingerprint(),
    };
    let description = plan.architecture.to_json();
    let mut writer = BundleWriter::create(&options.out, overwrite, shape, source, description)?;
    let mut written = |writer: &BundleWriter| {
        listen(ConvertEvent::Written { done: writer.bytes_written(), total: disk_bytes });
        if cancel.is_cancelled() { Err(ConvertError::Cancelled) } else { Ok(()) }
    };
    plan.write(&mut writer, &mut written)?;
    let verified = &mut |done, total| listen(ConvertEvent::Verified { done, total });
    Ok(writer.commit_verified(verified)?)
}

/// What the model of a checkpoint is, without converting it.
///
/// # Errors
/// When the directory is no checkpoint that can be converted.
pub fn architecture(checkpoint: &Path) -> Result<Architecture, ConvertError> {
    Ok(describe_checkpoint(&Checkpoint::open(checkpoint)?)?.1)
}

/// A checkpoint whose every tensor was found and checked, before anything is written.
struct Conversion {
    checkpoint: Checkpoint,
    family: &'static dyn Family,
    architecture: Architecture,
    /// What the caller asked for.
    asked: Option<DType>,
    /// How neurons will be stored.
    element: DType,
    dense_bytes: u64,
    /// The text of `tokenizer.json`, where there is a tokenizer.
    tokenizer: Option<Vec<u8>>,
}

/// Hears after each piece that was written, and may end the work.
type Written<'a> = &'a mut dyn FnMut(&BundleWriter) -> Result<(), ConvertError>;

impl Conversion {
    fn plan(
        checkpoint: Checkpoint,
        family: &'static dyn Family,
        architecture: Architecture,
        asked: Option<DType>,
    ) -> Result<Conversion, ConvertError> {
        let element = neurons::check(&checkpoint, family, &architecture, asked)?;
        let dense_bytes = dense::check(&checkpoint, family, &architecture, asked)?;
        let tokenizer = tokenizer_json(&checkpoint, architecture.begin_of_text)?;
        Ok(Conversion { checkpoint, family, architecture, asked, element, dense_bytes, tokenizer })
    }

    fn write(&self, writer: &mut BundleWriter, written: Written<'_>) -> Result<(), ConvertError> {
        for name in TEXTS {
            if let Some(bytes) = self.checkpoint.text(name)? {
                writer.text(name, &bytes)?;
            }
        }
        if let Some(tokenizer) = &self.tokenizer {
            writer.text("tokenizer.json", tokenizer)?;
        }
        dense::write(self, writer, written)?;
        for layer in 0..self.architecture.layers {
            neurons::write_layer(self, layer, writer, written)?;
        }
        Ok(())
    }
}

/// The rows that `source` picks, checked to be a tensor of `dims`.
fn pick<'a>(
    checkpoint: &'a Checkpoint,
    source: &flint_model::Source,
    dims: &[usize],
) -> Result<Picked<'a>, ConvertError> {
    let rows = source.rows.as_ref();
    let rows = rows.map(|rows| Rows { of: rows.of, ranges: rows.ranges.clone() });
    Ok(checkpoint.pick(&source.names, rows.as_ref(), dims)?)
}
