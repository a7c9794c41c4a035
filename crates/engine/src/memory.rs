//! One memory number: what a user asks for, and what the machine and its containers allow.

mod limits;
mod process;
mod warnings;

pub use limits::{Allowance, allowance};
pub use process::{ProcessMemory, process_memory, storage_bytes_read};
pub(crate) use warnings::warnings;

use std::fmt;
use std::str::FromStr;

/// How much memory a run may use.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum MemoryBudget {
    /// Bytes for the whole process.
    Absolute(u64),
    /// Percent of the model's weight bytes, for weights, predictors, slots, KV cache and buffers; the fixed
    /// overhead of the process comes on top.
    Percent(f64),
    /// What the machine and every control group above this process allow.
    Auto,
}

/// A text that is not a memory budget.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "'{text}' is not a memory budget: expected bytes such as 4GiB or 500MB, a share such as 50%, or auto"
)]
pub struct BadBudget {
    /// What was given.
    pub text: String,
}

const UNITS: [(&str, u64); 9] = [
    ("kib", 1 << 10),
    ("mib", 1 << 20),
    ("gib", 1 << 30),
    ("tib", 1 << 40),
    ("kb", 1_000),
    ("mb", 1_000_000),
    ("gb", 1_000_000_000),
    ("tb", 1_000_000_000_000),
    ("b", 1),
];

impl FromStr for MemoryBudget {
    type Err = BadBudget;

    fn from_str(text: &str) -> Result<MemoryBudget, BadBudget> {
        let bad = || BadBudget { text: text.to_owned() };
        let lower = text.trim().to_ascii_lowercase();
        if lower == "auto" {
            return Ok(MemoryBudget::Auto);
        }
        let positive =
            |number: &str| number.trim().parse::<f64>().ok().filter(|n| n.is_finite() && *n > 0.0);
        if let Some(percent) = lower.strip_suffix('%') {
            return positive(percent).map(MemoryBudget::Percent).ok_or_else(bad);
        }
        let unit = UNITS.iter().find_map(|(name, size)| Some((lower.strip_suffix(name)?, size)));
        let (number, size) = unit.unwrap_or((&lower, &1));
        let bytes = positive(number).ok_or_else(bad)? * *size as f64;
        if bytes < 1.0 || bytes > (1u64 << 60) as f64 {
            return Err(bad());
        }
        Ok(MemoryBudget::Absolute(bytes as u64))
    }
}

impl fmt::Display for MemoryBudget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MemoryBudget::Absolute(bytes) => write!(f, "{bytes} bytes"),
            MemoryBudget::Percent(percent) => write!(f, "{percent}%"),
            MemoryBudget::Auto => write!(f, "auto"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budgets_are_read_as_people_write_them() {
        let read = |text: &str| text.parse::<MemoryBudget>();
        assert_eq!(read("4GiB"), Ok(MemoryBudget::Absolute(4 << 30)));
        assert_eq!(read("500 MB"), Ok(MemoryBudget::Absolute(500_000_000)));
        assert_eq!(read("1048576"), Ok(MemoryBudget::Absolute(1 << 20)));
        assert_eq!(read("62.5%"), Ok(MemoryBudget::Percent(62.5)));
        assert_eq!(read("AUTO"), Ok(MemoryBudget::Auto));
        for wrong in ["", "%", "-1GiB", "0", "4 gigs", "nan", "inf", "1e30GB", "0%"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
