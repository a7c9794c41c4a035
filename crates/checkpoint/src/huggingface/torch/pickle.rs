//! Reads the pickle of a state dictionary: a whitelist of instructions and names, nothing is executed.
//!
//! Attacks that end here, each with a test in `pickle/tests.rs`: names of functions other than those that rebuild
//! tensors, instructions that call or build anything else, lengths past the end, stacks and memos without end,
//! nesting (nothing recurses: containers live in lists and are named by their index), numbers that wrap, one
//! long name used again and again, a tensor that is there twice, texts that are not UTF-8.

mod global;
mod machine;
mod rebuild;
mod value;

pub(super) use global::Kind;

use machine::Machine;
use std::collections::HashSet;
use std::sync::Arc;
use value::Value;

/// Some numbers of a storage, seen as a tensor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tensor {
    pub(super) storage: Storage,
    /// Number of the storage that the tensor starts with.
    pub(super) first: u64,
    pub(super) dims: Vec<u64>,
    /// How far apart neighbours are, for each dimension.
    pub(super) strides: Vec<u64>,
}

/// A file of the archive that holds numbers of one type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Storage {
    pub(super) kind: Kind,
    /// Shared by the tensors of the storage: a pickle may name one again and again.
    pub(super) key: Arc<str>,
}

/// Why a pickle is not that of a state dictionary.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum PickleError {
    #[error("its pickle ends in the middle, at byte {at}: download it again")]
    Truncated { at: usize },
    #[error("its pickle has instruction {code:#04x} at byte {at}, which no file of weights needs")]
    Instruction { at: usize, code: u8 },
    #[error("its pickle names '{name}' at byte {at}, which no file of weights needs: refused")]
    Forbidden { at: usize, name: String },
    #[error("its pickle is malformed at byte {at}: {expected} was expected")]
    Malformed { at: usize, expected: &'static str },
    #[error("its pickle describes more than {most} things by byte {at}")]
    TooMuch { at: usize, most: usize },
    #[error("its pickle has tensor '{name}' twice")]
    Twice { name: String },
}

impl Tensor {
    /// Whether its numbers follow one another, the last dimension fastest.
    pub(super) fn is_contiguous(&self) -> bool {
        let mut expected = Some(1u64);
        self.dims.iter().zip(&self.strides).rev().all(|(&dim, &stride)| {
            // How far apart neighbours are counts only where there are neighbours.
            let fits = dim <= 1 || expected == Some(stride);
            expected = expected.and_then(|expected| expected.checked_mul(dim));
            fits
        })
    }
}

/// The tensors of a state dictionary by name. Other values in it are left out.
pub(super) fn read(program: &[u8]) -> Result<Vec<(String, Tensor)>, PickleError> {
    let mut machine = Machine::new(program);
    let Value::Dictionary(index) = machine.run()? else {
        return Err(machine.malformed("a dictionary of tensors"));
    };
    let (mut named, mut seen) = (Vec::new(), HashSet::new());
    for (key, value) in machine.dictionary(index) {
        if let (&Value::Text(text), &Value::Tensor(index)) = (key, value) {
            let name = machine.name(text)?;
            // Distinct names are distinct bytes of the pickle, so copies of them are no longer than it is.
            if !seen.insert(name) {
                return Err(PickleError::Twice { name: name.to_owned() });
            }
            named.push((name.to_owned(), machine.tensor(index).clone()));
        }
    }
    Ok(named)
}

#[cfg(test)]
mod tests;
