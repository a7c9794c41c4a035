//! The families this version runs. Adding one is one file here and one line in `FAMILIES`.

mod opt;

use crate::config::Config;
use crate::{Architecture, ModelError, Role};
use std::fmt;
use std::ops::Range;

/// A family of models: how its `config.json` and its tensor names are read.
pub trait Family: fmt::Debug + Sync {
    /// The `model_type` in `config.json`.
    fn name(&self) -> &'static str;

    /// Where a checkpoint keeps the dense tensor for `role`.
    fn dense(&self, architecture: &Architecture, role: Role) -> Source;

    /// Where a checkpoint keeps the neurons of `layer`.
    fn neurons(&self, architecture: &Architecture, layer: usize) -> NeuronSources;
}

/// A tensor of a checkpoint, or some of its rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Names it may have; the first that exists counts.
    pub names: Vec<String>,
    /// Row ranges to put one after the other; all rows when `None`.
    pub rows: Option<Vec<Range<usize>>>,
}

/// The projections of one layer's feed-forward.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NeuronSources {
    /// neurons x hidden, in gated families.
    pub gate: Option<Source>,
    /// neurons x hidden.
    pub up: Source,
    /// hidden x neurons.
    pub down: Source,
    /// One number per neuron.
    pub gate_bias: Option<Source>,
    /// One number per neuron.
    pub up_bias: Option<Source>,
}

impl Source {
    /// All of one tensor that may have several names.
    pub fn whole(names: impl IntoIterator<Item = String>) -> Source {
        Source { names: names.into_iter().collect(), rows: None }
    }
}

/// A family together with the reader of its configuration, which stays private to this crate.
trait Describe: Family {
    fn architecture(&self, config: &Config) -> Result<Architecture, ModelError>;
    fn family(&self) -> &dyn Family;
}

static FAMILIES: [&dyn Describe; 1] = [&opt::Opt];

/// Names of the supported model types.
pub fn supported() -> Vec<&'static str> {
    FAMILIES.iter().map(|family| family.name()).collect()
}

/// Reads a `config.json`.
///
/// # Errors
/// When it is no JSON, its `model_type` is not supported, or a setting is absent or wrong.
pub fn describe(config: &[u8]) -> Result<(&'static dyn Family, Architecture), ModelError> {
    let config = Config::parse(config)?;
    let name = config.text("model_type")?;
    let known = FAMILIES.iter().find(|family| family.name() == name);
    let family = known.ok_or_else(|| ModelError::UnknownFamily {
        got: name.chars().take(60).collect(),
        supported: supported().join(", "),
    })?;
    Ok((family.family(), family.architecture(&config)?))
}
