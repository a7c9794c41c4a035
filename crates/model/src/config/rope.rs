//! Rotary positions, in both layouts: `rope_theta` beside `rope_scaling`, or all in `rope_parameters`.

use super::Config;
use crate::{LongFactors, ModelError, RotaryPositions, RotaryScaling};

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
        let mut positions = RotaryPositions::plain(dims, theta);
        if let Some(section) = inner {
            self.stretch(&section, &mut positions)?;
        }
        Ok(positions)
    }

    /// Adds the stretching that `section` describes.
    fn stretch(&self, section: &Config, positions: &mut RotaryPositions) -> Result<(), ModelError> {
        const KIND: &str = "rope_type";
        const OLD_KIND: &str = "type";
        // A section per kind of layer would have neither.
        if let Some((key, value)) = section.settings.iter().find(|(_, value)| value.is_object()) {
            return Err(section.bad(key, "one setting for all layers", value));
        }
        let key = if section.mentions(KIND) { KIND } else { OLD_KIND };
        match section.text_or_absent(key)? {
            None | Some("default") => {}
            Some("linear") => {
                positions.scale = RotaryScaling::Linear { factor: section.number("factor")? };
            }
            Some("llama3") => positions.scale = section.llama3()?,
            Some("yarn") => self.yarn(section, positions)?,
            Some("longrope" | "su") => self.longrope(section, positions)?,
            Some(other) => {
                let expected = "default, linear, llama3, yarn or longrope";
                return Err(section.bad(key, expected, &other.into()));
            }
        }
        Ok(())
    }

    /// The context that a model was first trained on: in the section, beside it, or the whole one.
    fn original_context(&self, section: &Config) -> Result<usize, ModelError> {
        const ORIGINAL: &str = "original_max_position_embeddings";
        for config in [section, self] {
            if let Some(found) = config.size_or_absent(ORIGINAL)? {
                return Ok(found);
            }
        }
        self.size("max_position_embeddings")
    }

    fn yarn(&self, section: &Config, positions: &mut RotaryPositions) -> Result<(), ModelError> {
        let factor = section.number("factor")?;
        let or = |key: &str, default| {
            Ok::<_, ModelError>(section.number_or_absent(key)?.unwrap_or(default))
        };
        let magnitude = match section.number_or_absent("attention_factor")? {
            Some(given) => given,
            None => {
                yarn_magnitude(factor, or("mscale", 1.0)?)
                    / match section.mentions("mscale_all_dim") {
                        true => yarn_magnitude(factor, section.number("mscale_all_dim")?),
                        false => 1.0,
                    }
            }
        };
        positions.scale = RotaryScaling::Yarn {
            factor,
            fast: or("beta_fast", 32.0)?,
            slow: or("beta_slow", 1.0)?,
            original_context: self.original_context(section)?,
            rounded: section.flag_or("truncate", true)?,
        };
        positions.magnitude = Some(magnitude);
        Ok(())
    }

    fn longrope(
        &self,
        section: &Config,
        positions: &mut RotaryPositions,
    ) -> Result<(), ModelError> {
        let original_context = self.original_context(section)?;
        let whole = self.size("max_position_embeddings")?;
        let pairs = positions.dims / 2;
        positions.factors = section.factors("short_factor", pairs)?;
        positions.long =
            Some(LongFactors { original_context, factors: section.factors("long_factor", pairs)? });
        let stretched = whole as f64 / original_context as f64;
        let magnitude = match section.number_or_absent("attention_factor")? {
            Some(given) => given,
            None if stretched <= 1.0 => 1.0,
            None => (1.0 + stretched.ln() / (original_context as f64).ln()).sqrt(),
        };
        positions.magnitude = Some(magnitude);
        Ok(())
    }

    /// A list of one number above zero for each pair.
    fn factors(&self, key: &str, pairs: usize) -> Result<Vec<f32>, ModelError> {
        let value = self.value(key).ok_or_else(|| self.missing(key))?;
        let numbers = value.as_array().map(Vec::as_slice).unwrap_or_default();
        let numbers: Vec<f32> =
            numbers.iter().filter_map(|number| Some(number.as_f64()? as f32)).collect();
        let positive = |&factor: &f32| factor.is_finite() && factor > 0.0;
        if numbers.len() != pairs || !numbers.iter().all(positive) {
            return Err(self.bad(key, &format!("a list of {pairs} numbers above zero"), value));
        }
        Ok(numbers)
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

/// What YaRN multiplies turned numbers by when angles are stretched by `factor`.
pub(crate) fn yarn_magnitude(factor: f64, weight: f64) -> f64 {
    if factor <= 1.0 { 1.0 } else { 0.1 * weight * factor.ln() + 1.0 }
}
