//! What a synthetic bundle says of how it was made, so that its text can be made again.

use super::language::{Text, walk};
use super::random::Random;
use super::{Scale, Shape};
use crate::Refused;
use anyhow::Context;
use flint_bundle::Bundle;
use serde_json::{Value, json};
use std::path::Path;

/// The text file of the bundle.
pub(super) const FILE: &str = "synth.json";
/// Changes when a recipe means another text or other targets.
const VERSION: u64 = 1;

/// Shape, scale and seed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Recipe {
    pub(super) shape: Shape,
    pub(super) scale: Scale,
    pub(super) seed: u64,
}

impl Recipe {
    /// As stored.
    pub(super) fn to_json(self) -> String {
        let (shape, scale) = (self.shape.name(), self.scale.to_string());
        json!({"version": VERSION, "shape": shape, "scale": scale, "seed": self.seed}).to_string()
    }

    /// Reads what a bundle says.
    ///
    /// # Errors
    /// When it is not a synthetic bundle, or one that another version made.
    pub(super) fn of(bundle: &Bundle) -> anyhow::Result<Recipe> {
        let dir = bundle.dir().display();
        if !bundle.texts().iter().any(|text| text.name == FILE) {
            let text = format!("{dir} was not made by `cargo xtask synth`: it has no {FILE}");
            return Err(Refused(text).into());
        }
        let bytes = bundle.read_text(FILE)?;
        Recipe::parse(&bytes).with_context(|| format!("{FILE} of {dir} cannot be used"))
    }

    fn parse(bytes: &[u8]) -> anyhow::Result<Recipe> {
        let wrong = |text: String| anyhow::Error::from(Refused(text));
        let value: Value = serde_json::from_slice(bytes)?;
        let text = |key: &str| value[key].as_str().ok_or_else(|| wrong(format!("no {key}")));
        if value["version"] != VERSION {
            let version = &value["version"];
            return Err(wrong(format!("its version is {version}, this is version {VERSION}")));
        }
        Ok(Recipe {
            shape: text("shape")?.parse().map_err(wrong)?,
            scale: text("scale")?.parse().map_err(wrong)?,
            seed: value["seed"].as_u64().ok_or_else(|| wrong("no seed".to_owned()))?,
        })
    }
}

/// Whether there is a bundle at `dir` that has a text of its own.
pub fn is_synthetic(dir: &Path) -> bool {
    Bundle::open(dir).is_ok_and(|bundle| bundle.texts().iter().any(|text| text.name == FILE))
}

/// The first `count` tokens of the text that a synthetic bundle is run on: seeded, so always the same, and such
/// that neighbours are alike as in a real text.
///
/// # Errors
/// When there is no bundle at `dir`, or it is not synthetic.
pub fn teacher_forced_tokens(dir: &Path, count: usize) -> anyhow::Result<Vec<u32>> {
    let bundle = Bundle::open(dir)?;
    let recipe = Recipe::of(&bundle)?;
    let vocabulary = bundle.shape().vocabulary as usize;
    Ok(walk(&Random::new(recipe.seed), vocabulary, Text::Run, count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recipe_is_read_back() {
        let scale = "1/8".parse().unwrap();
        let recipe = Recipe { shape: Shape::Phi, scale, seed: u64::MAX };
        assert_eq!(Recipe::parse(recipe.to_json().as_bytes()).unwrap(), recipe);
    }

    #[test]
    fn another_version_is_refused() {
        let text = r#"{"version": 2, "shape": "phi-2", "scale": "1", "seed": 0}"#;
        let error = Recipe::parse(text.as_bytes()).unwrap_err();
        assert!(error.to_string().contains("version is 2"), "{error}");
    }
}
