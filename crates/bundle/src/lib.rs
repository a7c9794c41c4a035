//! The bundle directory `NAME.flint/`: one open bundle, one writer, and every byte accounted for.
#![doc = include_str!("../README.md")]

mod bundle;
mod calibration;
mod contents;
mod data_file_kind;
mod error;
mod fault;
mod group;
mod layout;
mod manifest;
mod predictors;
mod provenance;
mod replace;
mod tensor;
mod text;
mod writer;

pub use bundle::{Bundle, RecordMismatch, check_record};
pub use calibration::{Calibration, GroupCalibration, LoadsPerToken};
pub use data_file_kind::DataFileKind;
pub use error::{BundleError, Part};
pub use fault::{Counted, ManifestFault, Named};
pub use group::Group;
pub use layout::SECTION;
pub use manifest::{FORMAT_VERSION, check_payload};
pub use predictors::{PredictorEntry, Predictors};
pub use provenance::Provenance;
pub use replace::replace_predictors;
pub use tensor::TensorEntry;
pub use text::TextEntry;
pub use writer::{BundleWriter, Overwrite};
