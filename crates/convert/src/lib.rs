//! From a checkpoint as downloaded to a bundle, and from a text to the predictors of a bundle.
#![doc = include_str!("../README.md")]

mod calibrate;
mod convert;

pub use calibrate::{
    CALIBRATION_TOKENS, CalibrateError, CalibrateEvent, CalibrateOptions, LayerReport,
    PredictorKind, Stage, calibrate, load_curve,
};
pub use convert::{ConvertError, ConvertEvent, ConvertOptions, architecture, convert};
