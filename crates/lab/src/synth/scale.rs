//! How a shape is made smaller: by fewer layers as long as two remain, then by a narrower width.

use super::sizes::Sizes;
use std::fmt;
use std::str::FromStr;

/// A share of a shape's bytes, about: more than 0, at most 1.
///
/// Layers go first, for a layer that stays as it is has records, sets and loads of the published size.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scale(f64);

/// Fewest layers: a first and a last one.
const LEAST_LAYERS: usize = 2;
/// Fewest entries of a vocabulary: enough for a walk that does not repeat itself soon.
const LEAST_VOCABULARY: usize = 8192;
/// Heads come in multiples of this, so that the hidden width can be mixed in blocks of two to some power.
const HEADS: usize = 2;
/// Neurons come in multiples of this.
const NEURONS: usize = 64;

impl Scale {
    /// The shape as published.
    pub const FULL: Scale = Scale(1.0);

    /// Sizes at this scale.
    pub(super) fn apply(self, full: &Sizes) -> Sizes {
        if self == Scale::FULL {
            return *full;
        }
        let layers = (full.layers as f64 * self.0).round() as usize;
        // Bytes fall with the square of the width.
        let width = (full.layers as f64 * self.0 / LEAST_LAYERS as f64).min(1.0).sqrt();
        let multiple = |size: usize, of: usize| {
            if width == 1.0 {
                size
            } else {
                ((size as f64 * width / of as f64).round() as usize).max(1) * of
            }
        };
        let vocabulary = (full.vocabulary as f64 * self.0).round() as usize;
        Sizes {
            layers: layers.max(LEAST_LAYERS),
            heads: multiple(full.heads, HEADS),
            neurons: multiple(full.neurons, NEURONS),
            vocabulary: vocabulary.next_multiple_of(64).clamp(LEAST_VOCABULARY, full.vocabulary),
            ..*full
        }
    }
}

impl fmt::Display for Scale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Scale {
    type Err = String;

    /// A decimal number or a fraction such as `1/8`.
    fn from_str(text: &str) -> Result<Scale, String> {
        let wrong = || {
            format!("'{text}' is not a scale: expected more than 0 and at most 1, as 0.1 or 1/8")
        };
        let number = |text: &str| text.trim().parse::<f64>().map_err(|_| wrong());
        let value = match text.split_once('/') {
            Some((part, whole)) => number(part)? / number(whole)?,
            None => number(text)?,
        };
        // Also refuses what is not a number.
        if value > 0.0 && value <= 1.0 { Ok(Scale(value)) } else { Err(wrong()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::synth::Shape;

    #[test]
    fn layers_go_first_then_the_width() {
        let full = Shape::Opt.sizes();
        let at = |scale: &str| {
            let sizes = scale.parse::<Scale>().unwrap().apply(&full);
            (sizes.layers, sizes.hidden(), sizes.neurons)
        };
        assert_eq!(at("1/8"), (4, 4096, 16384));
        assert_eq!(at("1/16"), (2, 4096, 16384));
        assert_eq!(at("1/1024"), (2, 512, 2048));
        assert_eq!(at("1"), (32, 4096, 16384));
    }

    #[test]
    fn what_is_no_scale_is_refused() {
        for text in ["0", "2", "-1", "1/0", "x", "NaN", "", "1/2/3", "0/0"] {
            assert!(text.parse::<Scale>().is_err(), "{text}");
        }
    }
}
