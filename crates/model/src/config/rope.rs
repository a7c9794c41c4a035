//! Rotary positions, in both layouts: `rope_theta` beside `rope_scaling`, or all in `rope_parameters`.

use super::Config;
use crate::{ModelError, RotaryPairs, RotaryPositions, RotaryScaling};

/// What a family assumes when its configuration does not say.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RopeDefaults {
    /// Base of the angles.
    pub(crate) theta: f64,
    /// Which part of each head is rotated.
    pub(crate) part: f64,
}

/// The whole head, with the usual base.
impl Default for RopeDefaults {
    fn default() -> RopeDefaults {
        RopeDefaults { theta: 10_000.0, part: 1.0 }
    }
}

impl Config {
    /// Rotary positions for heads of `head_dim` numbers.
    pub(crate) fn rotary(
        &self,
        head_dim: usize,
        defaults: RopeDefaults,
    ) -> Result<RotaryPositions, ModelError> {
        // The older section counts when a checkpoint has both.
        let inner = match self.section("rope_scaling")? {
            Some(section) => Some(section),
            None => self.section("rope_parameters")?,
        };
        let setting = |key, default| {
            let inside = inner.as_ref().map_or(Ok(None), |inner| inner.number_or_absent(key))?;
            let number = inside.map_or_else(|| self.number_or_absent(key), |found| Ok(Some(found)));
            Ok::<f64, ModelError>(number?.unwrap_or(default))
        };
        let theta = setting("rope_theta", defaults.theta)?;
        let part = setting("partial_rotary_factor", defaults.part)?;
        // Rounded down, as the models were trained.
        let dims = (head_dim as f64 * part) as usize;
        if dims == 0 || dims > head_dim || !dims.is_multiple_of(2) {
            let expected = format!("an even number of rotated dimensions of {head_dim}");
            return Err(self.bad("partial_rotary_factor", &expected, &part.into()));
        }
        let scale = inner.map_or(Ok(RotaryScaling::None), |inner| inner.rotary_scale())?;
        Ok(RotaryPositions { dims, theta, scale, pairs: RotaryPairs::Halves, factors: Vec::new() })
    }

    /// The stretching that this section describes.
    fn rotary_scale(&self) -> Result<RotaryScaling, ModelError> {
        const KIND: &str = "rope_type";
        const OLD_KIND: &str = "type";
        // A section per kind of layer would have neither.
        if let Some((key, value)) = self.settings.iter().find(|(_, value)| value.is_object()) {
            return Err(self.bad(key, "one setting for all layers", value));
        }
        let key = if self.mentions(KIND) { KIND } else { OLD_KIND };
        match self.text_or_absent(key)? {
            None | Some("default") => Ok(RotaryScaling::None),
            Some("linear") => Ok(RotaryScaling::Linear { factor: self.number("factor")? }),
            Some("llama3") => self.llama3(),
            Some(other) => Err(self.bad(key, "default, linear or llama3", &other.into())),
        }
    }

    fn llama3(&self) -> Result<RotaryScaling, ModelError> {
        const LOW: &str = "low_freq_factor";
        const HIGH: &str = "high_freq_factor";
        let (low, high) = (self.number(LOW)?, self.number(HIGH)?);
        if low >= high {
            return Err(self.bad(LOW, &format!("less than {HIGH} {high}"), &low.into()));
        }
        Ok(RotaryScaling::Llama3 {
            factor: self.number("factor")?,
            low,
            high,
            original_context: self.size("original_max_position_embeddings")?,
        })
    }
}
