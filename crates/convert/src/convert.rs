//! From a checkpoint as downloaded to a bundle, one layer at a time.

mod dense;
mod error;
mod neurons;
mod origin;
mod recode;
mod space;
mod target;

pub use error::ConvertError;

use flint_bundle::{Bundle, BundleWriter, Overwrite, Provenance};
use flint_engine::{CancelToken, STORED_COPIES, UnusedTensors, remove_stored_copies};
use flint_geometry::DType;
use flint_model::{Architecture, ModelError};
use origin::Origin;
use std::path::{Path, PathBuf};

/// What to convert, and how.
#[derive(Debug, Clone)]
pub struct ConvertOptions {
    /// Directory of the checkpoint, or a GGUF file.
    pub checkpoint: PathBuf,
    /// Directory of the bundle.
    pub out: PathBuf,
    /// Encoding to store weights in; that of the checkpoint when `None`.
    pub element: Option<DType>,
    /// Whether a bundle that exists may be replaced.
    pub force: bool,
    /// Ends the work early.
    pub cancel: CancelToken,
}

/// What happens while converting.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
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
    /// Before anything is written: tensors that the bundle will not have.
    LeftOut(UnusedTensors),
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
/// When the checkpoint is not one that can be converted, there is no room, writing fails, or the options' token asks for the
/// end. No bundle is left then but one that was there before.
pub fn convert(
    options: &ConvertOptions,
    listen: &mut dyn FnMut(ConvertEvent),
) -> Result<Bundle, ConvertError> {
    let (origin, architecture) = Origin::open(&options.checkpoint)?;
    if architecture.experts.is_some() {
        return Err(ModelError::ExpertsInBundle.into());
    }
    target::check(options)?;
    let plan = Conversion::plan(origin, architecture, options.element)?;
    let shape = plan.architecture.shape(plan.element)?;
    let disk_bytes = BundleWriter::disk_needed(&shape, plan.dense_bytes);
    let free_bytes = space::free_bytes(&options.out);
    let family = plan.architecture.family.clone();
    listen(ConvertEvent::Planned { family, element: plan.element, disk_bytes, free_bytes });
    if !plan.unused.names().is_empty() {
        listen(ConvertEvent::LeftOut(plan.unused.clone()));
    }
    if let Some(free) = free_bytes.filter(|&free| free < disk_bytes) {
        let path = options.out.clone();
        return Err(ConvertError::NoSpace { path, needed: disk_bytes, free });
    }
    let overwrite = if options.force { Overwrite::Force } else { Overwrite::Refuse };
    let source = Provenance {
        family: plan.architecture.family.clone(),
        converter: concat!("flint ", env!("CARGO_PKG_VERSION")).to_owned(),
        fingerprint: plan.origin.fingerprint(),
    };
    let description = plan.architecture.to_json();
    let mut writer = BundleWriter::create(&options.out, overwrite, shape, source, description)?;
    let mut written = |writer: &BundleWriter| {
        listen(ConvertEvent::Written { done: writer.bytes_written(), total: disk_bytes });
        if options.cancel.is_cancelled() { Err(ConvertError::Cancelled) } else { Ok(()) }
    };
    plan.write(&mut writer, &mut written)?;
    let verified = &mut |done, total| listen(ConvertEvent::Verified { done, total });
    // Copies for drafts of the bundle that was there before: never beside other weights.
    remove_stored_copies(&options.out).map_err(|cause| {
        let path = options.out.join(STORED_COPIES);
        ConvertError::StaleCopies { path, cause }
    })?;
    Ok(writer.commit_verified(verified)?)
}

/// What the model at `path` is, without converting it.
///
/// # Errors
/// When it is not a model that can be converted.
pub fn architecture(path: &Path) -> Result<Architecture, ConvertError> {
    Ok(Origin::open(path)?.1)
}

/// A model whose every tensor was found and checked, before anything is written.
struct Conversion {
    origin: Origin,
    architecture: Architecture,
    /// What the caller asked for.
    asked: Option<DType>,
    /// How neurons will be stored.
    element: DType,
    dense_bytes: u64,
    unused: UnusedTensors,
    /// Texts that the bundle keeps, by name.
    texts: Vec<(&'static str, Vec<u8>)>,
}

/// Hears after each piece that was written, and may end the work.
type Written<'a> = &'a mut dyn FnMut(&BundleWriter) -> Result<(), ConvertError>;

impl Conversion {
    fn plan(
        origin: Origin,
        mut architecture: Architecture,
        asked: Option<DType>,
    ) -> Result<Conversion, ConvertError> {
        let element = neurons::check(&origin, &architecture, asked)?;
        let dense_bytes = dense::check(&origin, &architecture, asked)?;
        let unused = origin.unused(&architecture)?;
        let texts = origin.texts(&mut architecture)?;
        Ok(Conversion { origin, architecture, asked, element, dense_bytes, unused, texts })
    }

    fn write(&self, writer: &mut BundleWriter, written: Written<'_>) -> Result<(), ConvertError> {
        for (name, bytes) in &self.texts {
            writer.text(name, bytes)?;
        }
        dense::write(self, writer, written)?;
        for layer in 0..self.architecture.layers {
            neurons::write_layer(self, layer, writer, written)?;
        }
        Ok(())
    }
}
