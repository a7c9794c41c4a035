//! How much memory a contestant may use.

use flint_engine::MemoryBudget;
use std::str::FromStr;

/// A limit of a control group.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Limit {
    /// All the memory it wants.
    None,
    /// Bytes.
    Bytes(u64),
    /// Percent of the bundle's weights.
    Percent(f64),
}

impl FromStr for Limit {
    type Err = String;

    fn from_str(text: &str) -> Result<Limit, String> {
        let bad = || format!("'{text}' is no limit: expected 50%, bytes such as 4GiB, or none");
        if text.trim() == "none" {
            return Ok(Limit::None);
        }
        match text.parse() {
            Ok(MemoryBudget::Absolute(bytes)) => Ok(Limit::Bytes(bytes)),
            Ok(MemoryBudget::Percent(percent)) => Ok(Limit::Percent(percent)),
            Ok(MemoryBudget::Auto) | Err(_) => Err(bad()),
        }
    }
}

impl Limit {
    /// Bytes, where there is a limit, for a bundle with `weights` bytes of weights.
    pub fn bytes(self, weights: u64) -> Option<u64> {
        match self {
            Limit::None => None,
            Limit::Bytes(bytes) => Some(bytes),
            Limit::Percent(percent) => Some((weights as f64 * percent / 100.0) as u64),
        }
    }

    /// In words, for tables.
    pub(super) fn label(self) -> String {
        match self {
            Limit::None => "all memory".to_owned(),
            Limit::Bytes(bytes) => format!("{:.2} GB", bytes as f64 / 1e9),
            Limit::Percent(percent) => format!("{percent} %"),
        }
    }
}
